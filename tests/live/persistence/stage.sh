# stage.sh PLACE: in a mount namespace of one's own, puts copies over what the forms write to.
set -eu
mount --make-rprivate /
stage=$1/stage
mkdir "$stage"
mount -t tmpfs none "$stage"
mkdir "$stage/etc" "$stage/root" "$stage/home" "$stage/boot" "$stage/spool"
cp -a /etc/. "$stage/etc/"
for pair in etc:/etc root:/root home:/home boot:/boot spool:/var/spool; do
    mkdir -p "${pair#*:}"
    mkdir "$stage/${pair%%:*}/zz-work"
    mount --bind "$stage/${pair%%:*}" "${pair#*:}"
done
umount -l "$stage"
