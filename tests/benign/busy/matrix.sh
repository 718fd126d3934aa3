# Linear algebra: products of matrices by OpenBLAS, on all processors, without reading or writing anything.
/usr/bin/python3 -c 'import numpy' 2> /dev/null || { echo "no numpy"; exit 77; }
cat > product.py <<'PYTHON'
import os, time
import numpy

source = numpy.random.default_rng(1)
until = time.monotonic() + float(os.environ["LONG"])
value = source.standard_normal((1500, 1500))
while time.monotonic() < until:
    value = value @ value.T
    value /= numpy.linalg.norm(value)
print(value.sum())
PYTHON
/usr/bin/python3 product.py
