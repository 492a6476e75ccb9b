// Kernels that test the executor and the shim; no launch function emits them.
#include "testdata/smoke.metal"
#include "testdata/threads.metal"
#include "testdata/lanes.metal"
#include "testdata/atomics.metal"
#include "testdata/matrix.metal"
#include "testdata/math.metal"
