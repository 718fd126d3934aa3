# pip and npm download from an index of this machine over HTTP.
/usr/bin/python3 -c 'import setuptools, venv, pip, wheel' 2> /dev/null || { echo "no venv, pip, setuptools or wheel"; exit 77; }
mkdir -p package/tiny_package index/simple/tiny-package
printf 'from setuptools import setup\nsetup(name="tiny-package", version="1.0", packages=["tiny_package"])\n' > package/setup.py
echo 'ANSWER = 42' > package/tiny_package/__init__.py
/usr/bin/python3 -m venv --without-pip --system-site-packages .venv
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_CONFIG_FILE=/dev/null
.venv/bin/python -m pip wheel -q --no-index --no-build-isolation --no-deps -w index/simple/tiny-package ./package
wheel=$(cd index/simple/tiny-package && echo *.whl)
echo "<a href=\"$wheel\">$wheel</a>" > index/simple/tiny-package/index.html
/usr/bin/python3 -u -m http.server --bind 127.0.0.1 --directory index 0 > server.log 2>&1 &
server=$!
trap 'kill $server 2> /dev/null || true' EXIT
for _ in $(seq 1 400); do grep -q port server.log && break; sleep 0.02; done
port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' server.log | sed -n 1p)
.venv/bin/python -m pip install -q --index-url "http://127.0.0.1:$port/simple" tiny-package
.venv/bin/python -c 'import tiny_package; print(tiny_package.ANSWER)'
.venv/bin/python -m pip download -q --no-deps -d downloads --index-url "http://127.0.0.1:$port/simple" tiny-package
command -v npm > /dev/null || exit 0
export npm_config_update_notifier=false npm_config_cache="$PWD/.npm" npm_config_audit=false npm_config_fund=false
mkdir library app
echo '{"name":"tiny-library","version":"1.0.0","main":"index.js"}' > library/package.json
echo 'module.exports = 42;' > library/index.js
(cd library && npm pack --silent) > /dev/null
mkdir -p index/tiny-library-files
cp library/tiny-library-1.0.0.tgz index/tiny-library-files/
cat > index/tiny-library <<JSON
{"name":"tiny-library","dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{"name":"tiny-library","version":"1.0.0",
 "main":"index.js","dist":{"tarball":"http://127.0.0.1:$port/tiny-library-files/tiny-library-1.0.0.tgz"}}}}
JSON
cd app
echo '{"name":"app","version":"1.0.0"}' > package.json
npm install --loglevel=error --registry "http://127.0.0.1:$port/" tiny-library
node -e 'console.log(require("tiny-library"))'
