// Kernels that test the executor itself; no launch function emits them.
#include "testdata/smoke.metal"
