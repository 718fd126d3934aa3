#!/usr/bin/env bash
# Shows that GPU telemetry works on a machine with a real GPU of NVIDIA's, and what it costs there.
#
# Use:  tests/gpu/real.sh [DETECTOR]        DETECTOR: the program; target/release/detector, else target/debug/detector
#
# It needs the driver and its libnvidia-ml.so.1, no root, no network. It changes no setting of a GPU. It
#   1. runs `detector doctor` and expects its line on GPUs to be met,
#   2. runs `detector gpu --json` and compares devices, names, memory and power limits with `nvidia-smi`,
#   3. where Python has PyTorch, keeps the first GPU busy for 15 s and expects that process in the list,
#   4. runs `detector gpu --watch --json` for 20 s and prints what its thread costs on a processor.
# Status 0: all held. 1: something did not; the line says what. 2: there is no GPU here.
set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
detector=${1:-}
for built in "$here/target/release/detector" "$here/target/debug/detector"; do
    [ -n "$detector" ] || { [ -x "$built" ] && detector=$built; }
done
[ -x "$detector" ] || { echo "no detector is built; run \`cargo build --release -p detector\`" >&2; exit 1; }
command -v nvidia-smi > /dev/null || { echo "no nvidia-smi: there is no driver here" >&2; exit 2; }
nvidia-smi -L | grep -q GPU || { echo "nvidia-smi lists no GPU" >&2; exit 2; }
work=$(mktemp -d)
busy=
watching=
cleanup() {
    [ -z "$busy" ] || kill "$busy" 2> /dev/null || true
    [ -z "$watching" ] || kill "$watching" 2> /dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

echo "== 1. doctor"
"$detector" doctor --json > "$work/doctor.json" || true
python3 - "$work/doctor.json" << 'PY'
import json, sys
check = next(check for check in json.load(open(sys.argv[1]))["checks"] if check["name"] == "GPUs")
print("  " + check["detail"])
sys.exit(0 if check["met"] else "doctor finds no GPU telemetry")
PY

echo "== 2. what NVML says, beside nvidia-smi"
"$detector" gpu
"$detector" gpu --json > "$work/gpu.json"
nvidia-smi --query-gpu=index,uuid,name,memory.total,power.limit --format=csv,noheader,nounits > "$work/smi.csv"
python3 - "$work/gpu.json" "$work/smi.csv" << 'PY'
import csv, json, sys
devices = {d["uuid"]: d for d in json.load(open(sys.argv[1]))["devices"] if d["instance"] is None}
wrong = []
for index, uuid, name, memory, limit in csv.reader(open(sys.argv[2]), skipinitialspace=True):
    device = devices.get(uuid)
    if device is None:
        wrong.append(f"GPU {index} ({uuid}) is missing")
        continue
    if device["name"] != name or device["index"] != int(index):
        wrong.append(f"GPU {index} is called {device['index']} {device['name']}, not {name}")
    # NVML counts what the driver keeps for itself in one form of the total and not in the other.
    if abs(device["memory_total"] / 2**20 - float(memory)) > 0.02 * float(memory):
        wrong.append(f"GPU {index} has {device['memory_total']} bytes, not {memory} MiB")
    if limit not in ("[N/A]", "N/A") and device["power_limit"] is not None:
        if abs(device["power_limit"] / 1000 - float(limit)) > 1:
            wrong.append(f"GPU {index} is limited to {device['power_limit']} mW, not {limit} W")
    for field in ("energy", "pcie_received", "power", "sm_clock", "memory_clock", "temperature"):
        if device[field] is None:
            print(f"  GPU {index}: no {field}")
sys.exit("\n".join(wrong) if wrong else 0)
PY
echo "  the same"

echo "== 3. a process that keeps the first GPU busy"
if python3 -c 'import torch; torch.zeros(1, device="cuda")' 2> /dev/null; then
    python3 -c 'import time, torch
a = torch.randn(8192, 8192, device="cuda")
end = time.time() + 15
while time.time() < end:
    a = torch.nn.functional.normalize(a @ a)
    torch.cuda.synchronize()' &
    busy=$!
    found=
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        "$detector" gpu --json > "$work/busy.json"
        if python3 - "$work/busy.json" "$busy" << 'PY'
import json, sys
users = [user for user in json.load(open(sys.argv[1]))["processes"] if user["pid"] == int(sys.argv[2])]
for user in users:
    print(f"  pid {user['pid']}: SM {user['sm']} %, memory {user['memory']} bytes, {user['command'][:40]}")
sys.exit(0 if any((user["sm"] or 0) > 50 for user in users) else 1)
PY
        then
            found=yes
            break
        fi
    done
    kill "$busy" 2> /dev/null || true
    wait "$busy" 2> /dev/null || true
    busy=
    [ -n "$found" ] || { echo "the busy process was not seen with its use: pid namespace, or MIG?" >&2; exit 1; }
else
    echo "  not tried: no PyTorch that sees a GPU"
fi

echo "== 4. cost"
"$detector" gpu --watch --json > "$work/watch.jsonl" &
watching=$!
sleep 2
nanos() {
    local all=0 spent thread
    for thread in "/proc/$watching/task/"*; do
        [ "$(cat "$thread/comm")" = gpu ] || continue
        read -r spent _ < "$thread/schedstat"
        all=$((all + spent))
    done
    echo "$all"
}
before=$(nanos)
sleep 20
after=$(nanos)
kill "$watching"
wait "$watching" 2> /dev/null || true
watching=
count=$(nvidia-smi -L | grep -c '^GPU')
awk -v spent=$((after - before)) -v count="$count" 'BEGIN {
    share = spent / 20e9 * 100
    printf "  %.3f %% of a processor for %d GPU at 1 s; %.3f %% for 8 of them\n", share, count, share / count * 8
}'
[ "$(wc -l < "$work/watch.jsonl")" -ge 15 ] || { echo "fewer samples than one a second" >&2; exit 1; }
echo "all held"
