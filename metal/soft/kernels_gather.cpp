#include "../../kernels/gather.metal"
