# A data set packed for upload: zstd at its hardest on all processors.
command -v zstd > /dev/null || { echo "no zstd"; exit 77; }
tar -c /usr/share 2> /dev/null | head -c 200M > data.tar || true
timeout "$LONG" sh -c 'while :; do zstd -19 -T0 -q -f data.tar; done' || [ $? = 124 ]
