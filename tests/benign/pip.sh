# pip: a virtual environment, a package built from source with a C extension, an editable install, a wheel, uninstall.
/usr/bin/python3 -c 'import venv, ensurepip, setuptools' 2> /dev/null || { echo "no venv or setuptools"; exit 77; }
mkdir -p package/tiny_package
cat > package/setup.py <<'PYTHON'
from setuptools import Extension, setup
import os, sysconfig
header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
native = [Extension("tiny_package.native", ["native.c"])] if os.path.exists(header) else []
setup(name="tiny-package", version="1.0", packages=["tiny_package"], ext_modules=native,
      entry_points={"console_scripts": ["tiny = tiny_package:main"]})
PYTHON
cat > package/native.c <<'C'
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "native", 0, -1, 0};
PyMODINIT_FUNC PyInit_native(void) { return PyModule_Create(&module); }
C
printf 'ANSWER = 42\ndef main():\n    print(ANSWER)\n' > package/tiny_package/__init__.py
/usr/bin/python3 -m venv --system-site-packages .venv
. .venv/bin/activate
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INDEX=1
python -m pip install -q --no-build-isolation ./package
tiny
python -m pip install -q --no-build-isolation -e ./package
python -m pip list -q
python -m pip freeze
python -m pip wheel -q --no-build-isolation --no-deps -w wheels ./package || true
python -m pip uninstall -q -y tiny-package
