# tmux: a session that runs a command, is looked at, and is ended.
command -v tmux > /dev/null || { echo "no tmux"; exit 77; }
export TMUX_TMPDIR="$PWD" SHELL=/bin/sh
unset TMUX
tmux -f /dev/null new-session -d -s work 'echo working; sleep 30'
trap 'tmux kill-server 2> /dev/null || true' EXIT
tmux send-keys -t work 'q' Enter
tmux new-window -t work 'sleep 30'
tmux list-windows -t work
tmux capture-pane -p -t work > /dev/null
tmux kill-session -t work
