#include "../../kernels/sdpa.metal"
