#include "../../kernels/reduce.metal"
