// Arguments and op codes of the scans: x and out are [outer, n, inner],
// contiguous, and the scan runs along the middle axis. scan cuts it into chunks
// and takes what went before each from a carry, [outer, chunks, inner].
#pragma once

struct ScanArgs {
  uint64_t outer;
  uint64_t n;
  uint64_t inner;
  uint64_t chunk; // elements of a chunk; chunks = ceil(n / chunk)
  uint64_t chunks; // 1: there is no carry
  uint32_t op;
  uint32_t reverse;   // from the last element to the first
  uint32_t exclusive; // an element's own value does not count; scan_linear: see there
  uint32_t reserved;
};

#define SCAN_SUM 0
#define SCAN_PROD 1
#define SCAN_MAX 2
#define SCAN_MIN 3
#define SCAN_LOGSUMEXP 4
