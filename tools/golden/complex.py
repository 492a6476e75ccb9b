"""Records the families complex and fft: python complex.py GEN.PY OUTDIR

GEN.PY is the generator of the shared recordings, whose format these families have; complex arrays have gradients
too. MLX 0.32.2, CPU. Where its gradients lack a conjugate (of sqrt, power, cos, arcsin and others) and where they are those
of another function (cumprod), they are left out.
"""
import sys

source = open(sys.argv[1]).read().split('if __name__')[0]
out = sys.argv[2]
exec(source)
C64 = mx.complex64


def is_float(a):
    return mx.issubdtype(a.dtype, mx.inexact)


class Complex(Family):
    def rand(self, shape, dtype=F32, scale=1.0, shift=0.0, tag=None):
        if dtype != C64:
            return super().rand(shape, dtype, scale, shift, tag)
        pairs = super().rand((*shape, 2), F32, scale, shift, tag)
        return pairs[..., 0] + 1j * pairs[..., 1]


def complex_family(F):
    x, y, r = F.rand((3, 4), C64), F.rand((3, 4), C64), F.rand((3, 4))
    for n in ("negative", "square", "reciprocal", "exp", "log", "log2", "log10", "log1p", "sin", "tan", "sinh", "cosh", "tanh", "real", "imag", "conj", "conjugate", "round", "degrees", "radians"):
        F.add(n, f"mx.{n}", [x])
    for n in ("sqrt", "rsqrt", "cos", "arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh", "isnan", "isinf", "isfinite", "isposinf", "isneginf", "logical_not"):
        F.add(n, f"mx.{n}", [x], wrt=())
    nan = lit([complex(1, float("nan")), complex(float("inf"), 0), complex(-float("inf"), 0), 0j, complex(0, float("inf")), 2 + 1j])
    for n in ("isnan", "isinf", "isfinite", "isposinf", "isneginf", "logical_not", "sort", "argsort", "cummax"):
        F.add(n + "_special", f"mx.{n}", [nan], wrt=())
    for n in ("add", "subtract", "multiply", "divide", "maximum", "minimum"):
        F.add(n, f"mx.{n}", [x, y])
        F.add(n + "_real", f"mx.{n}", [x, r])
        F.add(n + "_row", f"mx.{n}", [F.rand((3, 1), F16), y])
    F.add("power", "mx.power", [x, y], wrt=())
    F.add("logaddexp", "mx.logaddexp", [x, y], wrt=())
    coarse = F.rand((3, 4), mx.int32) + 1j * F.rand((3, 4), mx.int32)
    for n in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or"):
        F.add(n, f"mx.{n}", [coarse, mx.concatenate([coarse[:1], coarse[:2]])], wrt=())
    for n in ("sum", "mean", "prod", "max", "min", "all", "any", "var", "std", "logsumexp"):
        for ax in (None, 0, 1):
            F.add(f"{n}_{ax}", f"mx.{n}", [x], {"axis": ax}, wrt=() if n == "logsumexp" else None)
    for n in ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"):
        for rev in (False, True):
            F.add(f"{n}_{rev}", f"mx.{n}", [x], {"axis": 1, "reverse": rev, "inclusive": rev}, wrt=None if n == "cumsum" else ())
    for n in ("sort", "argsort", "argmax", "argmin"):
        F.add(n, f"mx.{n}", [x], {"axis": 1}, wrt=() if n == "sort" else None)
    F.add("softmax", "mx.softmax", [x], {"axis": 1}, wrt=())
    F.add("matmul", "mx.matmul", [F.rand((2, 3, 5), C64), F.rand((5, 4), C64)])
    F.add("matmul_real", "mx.matmul", [F.rand((3, 5)), F.rand((5, 4), C64)])
    F.add("take", "mx.take", [x, lit([2, 0, -1, 0])], {"axis": 0})
    F.add("where", "mx.where", [F.rand((3, 4), mx.bool_), x, y])
    F.add("concatenate", "mx.concatenate", [x, y], {"args": [["$0", "$1"]], "axis": 1})
    F.add("transpose", "mx.transpose", [x])
    F.add("pad", "mx.pad", [x], {"pad_width": [[1, 0], [0, 2]]})
    for t in ("float32", "int32", "bool", "float16", "complex64"):
        F.add(f"astype_{t}", "array.astype", [x], {"dtype": t}, wrt=() if t in ("int32", "bool") else None)
    for t in (F32, F16, BF16, mx.int32, mx.uint8, mx.bool_):
        F.add(f"from_{dt(t)}", "array.astype", [F.rand((5,), t)], {"dtype": "complex64"})
    F.add("getitem", "array.getitem", [x], {"index": [{"slice": [None, None, -1]}, {"int": 1}]})
    F.add("normal", "mx.random.normal", [F.key("normal")], {"shape": [3, 2], "dtype": "complex64", "loc": 0.5, "scale": 2.0, "key": "$0"}, wrt=())


