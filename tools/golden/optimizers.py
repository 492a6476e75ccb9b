"""Records values of mlx.optimizers for train/optim's tests: python optimizers.py train/optim/testdata

Parameters and gradients are waves that the tests repeat. optimizers.json.gz has the parameters after every step and the state at
the end; adamw.safetensors and multi.safetensors are states as MLX saves them.
"""
import gzip
import json
import sys

import mlx.core as mx
import mlx.optimizers as optim
from mlx.utils import tree_flatten, tree_map

OUT, STEPS = sys.argv[1], 4
SHAPES = {"weight": (4, 6), "bias": (4,), "filter": (6, 2, 2)}


def wave(shape, step, scale):
    n = 1
    for d in shape:
        n *= d
    return (mx.sin(mx.arange(n) * step) * scale).reshape(shape)


def parameters(dtype):
    return {"layers": [{k: wave(s, 0.7 + i, 1.5).astype(dtype) for i, (k, s) in enumerate(SHAPES.items())}]}


def gradients(t, dtype):
    return {"layers": [{k: wave(s, 0.3 + 0.11 * t + i, 0.5 + 0.2 * t).astype(dtype) for i, (k, s) in enumerate(SHAPES.items())}]}


def plain(a):
    kind = str(a.dtype).split(".")[-1]
    return {"shape": list(a.shape), "dtype": kind, "values": [float("%.9g" % v) for v in a.astype(mx.float32).reshape(-1).tolist()]}


def named(tree):
    return {k: plain(v) for k, v in tree_flatten(tree)}


def multi():
    return optim.MultiOptimizer([optim.Muon(0.02), optim.AdamW(optim.linear_schedule(0.01, 0.001, 3))], [lambda name, p: p.ndim == 2])


kinds = {
    "sgd": lambda: optim.SGD(0.1),
    "sgd decay": lambda: optim.SGD(0.1, weight_decay=0.05),
    "sgd momentum": lambda: optim.SGD(0.1, momentum=0.9, dampening=0.3, weight_decay=0.1),
    "sgd nesterov": lambda: optim.SGD(optim.cosine_decay(0.1, 3, 0.01), momentum=0.8, nesterov=True),
    "rmsprop": lambda: optim.RMSprop(0.01),
    "rmsprop options": lambda: optim.RMSprop(optim.step_decay(0.01, 0.5, 2), alpha=0.8, eps=1e-3),
    "adagrad": lambda: optim.Adagrad(0.1),
    "adagrad options": lambda: optim.Adagrad(0.1, eps=1e-2),
    "adadelta": lambda: optim.AdaDelta(1.0),
    "adadelta options": lambda: optim.AdaDelta(optim.exponential_decay(1.0, 0.7), rho=0.7, eps=1e-3),
    "adam": lambda: optim.Adam(0.01),
    "adam options": lambda: optim.Adam(0.01, betas=[0.8, 0.95], eps=1e-4, bias_correction=True),
    "adamw": lambda: optim.AdamW(0.01),
    "adamw options": lambda: optim.AdamW(optim.linear_schedule(0.0, 0.1, 3), betas=[0.7, 0.9], eps=1e-3, weight_decay=0.3, bias_correction=True),
    "adamax": lambda: optim.Adamax(0.01),
    "adamax options": lambda: optim.Adamax(0.05, betas=[0.6, 0.8], eps=1e-3),
    "lion": lambda: optim.Lion(0.01),
    "lion options": lambda: optim.Lion(0.03, betas=[0.5, 0.7], weight_decay=0.4),
    "adafactor": lambda: optim.Adafactor(),
    "adafactor warmup": lambda: optim.Adafactor(warmup_init=True, beta_1=0.6, decay_rate=-0.5),
    "adafactor rate": lambda: optim.Adafactor(optim.exponential_decay(0.1, 0.5), eps=(1e-6, 1e-2), clip_threshold=0.5, weight_decay=0.1, scale_parameter=False, relative_step=False),
    "muon": lambda: optim.Muon(0.02),
    "muon options": lambda: optim.Muon(0.05, momentum=0.6, weight_decay=0.2, nesterov=False, ns_steps=3),
    "multi": multi,
}
cases = {}
for name, make in kinds.items():
    for dtype in (mx.float32, mx.bfloat16):
        opt, params, steps = make(), parameters(dtype), []
        for t in range(STEPS):
            params = opt.apply_gradients(gradients(t, dtype), params)
            steps.append(named(params))
            if dtype == mx.float32 and t == 1 and name in ("adamw", "multi"):
                mx.save_safetensors(f"{OUT}/{name}.safetensors", dict(tree_flatten(opt.state)))
        cases[f"{name} {str(dtype).split('.')[-1]}"] = {"steps": steps, "state": named(opt.state)}

schedules = {
    "exponential": optim.exponential_decay(0.1, 0.9),
    "step": optim.step_decay(0.1, 0.5, 7),
    "cosine": optim.cosine_decay(0.1, 20),
    "cosine end": optim.cosine_decay(0.1, 13, 0.02),
    "linear": optim.linear_schedule(0.0, 0.1, 10),
    "linear down": optim.linear_schedule(0.3, 0.05, 17),
    "joined": optim.join_schedules([optim.linear_schedule(0, 0.1, 5), optim.cosine_decay(0.1, 9, 0.01), optim.exponential_decay(0.01, 0.8)], [5, 14]),
    "warmup": optim.join_schedules([optim.linear_schedule(1e-7, 1e-5, 10), optim.cosine_decay(1e-5, 100, 1e-6)], [11]),
}
at = [0, 1, 2, 4, 5, 6, 10, 13, 14, 15, 20, 50, 200]
rates = {k: [float("%.9g" % s(mx.array(n, mx.uint64)).item()) for n in at] for k, s in schedules.items()}

clips = {}
for name, dtypes in {"f32": [mx.float32] * 3, "bf16": [mx.bfloat16] * 3, "mixed": [mx.bfloat16, mx.float32, mx.bfloat16]}.items():
    for limit in (0.5, 1e3, 0.0):
        g = gradients(1, mx.float32)["layers"][0]
        g = {k: v.astype(dt) for (k, v), dt in zip(g.items(), dtypes)}
        clipped, norm = optim.clip_grad_norm(g, limit)
        clips[f"{name} {limit:g}"] = named(clipped) | {"norm": plain(norm)}

with gzip.GzipFile(f"{OUT}/optimizers.json.gz", "wb", mtime=0) as f:
    f.write(json.dumps({"cases": cases, "at": at, "rates": rates, "clips": clips}).encode())
