#include "../../kernels/layer_norm.metal"
