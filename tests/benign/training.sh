# A training loop: data loaders in processes of their own, shared memory, checkpoints, a log of metrics, early stop.
cat > train.py <<'PYTHON'
import json, math, multiprocessing, os, pickle, random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import shared_memory

def batch(seed):
    source = random.Random(seed)
    points = [source.random() for _ in range(500)]
    return [(x, 3 * x + 2 + source.gauss(0, 0.1)) for x in points]

def evaluate(weights):
    slope, offset = weights
    return sum((slope * x + offset - y) ** 2 for x, y in batch(99)) / 500

def main():
    memory = shared_memory.SharedMemory(create=True, size=4096)
    memory.buf[:4] = b"data"
    slope = offset = 0.0
    os.makedirs("checkpoints", exist_ok=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2) as loaders, ProcessPoolExecutor(1, mp_context=context) as judge:
        data = [point for part in loaders.map(batch, range(4)) for point in part]
        for epoch in range(120):
            errors = [(slope * x + offset - y, x) for x, y in data]
            slope -= 0.5 * sum(e * x for e, x in errors) / len(data)
            offset -= 0.5 * sum(e for e, _ in errors) / len(data)
            if epoch % 40 == 39:
                loss = judge.submit(evaluate, (slope, offset)).result()
                with open("checkpoints/new.pt", "wb") as file:
                    pickle.dump({"slope": slope, "offset": offset, "epoch": epoch}, file)
                os.replace("checkpoints/new.pt", f"checkpoints/{epoch}.pt")
                with open("metrics.jsonl", "a") as file:
                    file.write(json.dumps({"epoch": epoch, "loss": loss}) + "\n")
    memory.close()
    memory.unlink()
    assert math.isclose(slope, 3, abs_tol=0.5), slope

if __name__ == "__main__":
    main()
PYTHON
nice -n 5 /usr/bin/python3 train.py
nohup /usr/bin/python3 train.py > nohup.log 2>&1 &
wait
tail -n 1 metrics.jsonl
