# ssh: keys, an agent, known hosts, version, configuration, a refused connection to this machine.
command -v ssh-keygen > /dev/null || { echo "no ssh"; exit 77; }
mkdir -p -m 700 "$HOME/.ssh"
ssh-keygen -q -t ed25519 -N '' -C agent -f "$HOME/.ssh/id_ed25519"
ssh-keygen -lf "$HOME/.ssh/id_ed25519.pub"
ssh-keygen -y -f "$HOME/.ssh/id_ed25519" > /dev/null
eval "$(ssh-agent -s)" > /dev/null
ssh-add -q "$HOME/.ssh/id_ed25519"
ssh-add -l
ssh-agent -k > /dev/null
printf 'Host here\n  HostName 127.0.0.1\n  Port 9\n' > "$HOME/.ssh/config"
ssh -V
ssh -G here > /dev/null
ssh -o BatchMode=yes -o ConnectTimeout=2 -p 9 127.0.0.1 true || true
ssh-keygen -R 127.0.0.1 2> /dev/null || true
scp -q -P 9 -o BatchMode=yes -o ConnectTimeout=2 "$HOME/.ssh/config" 127.0.0.1:/tmp/none || true
