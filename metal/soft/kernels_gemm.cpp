#include "../../kernels/gemm.metal"
