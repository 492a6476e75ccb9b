"""Records the family products: python products.py GEN.PY OUTDIR

GEN.PY is the generator of the shared recordings, whose format this family has. MLX 0.32.2, CPU. Its gradient of
hadamard_transform is the transform itself, which is right for symmetric matrices: sizes with the factors 20 and 28 have
none. Its gradient of a mask of the output is that of the masked product. segmented_mm has no gradient, and block_masked_mm takes float32 alone.
"""
import sys

source = open(sys.argv[1]).read().split('if __name__')[0]
out = sys.argv[2]
exec(source)
CORPUS = "products"


def products(F):
    for n in (1, 2, 8, 12, 20, 28, 40, 48, 56, 64):
        F.add(f"hadamard_{n}", "mx.hadamard_transform", [F.rand((2, n))], wrt=() if n in (20, 28, 40, 56) else None)
    for t in (F16, BF16, mx.int32, mx.bool_):
        F.add(f"hadamard_{dt(t)}", "mx.hadamard_transform", [F.rand((2, 24), t)], {"scale": 0.5})
    F.add("hadamard_zero", "mx.hadamard_transform", [F.rand((4,))], {"scale": 0.0})
    F.add("hadamard_scalar", "mx.hadamard_transform", [F.rand(())])
    for block, (m, k, n) in ((32, (33, 40, 5)), (64, (3, 70, 65))):
        a, b = F.put(f"a{block}", F.rand((m, k))), F.put(f"b{block}", F.rand((k, n)))
        sizes = [(m, n), (m, k), (k, n)]
        shapes = [tuple(-(-d // block) for d in s) for s in sizes]
        masks = [F.rand(s, mx.bool_) for s in shapes]
        for i, which in enumerate(("mask_out", "mask_lhs", "mask_rhs")[: 3 if block == 32 else 0]):
            F.add(f"block_{block}_{which}", "mx.block_masked_mm", [a, b, masks[i]], {"block_size": block, which: "$2"})
        F.add(f"block_{block}_none", "mx.block_masked_mm", [a, b], {"block_size": block})
        F.add(f"block_{block}_all", "mx.block_masked_mm", [a, b, *masks], {"block_size": block, "mask_out": "$2", "mask_lhs": "$3", "mask_rhs": "$4"})
        F.add(f"block_{block}_scaled", "mx.block_masked_mm", [a, b, *[F.rand(s) for s in shapes]], {"block_size": block, "mask_out": "$2", "mask_lhs": "$3", "mask_rhs": "$4"}, wrt=(0, 1, 3, 4))
    F.add("block_batch", "mx.block_masked_mm", [F.rand((2, 3, 33)), F.rand((33, 4)), F.rand((2, 1, 2), mx.bool_), F.rand((2, 2, 1), mx.bool_)], {"block_size": 32, "mask_lhs": "$2", "mask_rhs": "$3"})
    a, b = F.rand((5, 10)), F.rand((10, 4))
    for i, (ranges, t) in enumerate((([[0, 3], [3, 3], [2, 10], [5, 2]], mx.uint32), ([[[0, 10]], [[4, 7]]], mx.int32), ([0, 4], mx.int64))):
        F.add(f"segmented_{i}", "mx.segmented_mm", [a, b, mx.array(ranges, t)], wrt=())
    for t in (F16, BF16):
        F.add(f"segmented_{dt(t)}", "mx.segmented_mm", [F.rand((17, 20), t), F.rand((20, 18), t), mx.array([[0, 20], [3, 9]])], wrt=())
    for s, shapes in (("ii->i", [(3, 3)]), ("ii", [(3, 3)]), ("ij->ji", [(2, 3)]), ("ijk->k", [(2, 3, 4)]), ("iji->j", [(3, 2, 3)]), ("...i,ij->...j", [(2, 3, 4), (4, 5)]), ("i...,i...->...", [(3, 2), (3, 1, 2)]),
                      ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]), ("ij,jk,kl,lm", [(6, 2), (2, 9), (9, 3), (3, 5)]), ("abc,cd,db->a", [(4, 5, 6), (6, 7), (7, 5)]),
                      ("i,j,k->kji", [(2,), (3,), (4,)]), ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]), ("bij,bjk->kib", [(2, 3, 4), (1, 4, 5)]), ("ij,ij->", [(3, 4), (3, 4)]), ("ij,ij->ij", [(3, 4), (3, 4)]),
                      ("i,->i", [(3,), ()]), ("ik,jk->ij", [(3, 1), (2, 4)]), ("iij,jk->ik", [(3, 3, 2), (2, 4)]), ("ab,bc", [(2, 3), (3, 2)]), ("ba", [(2, 3)]), ("...", [(2, 3)]), ("ij,jk,k->", [(2, 3), (3, 4), (4,)])):
        F.add(f"einsum_{s}", "mx.einsum", [F.rand(x) for x in shapes], {"args": [s] + [f"${i}" for i in range(len(shapes))]})
    for t in (F16, BF16):
        F.add(f"einsum_{dt(t)}", "mx.einsum", [F.rand((3, 5), t), F.rand((5, 4), t)], {"args": ["ij,jk->ik", "$0", "$1"]})
        F.add(f"einsum_outer_{dt(t)}", "mx.einsum", [F.rand((3, 5), t), F.rand((4,), t)], {"args": ["ij,k->ikj", "$0", "$1"]})


family = Family("products")
products(family)
family.write(out)
