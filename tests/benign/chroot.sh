# A package with a job, a unit and a script is installed below a directory, and inside a chroot by its own dpkg.
command -v dpkg-deb > /dev/null || { echo "no dpkg"; exit 77; }
mkdir -p package/DEBIAN package/etc/cron.d package/lib/systemd/system package/etc/init.d package/etc/profile.d
printf 'Package: tiny\nVersion: 1.0\nArchitecture: all\nMaintainer: Agent <agent@example.invalid>\nDescription: tiny\n' > package/DEBIAN/control
echo '0 3 * * * root true' > package/etc/cron.d/tiny
printf '[Service]\nExecStart=/bin/true\n' > package/lib/systemd/system/tiny.service
printf '#!/bin/sh\nexit 0\n' > package/etc/init.d/tiny
echo 'export TINY=1' > package/etc/profile.d/tiny.sh
chmod 755 package/etc/init.d/tiny
dpkg-deb -b --root-owner-group package tiny.deb > /dev/null
mkdir -p below/var/lib/dpkg/info below/var/lib/dpkg/updates
touch below/var/lib/dpkg/status
dpkg --root="$PWD/below" --force-not-root --force-bad-path -i tiny.deb > /dev/null
test -f below/etc/cron.d/tiny
dpkg-deb -x tiny.deb unpacked

# A root of its own, with what dpkg and a maintainer script need.
root=$PWD/root
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/tmp" "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/usr/lib64" "$root/etc"
ln -s usr/bin "$root/bin"
ln -s usr/sbin "$root/sbin"
ln -s usr/lib "$root/lib"
ln -s usr/lib64 "$root/lib64"
touch "$root/var/lib/dpkg/status"
for program in dpkg dpkg-deb dpkg-split dpkg-query sh tar rm diff; do
    path=$(command -v "$program")
    cp -L "$path" "$root/usr/bin/"
    { ldd "$path" || true; } | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$root$(dirname "$library")"
        cp -Ln "$library" "$root$library" || true
    done
done
for program in ldconfig start-stop-daemon; do printf '#!/bin/sh\nexit 0\n' > "$root/usr/sbin/$program"; chmod 755 "$root/usr/sbin/$program"; done
printf '#!/bin/sh\nset -e\necho "1 1 * * * root true" > /etc/cron.d/tiny-more\necho "tiny:x:999:999::/:/bin/false" >> /etc/passwd\n' > package/DEBIAN/postinst
chmod 755 package/DEBIAN/postinst
dpkg-deb -b --root-owner-group package "$root/tmp/tiny.deb" > /dev/null
PATH=/usr/bin:/usr/sbin:/bin:/sbin chroot "$root" /usr/bin/dpkg -i /tmp/tiny.deb > log 2>&1 || { cat log; exit 1; }
test -f "$root/etc/cron.d/tiny-more"
