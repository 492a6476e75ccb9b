// How the native forms of attention cut it into tiles, for every instruction set.
#pragma once

#include "native.h"
#include "native_types.h"

#include "../../kernels/sdpa.h"

namespace ft {

constexpr int64_t sdpa_queries = 64, sdpa_keys = 96;  // of a tile

}  // namespace ft
