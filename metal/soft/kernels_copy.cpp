#include "../../kernels/copy.metal"