def fft_family(F):
    for n in (1, 2, 3, 4, 5, 6, 7, 8, 16, 30, 64, 97):
        x, z = F.rand((1, n)), F.rand((1, n), C64)
        for norm in ("backward", "ortho", "forward")[: 3 if n in (6, 8) else 1]:
            F.add(f"rfft_{n}_{norm}", "mx.fft.rfft", [x], {"norm": norm})
            F.add(f"fft_{n}_{norm}", "mx.fft.fft", [z], {"norm": norm})
            F.add(f"ifft_{n}_{norm}", "mx.fft.ifft", [z], {"norm": norm})
            F.add(f"irfft_{n}_{norm}", "mx.fft.irfft", [F.rand((1, n // 2 + 1), C64)], {"norm": norm, "n": n})
    x, z = F.rand((3, 4, 2)), F.rand((3, 4, 2), C64)
    for ax in (0, 1, -1):
        for n in (2, 3, 8):
            F.add(f"rfft_axis{ax}_{n}", "mx.fft.rfft", [x], {"axis": ax, "n": n})
            F.add(f"irfft_axis{ax}_{n}", "mx.fft.irfft", [z], {"axis": ax, "n": n})
            F.add(f"fft_axis{ax}_{n}", "mx.fft.fft", [z], {"axis": ax, "n": n})
            F.add(f"ifft_axis{ax}_{n}", "mx.fft.ifft", [z], {"axis": ax, "n": n})
        F.add(f"irfft_axis{ax}", "mx.fft.irfft", [z], {"axis": ax})
    for t in (F16, BF16, mx.int32, mx.bool_, C64):
        F.add(f"rfft_{dt(t)}", "mx.fft.rfft", [F.rand((8,), t)], wrt=())
        F.add(f"fft_{dt(t)}", "mx.fft.fft", [F.rand((6,), t)], wrt=())
    F.add("fft_of_real", "mx.fft.fft", [F.rand((8,))])
    F.add("irfft_of_real", "mx.fft.irfft", [F.rand((5,))])
    for n in ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"):
        a = x if n.startswith("r") else z
        F.add(n, f"mx.fft.{n}", [a])
        F.add(f"{n}_axes", f"mx.fft.{n}", [a], {"axes": [1, 0], "norm": "ortho"})
        F.add(f"{n}_sizes", f"mx.fft.{n}", [a], {"s": [2, 5], "axes": [0, 1]})
    F.add("fftn_one", "mx.fft.fftn", [z], {"axes": [1]})
    for n in (1, 2, 5, 6, 9):
        for d in (1.0, 0.3, -2.5):
            F.add(f"fftfreq_{n}_{d}", "mx.fft.fftfreq", [], {"args": [n], "d": d}, wrt=())
            F.add(f"rfftfreq_{n}_{d}", "mx.fft.rfftfreq", [], {"args": [n], "d": d}, wrt=())
    for n in ("fftshift", "ifftshift"):
        F.add(n, f"mx.fft.{n}", [F.rand((5, 4))])
        F.add(f"{n}_axes", f"mx.fft.{n}", [F.rand((5, 4, 3), mx.int32)], {"axes": [0, -1]})


for name, record in (("complex", complex_family), ("fft", fft_family)):
    CORPUS = name
    family = Complex(name)
    record(family)
    family.write(out)
