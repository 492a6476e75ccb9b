#include "../../kernels/sort.metal"
