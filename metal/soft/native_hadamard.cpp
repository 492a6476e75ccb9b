// Native hadamard of kernels/hadamard.metal for rows that are contiguous.
#ifndef FT_ISA
#include "native_rows.h"

#include "../../kernels/hadamard.h"

#define FT_SOURCE "native_hadamard.cpp"
#include "native_isa.h"
#endif

#ifdef FT_ISA
namespace ft {
namespace FT_ISA {
namespace {

template <class T, class U> void hadamard(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  const HadamardArgs& args = *static_cast<const HadamardArgs*>(l->args);
  const int64_t n = args.n, per = rows_per_piece(n), rows = l->grid[1];
  float* line = static_cast<float*>(ft_scratch(w, size_t(n + 16) * sizeof(float)));
  for (int64_t r = begin * per; r < end * per && r < rows; r++) {
    const T* x = static_cast<const T*>(l->bufs[0]) + r * n;
    U* out = static_cast<U*>(l->bufs[1]) + r * n;
    each(n, [&](int64_t i, auto k) { store(line + i, load(x + i, k), k); });
    for (int64_t h = 1; h < n && h < 16; h *= 2) {
      for (int64_t b = 0; b < n / 2; b++) {
        const int64_t i = 2 * b - (b & (h - 1));
        const float u = line[i], v = line[i + h];
        line[i] = u + v;
        line[i + h] = u - v;
      }
    }
    for (int64_t h = 16; h < n; h *= 2) {
      for (int64_t from = 0; from < n; from += 2 * h) {
        float* first = line + from;
        float* second = first + h;
        each(h, [&](int64_t i, auto k) {
          const vf u = load(first + i, k), v = load(second + i, k);
          store(first + i, u + v, k);
          store(second + i, u - v, k);
        });
      }
    }
    each(n, [&](int64_t i, auto k) { store(out + i, load(line + i, k) * args.scale, k); });
  }
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft

#else

// The rows that are not contiguous, of long transforms, are left to the kernel.
static int64_t units(const ft_launch* l) {
  const HadamardArgs& args = *static_cast<const HadamardArgs*>(l->args);
  return args.inner == 1 ? ft::ceil_div(l->grid[1], ft::rows_per_piece(args.n)) : 0;
}

#define FT_HADAMARD(name, ...)                        \
  FT_RUNNER(hadamard_##name, hadamard<__VA_ARGS__>)   \
  FT_NATIVE("hadamard_" #name, units, hadamard_##name)
FT_HADAMARD(f32_f32, float, float);
FT_HADAMARD(f16_f16, ft::f16, ft::f16);
FT_HADAMARD(bf16_bf16, ft::bf16, ft::bf16);
FT_HADAMARD(f16_f32, ft::f16, float);
FT_HADAMARD(bf16_f32, ft::bf16, float);
FT_HADAMARD(f32_f16, float, ft::f16);
FT_HADAMARD(f32_bf16, float, ft::bf16);

#endif
