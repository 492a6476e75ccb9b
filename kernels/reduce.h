// Arguments and op codes of the reductions: x is [outer, reduce, inner],
// contiguous; out is [outer, inner]. A long reduction is cut into chunks whose
// partial results a second launch joins.
#pragma once

struct ReduceArgs {
  uint64_t outer;
  uint64_t reduce; // elements to fold
  uint64_t inner;
  uint64_t chunk; // elements of a chunk; chunks = ceil(reduce / chunk)
  uint64_t chunks;
  uint32_t op;
  uint32_t reserved;
};

#define REDUCE_SUM 0
#define REDUCE_PROD 1
#define REDUCE_MAX 2
#define REDUCE_MIN 3
#define REDUCE_ALL 4
#define REDUCE_ANY 5
#define REDUCE_ARGMAX 6
#define REDUCE_ARGMIN 7
