#include "../../kernels/random.metal"
