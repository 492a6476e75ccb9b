"""Records the family array_api: python array_api.py GEN.PY OUTDIR

GEN.PY is the generator of the shared recordings, whose format this family has. MLX 0.32.2, CPU.
"""
import sys

source = open(sys.argv[1]).read().split('if __name__')[0]
out = sys.argv[2]
exec(source)
CORPUS = "array_api"


def array_api(F):
    x, y, s = F.rand((2, 3, 4)), F.rand((3, 1)), F.rand(())
    for i, (a, dtype) in enumerate([(x, "uint32"), (x, "uint8"), (x, "float16"), (F.rand((3, 6), F16), "float32"), (F.rand((2, 8), mx.uint8), "int32"), (F.rand((4,), mx.int64), "int16"), (s, "int32"), (F.rand((3, 4), BF16), "bfloat16")]):
        F.add(f"view_{i}", "mx.view", [a], {"dtype": dtype}, wrt=())
    F.add("view_transposed", "mx.view", [mx.transpose(x)], {"dtype": "int16"}, wrt=())
    nan = lit([[1.0, float("nan")], [float("inf"), -2.0]])
    for i, (a, b) in enumerate([(x, x), (x, x + 1e-3), (nan, nan), (x, y), (F.rand((3,), mx.int32), F.rand((3,), mx.int32)), (mx.zeros((0,)), mx.zeros((0,)))]):
        for eq in [False, True]:
            F.add(f"array_equal_{i}_{eq}", "mx.array_equal", [a, b], {"equal_nan": eq}, wrt=())
            F.add(f"allclose_{i}_{eq}", "mx.allclose", [a, b], {"equal_nan": eq, "rtol": 1e-5 if i % 2 else 1e-2, "atol": 1e-8}, wrt=())
    for n in (1, 2, 3):
        for a in (s, F.rand((3,)), F.rand((2, 3), BF16), x):
            F.add(f"atleast_{n}d_{a.ndim}", f"mx.atleast_{n}d", [a])
    F.add("broadcast_arrays", "mx.broadcast_arrays", [x, y, s])
    for ax in (0, 1, -1):
        F.add(f"unstack_{ax}", "mx.unstack", [x], {"axis": ax})
    for n in (0, 1, 2, 5):
        for ax in (-1, 0):
            F.add(f"diff_{n}_{ax}", "mx.diff", [x], {"n": n, "axis": ax})
    for t in (F16, mx.int32, mx.uint8, mx.bool_):
        F.add(f"diff_{dt(t)}", "mx.diff", [F.rand((2, 5), t)], {"n": 1})
    for t in (F32, BF16, mx.int16, mx.bool_):
        F.add(f"ones_like_{dt(t)}", "mx.ones_like", [F.rand((2, 3), t)], wrt=())
        F.add(f"count_nonzero_{dt(t)}", "mx.count_nonzero", [F.rand((2, 3, 2), t)], {"axis": 1, "keepdims": True}, wrt=())
    F.add("count_nonzero_all", "mx.count_nonzero", [F.rand((4, 3), mx.int32)], wrt=())
    F.add("full_like", "mx.full_like", [F.rand((2, 3), F16)], {"vals": 2.5}, wrt=())
    F.add("identity", "mx.identity", [], {"args": [3], "dtype": "int32"}, wrt=())
    for w in ("bartlett", "blackman", "hamming", "hanning"):
        for m in (0, 1, 3, 7, 12):  # 2 points are 0 but for cancellation
            F.add(f"{w}_{m}", f"mx.{w}", [], {"args": [m]}, wrt=())
    for t in FLOATS:
        F.add(f"vecdot_{dt(t)}", "mx.vecdot", [F.rand((2, 3, 5), t), F.rand((1, 3, 5), t)])
        F.add(f"vecdot_axis_{dt(t)}", "mx.vecdot", [F.rand((4, 3), t), F.rand((4, 3), t)], {"axis": 0})
        F.add(f"kron_{dt(t)}", "mx.kron", [F.rand((2, 3), t), F.rand((3, 2), t)])
    F.add("kron_mixed", "mx.kron", [F.rand((3,)), F.rand((2, 2, 2))])
    F.add("kron_int", "mx.kron", [F.rand((2, 2), mx.int32), F.rand((3,), mx.int32)])
    F.add("cross3", "mx.linalg.cross", [F.rand((4, 3)), F.rand((4, 3))])
    F.add("cross3_axis", "mx.linalg.cross", [F.rand((3, 2)), F.rand((3, 2))], {"axis": 0})
    F.add("cross2", "mx.linalg.cross", [F.rand((5, 2)), F.rand((5, 2))])
    F.add("cross23", "mx.linalg.cross", [F.rand((2, 2)), F.rand((2, 3))])


family = Family("array_api")
array_api(family)
family.write(out)
