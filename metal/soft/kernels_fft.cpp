#include "../../kernels/fft.metal"
