package soft

// LimitCPU makes native kernels take the processor for one with the baseline
// only (0), AVX2 (1), AVX-512 (2), or for what it is (3).
var LimitCPU = limitCPU
