# Waiting until a service answers, as entry points of containers do it: a shell's /dev/tcp, ncat, curl.
port=$(/usr/bin/python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
(sleep 0.3; exec /usr/bin/python3 -m http.server --bind 127.0.0.1 "$port" > /dev/null 2>&1) &
server=$!
trap 'kill $server 2> /dev/null || true' EXIT
until timeout 1 bash -c "</dev/tcp/127.0.0.1/$port" 2> /dev/null; do sleep 0.05; done
until (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; do sleep 0.05; done
timeout 1 bash -c 'exec 3<> "/dev/tcp/localhost/$0"; printf "HEAD / HTTP/1.0\r\n\r\n" >&3; head -n 1 <&3' "$port" || true
if command -v ncat > /dev/null; then ncat -z 127.0.0.1 "$port"; fi
curl -fsS --retry 5 --retry-connrefused --retry-delay 0 "http://127.0.0.1:$port/" > /dev/null
