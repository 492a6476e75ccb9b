#include "../../kernels/chain.metal"
