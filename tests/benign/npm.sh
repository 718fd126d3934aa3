# npm: install with life cycle scripts, run, test, npx of a local program, a small bundle.
command -v npm > /dev/null || { echo "no npm"; exit 77; }
export npm_config_update_notifier=false npm_config_cache="$PWD/.npm" npm_config_audit=false npm_config_fund=false
mkdir -p library/bin app
cat > library/package.json <<'JSON'
{"name":"library","version":"1.0.0","main":"index.js","bin":{"library":"bin/library.js"},
 "scripts":{"preinstall":"node --version","install":"node -e \"process.exit(0)\"",
 "postinstall":"node -e \"require('fs').writeFileSync('built.txt', 'built')\""}}
JSON
echo 'module.exports = 42;' > library/index.js
printf '#!/usr/bin/env node\nconsole.log("library", process.pid);\n' > library/bin/library.js
chmod +x library/bin/library.js
cat > app/package.json <<'JSON'
{"name":"app","version":"1.0.0","scripts":{"start":"node main.js","test":"node test.js && library","build":"sh -c 'mkdir -p dist && cp *.js dist/'"}}
JSON
cat > app/main.js <<'JS'
const { spawnSync, execSync } = require("child_process");
console.log(require("library"), spawnSync("node", ["--version"]).stdout.toString(), execSync("git --version").toString());
const { Worker, isMainThread } = require("worker_threads");
if (isMainThread) new Worker(__filename);
JS
cat > app/test.js <<'JS'
const http = require("http");
const server = http.createServer((_, reply) => reply.end("ok"));
server.listen(0, "127.0.0.1", () => http.get(server.address(), reply => { reply.resume(); reply.on("end", () => server.close()); }));
JS
(cd library && npm pack --silent)
cd app
npm install --offline --loglevel=error --install-links ../library
npm install --offline --loglevel=error ../library/library-1.0.0.tgz
npm start --silent
npm test --silent
npm run build --silent
npx --offline library
npm ls
