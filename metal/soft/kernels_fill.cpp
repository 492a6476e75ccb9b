#include "../../kernels/fill.metal"
