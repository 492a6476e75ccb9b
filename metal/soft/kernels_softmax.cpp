#include "../../kernels/softmax.metal"
