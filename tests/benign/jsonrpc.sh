# JSON-RPC over TCP and HTTP with a service of this machine: calls, notifications, batches, a method named login.
cat > service.py <<'PYTHON'
import http.server, json, socketserver, threading

def answer(call):
    return {"jsonrpc": "2.0", "id": call["id"], "result": {"method": call["method"], "status": "OK"}}

class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            calls = json.loads(line)
            if isinstance(calls, list):
                said = [answer(call) for call in calls]
            elif "id" in calls:
                said = answer(calls)
            else:
                said = {"jsonrpc": "2.0", "method": "progress", "params": {"percent": 50}}
            self.wfile.write(json.dumps(said).encode() + b"\n")

class Posts(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.dumps(answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass

socketserver.ThreadingTCPServer.daemon_threads = True
lines = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Lines)
posts = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Posts)
threading.Thread(target=posts.serve_forever, daemon=True).start()
with open("ports.new", "w") as file:
    print(lines.server_address[1], posts.server_address[1], file=file)
import os
os.rename("ports.new", "ports")
lines.serve_forever()
PYTHON
/usr/bin/python3 service.py &
server=$!
trap 'kill $server 2> /dev/null || true' EXIT
for _ in $(seq 1 400); do [ -e ports ] && break; sleep 0.02; done
read -r lines posts < ports
/usr/bin/python3 - "$lines" <<'PYTHON'
import json, socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as server:
    file = server.makefile("rw")
    calls = [
        {"jsonrpc": "2.0", "id": 1, "method": "login", "params": {"user": "agent", "pass": "none"}},
        {"jsonrpc": "2.0", "id": 2, "method": "submit", "params": {"form": "contact", "job": 7}},
        {"id": 3, "method": "eth_blockNumber", "params": [], "jsonrpc": "2.0"},
        {"id": 4, "method": "eth_getBalance", "params": ["0x0000000000000000000000000000000000000000", "latest"], "jsonrpc": "2.0"},
        {"jsonrpc": "2.0", "method": "notify", "params": ["done"]},
        [{"jsonrpc": "2.0", "id": 5, "method": "subtract", "params": [42, 23]}, {"jsonrpc": "2.0", "id": 6, "method": "sum", "params": [1, 2]}],
    ]
    for call in calls:
        file.write(json.dumps(call) + "\n")
        file.flush()
        assert "jsonrpc" in file.readline()
PYTHON
for method in getinfo eth_chainId tools/list; do
    curl -fsS -H 'Content-Type: application/json' -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$method\",\"params\":[]}" "http://127.0.0.1:$posts/" | grep -q OK
done
