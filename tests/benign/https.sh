# A site of this machine over TLS, and curl, Python and openssl as its clients.
command -v openssl > /dev/null || { echo "no openssl"; exit 77; }
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout key.pem -out cert.pem \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost,DNS:app.example.org 2> /dev/null
cat > server.py <<'PYTHON'
import http.server, os, ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
server.socket = context.wrap_socket(server.socket, server_side=True)
with open("port.new", "w") as file:
    print(server.server_address[1], file=file)
os.rename("port.new", "port")
server.serve_forever()
PYTHON
/usr/bin/python3 server.py 2> /dev/null &
server=$!
trap 'kill $server 2> /dev/null || true' EXIT
for _ in $(seq 1 400); do [ -e port ] && break; sleep 0.02; done
port=$(cat port)
for _ in 1 2 3 4 5; do curl -fsS --cacert cert.pem "https://localhost:$port/server.py" > /dev/null; done
curl -fsS --cacert cert.pem --resolve "app.example.org:$port:127.0.0.1" "https://app.example.org:$port/server.py" > /dev/null
curl -fsSk "https://127.0.0.1:$port/server.py" > /dev/null
/usr/bin/python3 - "$port" <<'PYTHON'
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile="cert.pem")
print(len(urllib.request.urlopen(f"https://localhost:{sys.argv[1]}/server.py", context=context).read()))
PYTHON
echo Q | openssl s_client -connect "127.0.0.1:$port" -servername localhost -CAfile cert.pem > /dev/null 2>&1
