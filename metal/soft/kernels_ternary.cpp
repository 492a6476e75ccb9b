#include "../../kernels/ternary.metal"
