"""Picks the subset of MLX's golden values that the repository carries.

    python3 tools/golden/subset.py GOLDEN graph/testdata/golden

GOLDEN is a folder in the layout of its README.md (ops/*.json, ops/*.safetensors,
promotion.json). Of the cases that agree in function, arguments (numbers up to
their sign), input dtypes and ranks, the one with the smallest tensors is taken.
The result has the same layout and depends on GOLDEN alone.
"""
import json
import pathlib
import re
import struct
import sys

FAMILIES = [
    "norm", "rope", "sdpa", "matmul", "loss", "reduce", "unary", "binary", "ternary", "index",
<<<<<<< HEAD
    "shape", "scan", "sort", "random", "optim", "lora", "nn", "autodiff", "conv",
=======
    "shape", "scan", "sort", "random", "optim", "lora", "nn", "autodiff", "quant",
>>>>>>> 452e7b4 (graph: quantised matrices in every mode of MLX, products, gathers and their gradients)
]
LARGEST = {"sdpa": 12 << 10}  # bytes of one case; 6 KiB elsewhere
ABSENT = re.compile(r"nn\.(Conv|.*Pool|GroupNorm|ALiBi|Sinusoidal)")  # layers that the engine has no op for


def absent(case):
    return ABSENT.match(case["op"])


def read(path):
    """The tensors of a safetensors file: name -> (dtype, shape, bytes)."""
    raw = path.read_bytes()
    (n,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + n])
    data = raw[8 + n :]
    header.pop("__metadata__", None)
    return {k: (e["dtype"], e["shape"], data[slice(*e["data_offsets"])]) for k, e in header.items()}


def write(path, tensors):
    header, parts, at = {}, [], 0
    for name in sorted(tensors):
        dtype, shape, raw = tensors[name]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(raw)]}
        parts.append(raw)
        at += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


def keys_of(case):
    keys = case["inputs"] + case["outputs"]
    if "vjp" in case:
        keys = keys + case["vjp"]["cotangents"] + [k for k in case["vjp"]["grads"] if k]
    return keys


def renamed(case, short):
    case = dict(case, inputs=[short[k] for k in case["inputs"]], outputs=[short[k] for k in case["outputs"]])
    if "vjp" in case:
        vjp = case["vjp"]
        case["vjp"] = dict(vjp, cotangents=[short[k] for k in vjp["cotangents"]], grads=[k and short[k] for k in vjp["grads"]])
    return case


def shape_of(value):
    """An argument without the size of its numbers."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return f"{type(value).__name__}{(value > 0) - (value < 0)}"
    if isinstance(value, dict):
        return {k: shape_of(v) for k, v in value.items()}
    return [shape_of(v) for v in value]


def kind(family, dtype):
    """What counts as another dtype: movers do not look at it, compositions take 16-bit floats alike."""
    if family == "shape":
        return "any"
    if family in ("nn", "lora", "optim", "loss", "reduce", "scan", "sort", "autodiff") and dtype == "F16":
        return "BF16"
    return dtype


def signature(family, case, tensors):
    args = shape_of(case["attrs"])
    if case["op"].startswith("array.at.") and case["op"] != "array.at.add":
        args = None  # they index as add does
    kinds = [(kind(family, tensors[k][0]), len(tensors[k][1]), 0 in tensors[k][1]) for k in case["inputs"]]
    if family == "optim" and case["attrs"].get("kind") not in ("Adafactor", "Muon"):
        kinds = [k[0] for k in kinds]  # the others go element by element
    if case["op"] == "array.astype":
        kinds = [k[0] for k in kinds if k[0] != "BOOL" and k[0][0] in "BF"] or "an integer"
    return json.dumps([case["op"], args, kinds, "vjp" in case], sort_keys=True)


def subset(source, name, target):
    cases = [c for c in json.loads((source / f"{name}.json").read_text()) if not absent(c)]
    tensors = read(source / f"{name}.safetensors")
    best = {}
    for at, case in enumerate(cases):
        size = sum(len(tensors[k][2]) for k in keys_of(case))
        if size > LARGEST.get(name, 6 << 10):
            continue
        key = signature(name, case, tensors)
        if key not in best or (size, at) < best[key]:
            best[key] = (size, at)
    # Cases of special values are few and tell a lot: all of them.
    chosen = {at for _, at in best.values()} | {at for at, c in enumerate(cases) if "_nan" in c["name"] or "ties" in c["name"]}
    picked = [c for at, c in enumerate(cases) if at in chosen]
    short = {}  # names that repeat the case's would be most of the file
    for c in picked:
        for k in keys_of(c):
            short.setdefault(k, str(len(short)))
    write(target / f"{name}.safetensors", {short[k]: tensors[k] for k in short})
    lines = [json.dumps(renamed(c, short), separators=(",", ":")) for c in picked]
    (target / f"{name}.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
    total = sum(len(tensors[k][2]) for k in short)
    print(f"{name:10s} {len(picked):4d} of {len(cases):4d} cases, {total / 1024:6.0f} KiB")


def main(golden, out):
    source, target = pathlib.Path(golden), pathlib.Path(out)
    (target / "ops").mkdir(parents=True, exist_ok=True)
    for name in FAMILIES:
        subset(source / "ops", name, target / "ops")
    table = json.loads((source / "promotion.json").read_text())
    (target / "promotion.json").write_text(json.dumps(table, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
