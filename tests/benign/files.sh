# tar, zip, find, xargs, sed -i, grep, sort, rsync where there, over a tree of a thousand files.
mkdir -p tree && cd tree
for directory in $(seq 1 20); do
    mkdir -p "d$directory"
    for number in $(seq 1 50); do echo "line $number of xmrig --donate-level 1 -o stratum+tcp://pool:3333" > "d$directory/f$number.txt"; done
done
cd ..
tar czf tree.tar.gz tree
tar cf - tree | (mkdir copy && tar xf - -C copy)
zip -qr tree.zip tree 2> /dev/null || true
unzip -qo tree.zip -d unzipped 2> /dev/null || true
gzip -k tree/d1/f1.txt && xz -k tree/d1/f2.txt
find tree -name '*.txt' -print0 | xargs -0 -n 100 grep -l stratum+tcp > found
grep -rn -- --donate-level tree | wc -l
find tree -name '*.txt' -exec sed -i 's/xmrig/program/' {} +
find tree -type f -newer tree.tar.gz | sort | sed -n 1,5p
awk '{ print $2 }' tree/d2/*.txt | sort | uniq -c | sort -rn | sed -n 1,3p
find tree -name '*.txt' -exec sha256sum {} + > sums && sha256sum -c --quiet sums
cp -a tree tree2 && diff -r tree tree2
command -v rsync > /dev/null && rsync -a tree/ tree3/
chmod -R go-w tree2
find tree2 -delete
dd if=/dev/zero of=zeroes bs=64k count=16 status=none
split -b 256k zeroes part.
rm -rf tree copy unzipped
