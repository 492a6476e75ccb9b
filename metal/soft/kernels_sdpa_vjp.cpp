#include "../../kernels/sdpa_vjp.metal"
