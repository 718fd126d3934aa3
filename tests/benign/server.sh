# A development server on this machine only, and curl, wget and Python as its clients.
mkdir -p site && cd site
echo '<p>hello</p>' > index.html
/usr/bin/python3 -u -m http.server --bind 127.0.0.1 0 > ../server.log 2>&1 &
server=$!
trap 'kill $server 2> /dev/null || true' EXIT
for _ in $(seq 1 200); do grep -q 'port' ../server.log && break; sleep 0.05; done
port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' ../server.log | sed -n 1p)
for _ in $(seq 1 20); do curl -fsS "http://127.0.0.1:$port/" > /dev/null; done
curl -fsS -o page.html -H 'Authorization: Bearer none' "http://127.0.0.1:$port/index.html"
curl -fsS "http://127.0.0.1:9/" 2> /dev/null || true
command -v wget > /dev/null && wget -q -O page2.html "http://127.0.0.1:$port/"
/usr/bin/python3 -c "import urllib.request as u; print(u.urlopen('http://127.0.0.1:$port/').read())"
if command -v node > /dev/null; then
    node -e "require('http').get('http://127.0.0.1:$port/', reply => reply.resume())"
fi
