#include "../../kernels/conv.metal"
