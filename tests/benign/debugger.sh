# Debuggers and profilers on programs of one's own: strace, gdb, perf, faulthandler, each where it is there.
command -v strace > /dev/null || command -v gdb > /dev/null || { echo "neither strace nor gdb"; exit 77; }
if command -v strace > /dev/null; then
    strace -f -o trace sh -c 'true; /bin/true' && test -s trace
    sleep 30 & sleeper=$!
    timeout -s INT 1 strace -qq -o attached -p "$sleeper" || true
    kill "$sleeper" && wait "$sleeper" || true
fi
if command -v gdb > /dev/null; then
    gdb -nx -batch -ex 'break main' -ex run -ex 'print 1 + 1' -ex kill /bin/true > session 2>&1 || true
    sleep 30 & sleeper=$!
    gdb -nx -batch -p "$sleeper" -ex 'info registers' -ex detach > attached.gdb 2>&1 || true
    kill "$sleeper" && wait "$sleeper" || true
fi
if command -v perf > /dev/null; then perf record -q -o perf.data true > /dev/null 2>&1 || true; fi
if command -v python3 > /dev/null; then
    python3 - <<'PYTHON'
import faulthandler, multiprocessing, os, signal, subprocess, sys
faulthandler.enable()
os.memfd_create("scratch")
# A pool whose workers are told to end, and a process group that is killed whole.
with multiprocessing.Pool(2) as pool:
    print(sum(pool.map(abs, range(100))))
child = subprocess.Popen(["sleep", "30"], start_new_session=True)
os.killpg(child.pid, signal.SIGTERM)
child.wait()
PYTHON
fi
