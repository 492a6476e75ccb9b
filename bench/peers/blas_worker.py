"""OpenBLAS, called through its C interface: C = A @ B^T in float32."""

import ctypes
import glob

import numpy as np
import scipy_openblas32

from worker import case, repeated, serve

ROW_MAJOR, NO_TRANS, TRANS = 101, 111, 112


def main():
    c = case()
    path = glob.glob(scipy_openblas32.get_lib_dir() + "/libscipy_openblas*.so")[0]
    lib = ctypes.CDLL(path)
    lib.scipy_openblas_set_num_threads(c["threads"])
    lib.scipy_openblas_get_config.restype = ctypes.c_char_p
    m, n, k = c["m"], c["n"], c["k"]
    rng = np.random.default_rng(0)
    a = rng.standard_normal((m, k), dtype=np.float32)
    b = rng.standard_normal((n, k), dtype=np.float32)
    out = np.zeros((m, n), dtype=np.float32)
    p = [x.ctypes.data_as(ctypes.c_void_p) for x in (a, b, out)]
    one, zero = ctypes.c_float(1), ctypes.c_float(0)

    def call():
        lib.scipy_cblas_sgemm(ROW_MAJOR, NO_TRANS, TRANS, m, n, k, one, p[0], k, p[1], k, zero, p[2], n)

    call()
    assert np.allclose(out[0], b @ a[0], atol=1e-2), "the product is wrong"
    serve(repeated(call), version=lib.scipy_openblas_get_config().decode())


main()
