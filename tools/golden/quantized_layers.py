"""Records values of mlx.nn's quantised layers for models/nn's tests: python quantized_layers.py models/nn/testdata/quantized.json.gz

The float matrix is a wave that the test repeats; words, scales and biases are those of the layer made from it. Gradients are
those of sum(output * cotangent), cotangent = cos(0.3 i). MLX has no qqmm on the CPU: what QQLinear returns is composed.
"""
import gzip
import json
import sys

import mlx.core as mx
import mlx.nn as nn


def wave(*shape, step=0.7, scale=1.5):
    n = 1
    for d in shape:
        n *= d
    return (mx.sin(mx.arange(n) * step) * scale).reshape(shape)


def plain(a):
    if a is None:
        return None
    values = a.reshape(-1).tolist() if a.dtype in (mx.uint32, mx.uint8) else [float("%.9g" % v) for v in a.astype(mx.float32).reshape(-1).tolist()]
    return {"shape": list(a.shape), "dtype": str(a.dtype).split(".")[-1], "values": values}


def weight(rows, cols):
    return wave(rows, cols, step=0.37, scale=0.8)


def packed(layer):
    return {k: plain(layer.get(k)) for k in ("weight", "scales", "biases")}


def gradient(call, x):
    y = call(x)
    cot = mx.cos(mx.arange(y.size) * 0.3).reshape(y.shape)
    return plain(mx.grad(lambda x: (call(x) * cot).sum())(x))


cases = {}
for mode, bits, group in [("affine", b, 32) for b in (2, 3, 4, 5, 6, 8)] + [("affine", 4, 64), ("affine", 8, 128), ("mxfp4", 4, 32), ("mxfp8", 8, 32), ("nvfp4", 4, 16)]:
    linear = nn.Linear(128, 6)
    linear.weight, linear.bias = weight(6, 128), wave(6, step=1.1)
    q = nn.QuantizedLinear.from_linear(linear, group, bits, mode)
    e = nn.Embedding(5, 128)
    e.weight = weight(5, 128).astype(mx.bfloat16)
    qe = nn.QuantizedEmbedding.from_embedding(e, group, bits, mode)
    x = wave(3, 128, step=0.11)
    case = {"mode": mode, "bits": bits, "group": group}
    case["linear"] = packed(q) | {"output": plain(q(x)), "grad": gradient(q, x), "trainable": list(q.trainable_parameters())}
    ids = mx.array([[4, 0], [2, 4]])
    case["embedding"] = packed(qe) | {"output": plain(qe(ids)), "as_linear": plain(qe.as_linear(x))}
    if mode in ("mxfp8", "nvfp4"):
        qq = nn.QQLinear(128, 6, group, bits, mode)
        qq.weight = weight(6, 128)
        rounded = lambda a: mx.dequantize(*mx.quantize(a, group, bits, mode), group_size=group, bits=bits, mode=mode).astype(mx.float32)
        case["qq"] = {"training": plain(rounded(x) @ rounded(qq.weight).T)}
        qq.eval()
        case["qq"] |= packed(qq)
        qq.train()
        case["qq"]["unpacked"] = plain(qq.weight)
    cases[f"{mode} {bits} {group}"] = case

mx.random.seed(11)
drawn = nn.QuantizedLinear(64, 3, True, 32, 4)
cases["drawn"] = {"mode": "affine", "bits": 4, "group": 32, "linear": packed(drawn), "embedding": packed(nn.QuantizedEmbedding(3, 64, 32, 4))}

with gzip.GzipFile(sys.argv[1], "wb", mtime=0) as f:
    f.write(json.dumps(cases).encode())
