#include "../../kernels/binary.metal"
