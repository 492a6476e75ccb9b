// Native segmented_mm of kernels/segmented_mm.metal: a few rows of one segment's
// product at a time, a row of b after the other.
#ifndef FT_ISA
#include "native_rows.h"

#include "../../kernels/segmented_mm.h"

namespace {
constexpr int64_t strip = 16; // rows of a piece
}

#define FT_SOURCE "native_segmented_mm.cpp"
#include "native_isa.h"
#endif

#ifdef FT_ISA
namespace ft {
namespace FT_ISA {
namespace {

template <class T> void segmented_mm(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  const SegmentedMmArgs& args = *static_cast<const SegmentedMmArgs*>(l->args);
  const int64_t m = args.m, n = args.n, padded = ceil_div(n, 16) * 16, strips = ceil_div(m, strip);
  const T* a = static_cast<const T*>(l->bufs[0]);
  const T* b = static_cast<const T*>(l->bufs[1]);
  const uint32_t* ranges = static_cast<const uint32_t*>(l->bufs[2]);
  float* sums = static_cast<float*>(ft_scratch(w, size_t(padded * (strip + 1)) * sizeof(float)));
  float* line = sums + padded * strip;
  for (int64_t u = begin; u < end; u++) {
    const int64_t s = u / strips, from = u % strips * strip, rows = smaller(strip, m - from);
    const int64_t k0 = smaller(ranges[2 * s], args.k), k1 = smaller(ranges[2 * s + 1], args.k);
    memset(sums, 0, size_t(padded * rows) * sizeof(float));
    for (int64_t k = k0; k < k1; k++) {
      each(n, [&](int64_t j, auto part) { store(line + j, load(b + k * n + j, part), part); });
      for (int64_t r = 0; r < rows; r++) {
        float scalar[16];
        store(scalar, load_n(a + (from + r) * args.k + k, 1));
        const vf x = splat(scalar[0]);
        float* sum = sums + r * padded;
        each(n, [&](int64_t j, auto part) { store(sum + j, load(sum + j, part) + x * load(line + j, part), part); });
      }
    }
    for (int64_t r = 0; r < rows; r++) {
      T* out = static_cast<T*>(l->bufs[3]) + (s * m + from + r) * n;
      each(n, [&](int64_t j, auto part) { store(out + j, load(sums + r * padded + j, part), part); });
    }
  }
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft

#else

static int64_t units(const ft_launch* l) {
  const SegmentedMmArgs& args = *static_cast<const SegmentedMmArgs*>(l->args);
  return int64_t(args.segments) * ft::ceil_div(args.m, strip);
}
FT_NATIVE_FLOATS(segmented_mm, units, segmented_mm);

#endif
