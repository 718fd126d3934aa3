# Sandboxes as browsers, build tools and agents make them: namespaces, private mounts, another root.
command -v unshare > /dev/null || { echo "no unshare"; exit 77; }
unshare --user --map-root-user true || { echo "no user namespaces"; exit 77; }
unshare --user --map-root-user --mount --pid --fork --mount-proc sh -c 'ps > /dev/null 2>&1 || true; echo inside'
mkdir -p root/etc root/proc root/usr root/tmp
unshare --user --map-root-user --mount --pid --net --ipc --uts --fork bash -euc '
    mount --make-rprivate /
    mount -t tmpfs tmpfs root/tmp
    mount --rbind /usr root/usr
    mount --bind /etc root/etc
    for top in bin lib lib64; do test -L /$top && ln -sfn usr/$top root/$top; done
    mount -t proc proc root/proc
    hostname sandbox
    mount -t tmpfs tmpfs /etc/opt 2> /dev/null || true
    chroot root /bin/sh -c "echo in another root"
'
if command -v bwrap > /dev/null; then
    bwrap --ro-bind / / --proc /proc --dev /dev --tmpfs /tmp --unshare-all --die-with-parent true || true
fi
