# Databases of this machine by their own protocols, Redis and PostgreSQL; small servers in Python stand for them.
cat > server.py <<'PYTHON'
import os, socket, socketserver, struct, threading

class Redis(socketserver.StreamRequestHandler):
    def handle(self):
        stored = {}
        while (head := self.rfile.readline()):
            words = []
            for _ in range(int(head[1:])):
                length = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(length + 2)[:-2])
            if words[0] == b"SET":
                stored[words[1]] = words[2]
                self.wfile.write(b"+OK\r\n")
            else:
                value = stored.get(words[1], b"")
                self.wfile.write(b"$%d\r\n%s\r\n" % (len(value), value))

class Postgres(socketserver.StreamRequestHandler):
    def message(self, kind, body):
        self.wfile.write(kind + struct.pack(">i", len(body) + 4) + body)
    def handle(self):
        length, code = struct.unpack(">ii", self.rfile.read(8))
        if code == 80877103:
            self.wfile.write(b"N")
            length, code = struct.unpack(">ii", self.rfile.read(8))
        assert code == 196608
        self.rfile.read(length - 8)
        self.message(b"R", struct.pack(">i", 0))
        self.message(b"S", b"server_version\x0015.8\0")
        self.message(b"Z", b"I")
        while (kind := self.rfile.read(1)) == b"Q":
            self.rfile.read(struct.unpack(">i", self.rfile.read(4))[0] - 4)
            self.message(b"C", b"SELECT 1\0")
            self.message(b"Z", b"I")

socketserver.ThreadingTCPServer.daemon_threads = True
servers = [socketserver.ThreadingTCPServer(("127.0.0.1", 0), kind) for kind in (Redis, Postgres)]
with open("ports.new", "w") as file:
    print(*(server.server_address[1] for server in servers), file=file)
os.rename("ports.new", "ports")
threading.Thread(target=servers[0].serve_forever, daemon=True).start()
servers[1].serve_forever()
PYTHON
/usr/bin/python3 server.py &
server=$!
trap 'kill $server 2> /dev/null || true' EXIT
for _ in $(seq 1 400); do [ -e ports ] && break; sleep 0.02; done
/usr/bin/python3 - $(cat ports) <<'PYTHON'
import socket, struct, sys
redis = socket.create_connection(("127.0.0.1", int(sys.argv[1]))).makefile("rwb")
def command(*words):
    redis.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
    redis.flush()
    head = redis.readline()
    return redis.read(int(head[1:]) + 2)[:-2] if head.startswith(b"$") else head
for number in range(50):
    assert command(b"SET", b"job:%d" % number, b'{"id":%d,"method":"submit","params":["worker"]}' % number) == b"+OK\r\n"
    assert b"submit" in command(b"GET", b"job:%d" % number)

postgres = socket.create_connection(("127.0.0.1", int(sys.argv[2]))).makefile("rwb")
postgres.write(struct.pack(">ii", 8, 80877103))
postgres.flush()
assert postgres.read(1) == b"N"
start = struct.pack(">i", 196608) + b"user\0agent\0database\0work\0\0"
postgres.write(struct.pack(">i", len(start) + 4) + start)
postgres.flush()
def until_ready():
    while True:
        kind = postgres.read(1)
        postgres.read(struct.unpack(">i", postgres.read(4))[0] - 4)
        if kind == b"Z":
            return
until_ready()
for number in range(20):
    query = b"select id, nonce from jobs where id = %d\0" % number
    postgres.write(b"Q" + struct.pack(">i", len(query) + 4) + query)
    postgres.flush()
    until_ready()
postgres.write(b"X" + struct.pack(">i", 4))
postgres.flush()
PYTHON
