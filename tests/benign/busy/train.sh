# Training as PyTorch does it on processors, by numpy: batches from a file, forward, backward, checkpoints, metrics.
/usr/bin/python3 -c 'import numpy' 2> /dev/null || { echo "no numpy"; exit 77; }
cat > train.py <<'PYTHON'
import json, os, time
import numpy

source = numpy.random.default_rng(1)
images = source.standard_normal((20_000, 784), dtype=numpy.float32)
numpy.save("images.npy", images)
numpy.save("labels.npy", (images[:, :10]).argmax(axis=1))
images, labels = numpy.load("images.npy", mmap_mode="r"), numpy.load("labels.npy")

layers = [source.standard_normal(shape, dtype=numpy.float32) * 0.03 for shape in ((784, 512), (512, 512), (512, 10))]
until = time.monotonic() + float(os.environ["LONG"])
step, saved = 0, time.monotonic()
while time.monotonic() < until:
    chosen = numpy.sort(source.integers(0, len(images), 256))
    values = [numpy.asarray(images[chosen])]
    for layer in layers[:-1]:
        values.append(numpy.maximum(values[-1] @ layer, 0))
    logits = values[-1] @ layers[-1]
    odds = numpy.exp(logits - logits.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    loss = -numpy.log(odds[numpy.arange(256), labels[chosen]] + 1e-9).mean()
    odds[numpy.arange(256), labels[chosen]] -= 1
    gradient = odds / 256
    for at in reversed(range(len(layers))):
        below = (gradient @ layers[at].T) * (values[at] > 0)
        layers[at] -= 0.05 * values[at].T @ gradient
        gradient = below
    step += 1
    if time.monotonic() - saved > 2:
        saved = time.monotonic()
        numpy.savez("checkpoint.new.npz", *layers)
        os.replace("checkpoint.new.npz", "checkpoint.npz")
        with open("metrics.jsonl", "a") as metrics:
            metrics.write(json.dumps({"step": step, "loss": float(loss)}) + "\n")
print(step, loss)
PYTHON
/usr/bin/python3 train.py
