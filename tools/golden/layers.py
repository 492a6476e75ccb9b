"""Records values of mlx.nn's layers for models/nn's tests: python layers.py models/nn/testdata/layers.json.gz

Each case has the seed that was set before the layer was made (its parameters follow from it), inputs, and what the layer returned.
Gradients are those of sum(output * cotangent), cotangent = cos(0.3 i) in row-major order.
"""
import gzip
import json
import sys

import mlx.core as mx
import mlx.nn as nn

SEED = 11
cases = {}


def wave(*shape, step=0.7, scale=1.5):
    n = 1
    for d in shape:
        n *= d
    return (mx.sin(mx.arange(n) * step) * scale).reshape(shape)


def plain(a):
    return {"shape": list(a.shape), "values": [float("%.9g" % v) for v in a.astype(mx.float32).reshape(-1).tolist()]}


def record(name, make, *inputs, grad=False, after=lambda l: [], evaluate=False):
    mx.random.seed(SEED)
    layer = make()
    if evaluate:
        layer.eval()
    call = lambda *a: layer(*a)
    outputs = [call(*inputs)]
    case = {"inputs": [plain(i) if isinstance(i, mx.array) else None for i in inputs]}
    case["outputs"] = [plain(o) for o in outputs + after(layer)]
    if grad:
        weight = mx.cos(mx.arange(outputs[0].size) * 0.3).reshape(outputs[0].shape)
        case["grad"] = plain(mx.grad(lambda x: (call(x, *inputs[1:]) * weight).sum())(inputs[0]))
    cases[name] = case


image, line, volume = wave(2, 4, 5, 3), wave(2, 6, 2), wave(1, 2, 3, 4, 2)
for mode in ["nearest", "linear", "cubic"]:
    for name, scale in [("up", 2.0), ("odd", (1.5, 2.3)), ("down", (0.5, 0.4))]:
        record(f"upsample {mode} {name}", lambda: nn.Upsample(scale, mode), image, grad=True)
    if mode != "nearest":
        record(f"upsample {mode} corners", lambda: nn.Upsample((2.0, 0.6), mode, align_corners=True), image)
        record(f"upsample {mode} smooth", lambda: nn.Upsample((0.5, 1.4), mode, antialias=True), image)
record("upsample line", lambda: nn.Upsample(3.0, "linear"), line)
record("upsample volume", lambda: nn.Upsample((2.0, 1.0, 0.5), "cubic"), volume)

stats = lambda l: [l.running_mean, l.running_var]
record("batch norm", lambda: nn.BatchNorm(3), image, after=stats)
record("batch norm evaluated", lambda: nn.BatchNorm(3), image, evaluate=True)
record("batch norm rows", lambda: nn.BatchNorm(6, momentum=0.3, eps=1e-3), wave(5, 6), after=stats)
record("instance norm", lambda: nn.InstanceNorm(3, affine=True), image, grad=True)
record("group norm", lambda: nn.GroupNorm(2, 4), wave(2, 3, 4), grad=True)
record("group norm torch", lambda: nn.GroupNorm(2, 4, pytorch_compatible=True), wave(2, 3, 4), grad=True)

ties = mx.round(wave(1, 5, 6, 2))
record("max pool", lambda: nn.MaxPool2d(3, 2, 1), ties, grad=True)
record("max pool sizes", lambda: nn.MaxPool2d((2, 3), (2, 1)), ties, grad=True)
record("avg pool", lambda: nn.AvgPool2d(3, 2, 1), ties, grad=True)
record("avg pool line", lambda: nn.AvgPool1d(2, 1), line, grad=True)
record("max pool volume", lambda: nn.MaxPool3d(2, 1), volume, grad=True)
record("avg pool volume", lambda: nn.AvgPool3d(2), wave(1, 2, 2, 4, 2), grad=True)

record("dropout", lambda: nn.Dropout(0.3), wave(3, 5))
record("dropout 2d", lambda: nn.Dropout2d(0.5), wave(2, 2, 3, 4))
record("dropout 3d", lambda: nn.Dropout3d(0.5), wave(2, 2, 1, 2, 4))

record("bilinear", lambda: nn.Bilinear(3, 2, 4), wave(2, 5, 3), wave(2, 5, 2, step=0.4), grad=True)
record("conv", lambda: nn.Conv2d(3, 4, (2, 3), stride=2, padding=1), image, grad=True)
record("conv groups", lambda: nn.Conv1d(4, 6, 3, dilation=2, groups=2, bias=False), wave(2, 8, 4))
record("conv volume", lambda: nn.Conv3d(2, 3, 2), volume)
record("conv transpose", lambda: nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1), image, grad=True)
record("conv transpose line", lambda: nn.ConvTranspose1d(2, 3, 2, dilation=2), line)
record("conv transpose volume", lambda: nn.ConvTranspose3d(2, 1, (1, 2, 2)), volume)

record("alibi", lambda: nn.ALiBi(), wave(1, 6, 2, 5), 3)
tokens, memory = wave(2, 4, 8), wave(2, 3, 8, step=0.5)
mask = nn.MultiHeadAttention.create_additive_causal_mask(4)
record("attention", lambda: nn.MultiHeadAttention(8, 2, key_input_dims=6, value_dims=4, value_output_dims=5, bias=True), tokens, wave(2, 3, 6), wave(2, 3, 6, step=0.2), grad=True)
record("encoder", lambda: nn.TransformerEncoder(2, 8, 2, mlp_dims=12), tokens, mask, grad=True)
record("encoder dropout", lambda: nn.TransformerEncoder(1, 8, 2, dropout=0.2, norm_first=False, activation=nn.gelu), tokens, mask)
record("decoder", lambda: nn.TransformerDecoder(1, 8, 4, norm_first=False), tokens, memory, mask, None, grad=True)
record("transformer", lambda: nn.Transformer(8, 2, 1, 1, 16), memory, tokens, None, mask, None, grad=True)

text = "{\n" + ",\n".join(json.dumps(k) + ": " + json.dumps(v, separators=(",", ":")) for k, v in cases.items()) + "\n}\n"
with open(sys.argv[1], "wb") as f:
    f.write(gzip.compress(text.encode(), mtime=0))
