#include "../../kernels/quant.metal"
