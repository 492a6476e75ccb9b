// What files include, and where args structs stand.
#include "layout.h" // want `the first include is "kernel.h", not "layout.h"`
#include "kernel.h"
#include <metal_stdlib> // want `kernels include headers of kernels/ only`
#pragma GCC optimize("O3") // want `#pragma GCC optimize`

struct HereArgs { // want `HereArgs belongs into the stem's .h`
  uint32_t n;
};
