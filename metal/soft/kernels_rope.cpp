#include "../../kernels/rope.metal"
