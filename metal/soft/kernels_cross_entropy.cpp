#include "../../kernels/cross_entropy.metal"
