# forms.sh PLACE TRIGGER: each form of a write to each of the files on standard input, `RULE MOUNT PATH` a line.
#
# Before a form, the file PLACE/mark/FORM@RULE@PATH (slashes as %) is made: what comes after belongs to it.
# Everything that a form does to the target is done by a process of its own.
set -u
place=$1
trigger=$2
exec 2>> "$place/errors"
mkdir -p "$place/mark" "$place/settle" "$place/binds" "$place/links"

mark() { : > "$place/mark/$1@$rule@${target//\//%}"; }
# The target as it was before, and a source beside it on the same mount.
fresh() {
    mark prepared
    rm -rf "$target" "$source"
    mkdir -p "$directory" "$work"
    (echo a > "$source")
    if [ "$1" = there ]; then (echo a > "$target"); fi
}
form() {
    name=$1
    fresh "$2"
    shift 2
    mark "$name"
    "$@" > /dev/null || echo "$name of $target failed" >&2
}

create() { (echo x > "$target"); }
append() { (echo x >> "$target"); }
through() { (echo x > "$1"); }
# Waits until the sensor has seen what was done so far. Names of renames are followed after the fact: on a kernel
# where they have to be, what is unmounted or removed at once is not found any more.
settle() { sh "${BASH_SOURCE%/*}/settle.sh" "$place"; }
unmount() {
    settle
    umount "$1"
}
bound() {
    mount --bind "$directory" "$place/binds" && "$@"
    unmount "$place/binds"
}
write_bound() { bound through "$place/binds/$leaf"; }
move_bound() {
    (echo a > "$directory/zz-source")
    bound mv "$place/binds/zz-source" "$place/binds/$leaf"
}
jailed() {
    mkdir -p "$place/jail/x"
    mount --bind "$directory" "$place/jail/x"
    perl -e 'chroot $ARGV[0] or die; eval $ARGV[2]; die $@ if $@' "$place/jail" "$leaf" "$1"
    unmount "$place/jail/x"
}
linked() {
    ln -sfn "$directory" "$place/links/directory"
    "$@"
}
second_name() {
    ln "$target" "$work/second"
    mark second-name
    (echo x >> "$work/second")
    settle
    rm -f "$work/second"
}
archived() {
    tar cf "$work/archive" -C "$directory" "$leaf"
    rm -f "$target"
    tar xf "$work/archive" -C "$directory"
}
parent_moved() {
    rm -rf "$work/parent"
    cp -a "$directory" "$work/parent"
    rm -rf "$directory"
    mark parent-moved
    mv "$work/parent" "$directory"
    settle
}

while read -r rule top target; do
    directory=${target%/*}
    leaf=${target##*/}
    work=$top/zz-work
    source=$work/source
    form create absent create
    form append there append
    form open-truncate there create
    form truncate there truncate -s 1 "$target"
    form truncate-name there "$trigger" truncate "$target" 1
    form sed there sed -i s/a/b/ "$target"
    form perl there perl -i -pe s/a/b/ "$target"
    form cp there cp "$source" "$target"
    form mv absent mv "$source" "$target"
    form mv-over there mv -f "$source" "$target"
    form exchange there "$trigger" rename-exchange "$source" "$target"
    form exchange-back there "$trigger" rename-exchange "$target" "$source"
    form symlink absent ln -s "$source" "$target"
    form link absent ln "$source" "$target"
    form second-name-made there second_name
    form tmpfile absent "$trigger" link-tmpfile "$directory" "$target"
    form dirfd absent "$trigger" open-at "$directory" "$leaf"
    form tar there archived
    form mmap there "$trigger" map-write "$target"
    form install absent install -D "$source" "$target"
    form bind absent write_bound
    form bind-mv absent move_bound
    form parent-link absent linked through "$place/links/directory/$leaf"
    form parent-link-mv absent linked mv "$source" "$place/links/directory/$leaf"
    form proc-root absent through "/proc/self/root$target"
    form proc-root-mv absent mv "$source" "/proc/self/root$target"
    form chroot absent jailed 'open my $f, ">", "/x/$ARGV[1]" or die'
    form chroot-mv absent jailed 'open my $f, ">", "/x/zz-source" or die; rename "/x/zz-source", "/x/$ARGV[1]" or die'
    form namespace absent unshare -m sh -c 'mount --bind "$1" "$2" && echo x > "$2/$3"' sh "$directory" "$place/binds" "$leaf"
    form namespace-mv absent unshare -m sh -c \
        'mount --bind "$1" "$2" && echo x > "$2/zz-source" && mv "$2/zz-source" "$2/$3" && sh "$4/settle.sh" "$5"' \
        sh "$directory" "$place/binds" "$leaf" "${BASH_SOURCE%/*}" "$place"
    if [ "$directory" != "$top" ]; then form parent-moved-made there parent_moved; fi
    form chmod there chmod 755 "$target"
    form layer absent unshare -m sh -c 'mount -t tmpfs none "$1" && mkdir -p "$2" && echo x > "$3"' sh "$top" "$directory" "$target"
    rm -rf "$target"
done
mark end
