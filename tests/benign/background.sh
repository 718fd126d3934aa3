# Background work as agents do it: servers that are stopped, scripts that start and stop them, jobs that end.
cat > serve.py <<'PYTHON'
import http.server, os
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
with open("port.new", "w") as file:
    print(server.server_port, file=file)
os.rename("port.new", "port")
server.serve_forever()
PYTHON
cat > start.sh <<'SH'
nohup /usr/bin/python3 serve.py > server.log 2>&1 &
echo $! > server.pid
SH
# A start script ends, its server is used by what comes later, and is stopped.
bash start.sh
for _ in $(seq 1 400); do [ -e port ] && break; sleep 0.02; done
for _ in 1 2 3; do curl -fsS "http://127.0.0.1:$(cat port)/" > /dev/null; sleep 1; done
kill "$(cat server.pid)"
# A watcher that makes something again and again.
(while [ ! -e stop ]; do date > stamp; sleep 0.2; done) &
sleep 1
touch stop
wait
eval "$(ssh-agent -s 2> /dev/null)" > /dev/null || true
[ -z "${SSH_AGENT_PID:-}" ] || ssh-agent -k > /dev/null
setsid --wait sh -c 'sleep 0.1' 2> /dev/null || setsid sh -c 'sleep 0.1'
