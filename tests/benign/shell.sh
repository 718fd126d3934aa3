# Everyday shell: pipes, traps, here-documents, background jobs, subshells, base64, env, timeout, setsid of a job that ends.
(for number in $(seq 1 50); do echo "$number"; done) | while read -r number; do test "$number" -gt 0; done
echo "aGVsbG8=" | base64 -d
python3 -c 'print("stratum is a word")' 2> /dev/null || true
bash -c 'trap "echo end" EXIT; sleep 0.1 & wait'
timeout 5 sh -c 'true'
env -i PATH="$PATH" sh -c 'id -u; uname -a; hostname' > /dev/null
ps aux > /dev/null || true
setsid -w true
nohup sh -c 'echo started' > nohup.log 2>&1
mkfifo pipe
(echo through > pipe) &
cat < pipe
exec 3< <(echo process substitution)
cat <&3
cat > script.sh <<'SH'
#!/usr/bin/env bash
set -e
cd "$(dirname "$0")"
date +%s > stamp
SH
chmod +x script.sh && ./script.sh
crontab -l > /dev/null 2>&1 || true
ls -la /etc/cron.d /etc/systemd/system > /dev/null 2>&1 || true
cat /etc/crontab ~/.bashrc > /dev/null 2>&1 || true
