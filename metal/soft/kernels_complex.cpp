#include "../../kernels/complex.metal"
