# A language server as editors use it: over standard input and output, and over TCP; here a small one in Python.
cat > server.py <<'PYTHON'
import json, os, socket, sys

def talk(reader, writer):
    while True:
        length = None
        while (header := reader.readline().strip()):
            name, value = header.split(b":")
            length = int(value)
        if length is None:
            return
        call = json.loads(reader.read(length))
        if call["method"] == "exit":
            return
        if "id" not in call:
            continue
        result = {"capabilities": {"hoverProvider": True}} if call["method"] == "initialize" else None
        body = json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result}).encode()
        writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        writer.flush()

if sys.argv[1] == "--stdio":
    talk(sys.stdin.buffer, sys.stdout.buffer)
else:
    listener = socket.create_server(("127.0.0.1", 0))
    with open("port.new", "w") as file:
        print(listener.getsockname()[1], file=file)
    os.rename("port.new", "port")
    file = listener.accept()[0].makefile("rwb")
    talk(file, file)
PYTHON
cat > client.py <<'PYTHON'
import json, socket, subprocess, sys

def ask(reader, writer):
    calls = [("initialize", 1), ("initialized", None), ("textDocument/didOpen", None), ("textDocument/hover", 2), ("shutdown", 3), ("exit", None)]
    for method, number in calls:
        call = {"jsonrpc": "2.0", "method": method, "params": {"textDocument": {"uri": "file:///work/main.py", "text": "x = 1\n" * 50}}}
        if number:
            call["id"] = number
        body = json.dumps(call).encode()
        writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        writer.flush()
        if number:
            length = int(reader.readline().split(b":")[1])
            reader.readline()
            assert json.loads(reader.read(length))["id"] == number

if len(sys.argv) > 1:
    file = socket.create_connection(("127.0.0.1", int(sys.argv[1]))).makefile("rwb")
    ask(file, file)
else:
    server = subprocess.Popen([sys.executable, "server.py", "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    ask(server.stdout, server.stdin)
    assert server.wait() == 0
PYTHON
/usr/bin/python3 client.py
/usr/bin/python3 server.py --tcp &
for _ in $(seq 1 400); do [ -e port ] && break; sleep 0.02; done
/usr/bin/python3 client.py "$(cat port)"
wait $!
