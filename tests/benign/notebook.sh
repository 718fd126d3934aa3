# A notebook server's traffic: HTTP with a token, then a WebSocket with messages both ways. Jupyter itself is not
# needed: a small server in Python speaks as it does.
cat > server.py <<'PYTHON'
import base64, hashlib, http.server, json, os

class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *words):
        pass
    def do_GET(self):
        if self.headers.get("Upgrade") != "websocket":
            body = json.dumps({"version": "2.14.0"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        accept = base64.b64encode(hashlib.sha1((self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept.decode())
        self.send_header("Sec-WebSocket-Protocol", "v1.kernel.websocket.jupyter.org")
        self.end_headers()
        for _ in range(50):
            first, length = self.rfile.read(2)
            length &= 0x7f
            if length == 126:
                length = int.from_bytes(self.rfile.read(2), "big")
            mask = self.rfile.read(4)
            message = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.rfile.read(length)))
            said = json.dumps({"msg_type": "execute_result", "parent": json.loads(message)["msg_id"]}).encode()
            self.wfile.write(bytes([0x81, len(said)]) + said)
        self.close_connection = True

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
with open("port.new", "w") as file:
    print(server.server_address[1], file=file)
os.rename("port.new", "port")
server.serve_forever()
PYTHON
/usr/bin/python3 server.py &
server=$!
trap 'kill $server 2> /dev/null || true' EXIT
for _ in $(seq 1 400); do [ -e port ] && break; sleep 0.02; done
curl -fsS -H 'Authorization: token 0123456789abcdef' "http://127.0.0.1:$(cat port)/api" > /dev/null
/usr/bin/python3 - "$(cat port)" <<'PYTHON'
import base64, json, os, socket, sys
file = socket.create_connection(("127.0.0.1", int(sys.argv[1]))).makefile("rwb")
file.write(b"GET /api/kernels/0a1b2c3d/channels?token=0123456789abcdef HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: " + base64.b64encode(os.urandom(16)) + b"\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: v1.kernel.websocket.jupyter.org\r\n\r\n")
file.flush()
assert b" 101 " in file.readline()
while file.readline().strip():
    pass
for number in range(50):
    said = json.dumps({"msg_id": number, "msg_type": "execute_request", "content": {"code": "print('hello')\n" * 9}}).encode()
    mask = os.urandom(4)
    file.write(bytes([0x81, 0x80 | 126]) + len(said).to_bytes(2, "big") + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(said)))
    file.flush()
    first, length = file.read(2)
    assert json.loads(file.read(length))["parent"] == number
PYTHON
