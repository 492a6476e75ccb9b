"""MLX's CPU build, with mlx-lm for models."""

import time
from functools import partial
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim

from worker import case, repeated, rows_of, serve

DTYPES = {"f32": mx.float32, "bf16": mx.bfloat16, "f16": mx.float16}


def evaluated(call):
    return repeated(lambda: mx.eval(call()))


def normal(dt, *shape):
    x = mx.random.normal(shape).astype(dt)
    mx.eval(x)
    return x


def gemm(c, dt):
    x, w = normal(dt, c["m"], c["k"]), normal(dt, c["n"], c["k"])
    return evaluated(lambda: x @ w.T)


def attention(c, dt):
    h, hk, t, d = c["heads"], c["kv_heads"], c["t"], c["dim"]
    q, k, v = normal(dt, 1, h, t, d), normal(dt, 1, hk, t, d), normal(dt, 1, hk, t, d)
    g = normal(dt, 1, h, t, d)

    def forward(q, k, v):
        return mx.fast.scaled_dot_product_attention(q, k, v, scale=d**-0.5, mask="causal")

    if c.get("backward"):
        return evaluated(lambda: mx.vjp(forward, [q, k, v], [g])[1])
    return evaluated(lambda: forward(q, k, v))


def rms_norm(c, dt):
    x, w = normal(dt, c["rows"], c["n"]), mx.ones(c["n"], dt)
    return evaluated(lambda: mx.fast.rms_norm(x, w, 1e-5))


def layer_norm(c, dt):
    x, w, b = normal(dt, c["rows"], c["n"]), mx.ones(c["n"], dt), mx.zeros(c["n"], dt)
    return evaluated(lambda: mx.fast.layer_norm(x, w, b, 1e-5))


def softmax(c, dt):
    x = normal(dt, c["rows"], c["n"])
    return evaluated(lambda: mx.softmax(x, axis=-1))


def cross_entropy(c, dt):
    h, w = normal(dt, c["t"], c["d"]), normal(dt, c["vocab"], c["d"]) * 0.02
    targets = mx.random.randint(0, c["vocab"], (c["t"],))
    mx.eval(w, targets)
    return evaluated(lambda: mx.grad(lambda h: nn.losses.cross_entropy(h @ w.T, targets, reduction="sum"))(h))


def quant_matmul(c, dt):
    x, form = normal(dt, c["m"], c["k"]), {"group_size": c["group"], "bits": c["bits"]}
    w = mx.quantize(normal(dt, c["n"], c["k"]), **form)
    mx.eval(w)
    return evaluated(lambda: mx.quantized_matmul(x, *w, transpose=True, **form))


def adamw(c, dt):
    params, grads = {"p": mx.zeros(c["n"])}, {"p": normal(dt, c["n"])}
    opt = optim.AdamW(1e-4, weight_decay=0.01)

    def call():
        nonlocal params
        params = opt.apply_gradients(grads, params)
        mx.eval(params, opt.state)

    return repeated(call)


def read(c, dt):
    x = mx.ones(c["n"])
    mx.eval(x)
    return evaluated(x.sum)


def model(c, dt):
    from mlx_lm.utils import load_model

    m, _ = load_model(Path(c["model"]))
    m.set_dtype(dt)
    mx.eval(m.parameters())
    return m


def train(c, dt):
    """The step of mlx_lm.tuner.trainer.train, over its batches if pad is given."""
    from mlx_lm.tuner.trainer import default_loss, iterate_batches
    from mlx_lm.tuner.utils import linear_to_lora_layers

    m = model(c, dt)
    m.freeze()
    keys = ["self_attn." + p + "_proj" for p in "qkvo"] + ["mlp." + p + "_proj" for p in ("gate", "up", "down")]
    linear_to_lora_layers(m, len(m.layers), {"rank": c["rank"], "scale": 2.0, "dropout": 0.0, "keys": keys})
    m.load_weights(c["adapter"], strict=False)
    m.train()
    rows = [(r["input_ids"][: c.get("cut")], r.get("prompt_length", 0)) for r in rows_of(c["data"])]
    if c.get("pad"):
        batches = list(iterate_batches(rows, c["pad"], 2048))
    else:
        batches = [(mx.array([ids]), mx.array([[0, len(ids)]])) for ids, _ in rows]
    opt = optim.AdamW(2e-4, weight_decay=0.01)
    value_and_grad = nn.value_and_grad(m, default_loss)
    state = [m.state, opt.state, mx.random.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def step(batch, lengths):
        (loss, count), grad = value_and_grad(m, batch, lengths)
        opt.update(m, grad)
        return loss, count

    def run():
        began, losses = time.perf_counter(), []
        for batch, lengths in batches:
            loss, count = step(batch, lengths)
            mx.eval(state, loss, count)
            losses.append(loss.item())
        tokens = sum(len(ids) for ids, _ in rows)
        return {"seconds": time.perf_counter() - began, "tokens": tokens, "loss": losses[0]}

    return run


def generate(c, dt):
    from mlx_lm.generate import generate_step

    m = model(c, dt)
    prompt = mx.array(rows_of(c["data"])[0]["input_ids"][: c["prompt"]])

    def run():
        began, times, ids = time.perf_counter(), [], []
        for token, _ in generate_step(prompt, m, max_tokens=c["new"] + 1):
            times.append(time.perf_counter())
            ids.append(int(token))
        return {"seconds": (times[-1] - times[0]) / c["new"], "prefill": times[0] - began, "ids": ids[:8]}

    return run


def main():
    c = case()
    mx.set_default_device(mx.cpu)
    mx.random.seed(0)
    serve(globals()[c["kind"]](c, DTYPES[c["dtype"]]), version=mx.__version__)


main()
