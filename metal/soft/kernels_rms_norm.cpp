#include "../../kernels/rms_norm.metal"
