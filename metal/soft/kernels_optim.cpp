#include "../../kernels/optim.metal"
