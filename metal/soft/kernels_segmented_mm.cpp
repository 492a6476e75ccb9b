#include "../../kernels/segmented_mm.metal"
