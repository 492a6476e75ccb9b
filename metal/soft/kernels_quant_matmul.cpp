#include "../../kernels/quant_matmul.metal"
