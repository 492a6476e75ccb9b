// Op codes of the functions that complex numbers have beside those of unary.h
// and binary.h. The kernels take the args structs of unary.h, binary.h, copy.h
// and reduce.h.
#pragma once

#define COMPLEX_CONJUGATE 64
#define COMPLEX_REAL 65
#define COMPLEX_IMAG 66
