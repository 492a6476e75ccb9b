#include "../../kernels/unary.metal"
