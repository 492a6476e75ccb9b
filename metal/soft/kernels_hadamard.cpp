#include "../../kernels/hadamard.metal"
