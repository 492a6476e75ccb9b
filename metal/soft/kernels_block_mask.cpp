#include "../../kernels/block_mask.metal"
