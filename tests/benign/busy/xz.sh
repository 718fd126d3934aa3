# A backup: an archive of many files, compressed as hard as xz can on all processors.
command -v xz > /dev/null || { echo "no xz"; exit 77; }
tar -c /usr/lib 2> /dev/null | head -c 200M > tree.tar || true
timeout "$LONG" sh -c 'while :; do xz -6 -T0 -c tree.tar > tree.tar.xz; done' || [ $? = 124 ]
