#include "../../kernels/scan.metal"
