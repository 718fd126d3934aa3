# The layers of an image, as docker build writes them: an overlay of its own mounts, and a package inside.
unshare -m true 2> /dev/null || { echo "no mount namespaces"; exit 77; }
mkdir -p lower/etc/cron.d lower/usr lower/root layers
cat > build.sh <<'BUILD'
set -e
mount -t tmpfs none layers
mkdir layers/upper layers/work layers/merged
mount -t overlay overlay -o "lowerdir=$PWD/lower,upperdir=$PWD/layers/upper,workdir=$PWD/layers/work" layers/merged || exit 77
for directory in usr bin lib lib64 dev proc; do
    test -e "/$directory" || continue
    mkdir -p "layers/merged/$directory"
    mount --rbind "/$directory" "layers/merged/$directory"
done
mkdir -p layers/merged/old
cd layers/merged
pivot_root . old
exec chroot . /bin/sh -c '
    echo "0 3 * * * root true" > /etc/cron.d/job
    mkdir -p /etc/systemd/system /etc/profile.d /root/.ssh
    printf "[Service]\nExecStart=/bin/true\n" > /etc/systemd/system/tiny.service
    ln -s /etc/systemd/system/tiny.service /etc/systemd/system/tiny-alias.service
    echo "export A=1" > /etc/profile.d/a.sh
    echo "root:x:0:0::/root:/bin/sh" > /etc/passwd
    echo "export B=1" > /root/.bashrc.new
    mv /root/.bashrc.new /root/.bashrc
    echo "ssh-ed25519 AAAA key" > /root/.ssh/authorized_keys
    chmod 755 /etc/profile.d/a.sh
'
BUILD
code=0
unshare -m bash -e build.sh || code=$?
if [ "$code" = 77 ]; then echo "no overlay"; exit 77; fi
exit "$code"
