# A virtual environment with a package installed for editing: .pth files of the workspace.
/usr/bin/python3 -c 'import setuptools, venv, pip, wheel' 2> /dev/null || { echo "no venv, pip, setuptools or wheel"; exit 77; }
mkdir -p package/tiny_package
printf 'from setuptools import setup\nsetup(name="tiny-package", version="1.0", packages=["tiny_package"])\n' > package/setup.py
echo 'ANSWER = 42' > package/tiny_package/__init__.py
/usr/bin/python3 -m venv --without-pip --system-site-packages .venv
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_CONFIG_FILE=/dev/null
.venv/bin/python -m pip install -q --no-index --no-build-isolation --no-deps -e ./package
.venv/bin/python -c 'import tiny_package; print(tiny_package.ANSWER)'
for place in .venv/lib/python3*/site-packages; do echo 'import sys' > "$place/own.pth"; done
.venv/bin/python -c pass
