// The stable order of the elements of rows, NaN last, in three kinds of launch:
//   sort_keys:   an unsigned word per element, in the elements' order
//   sort_block:  each threadgroup sorts a block of a row by merging runs of 1, 2, 4, …
//   sort_merge:  pairs of runs of a row become one, one thread per element
// An element's place in a merged run is its place in its own run plus the number
// of elements of the other that go before it, found by bisection. Equal elements
// keep their order, so every pass has one possible result.
//   sort_search: the place of values in a sorted sequence
#include "kernel.h"
#include "sort.h"

// sort_key<T>: a type K and the map of T to it that keeps the order. Zeros of
// both signs are one key, NaNs are the last.
template <typename T> struct sort_key {
  typedef uint K;
  METAL_FUNC static uint of(T x) { return uint(x); }
};
template <> struct sort_key<int> {
  typedef uint K;
  METAL_FUNC static uint of(int x) { return uint(x) ^ 0x80000000u; }
};
template <> struct sort_key<short> {
  typedef uint K;
  METAL_FUNC static uint of(short x) { return uint(int(x)) ^ 0x80000000u; }
};
template <> struct sort_key<int8_t> {
  typedef uint K;
  METAL_FUNC static uint of(int8_t x) { return uint(int(x)) ^ 0x80000000u; }
};
template <> struct sort_key<uint64_t> {
  typedef uint64_t K;
  METAL_FUNC static uint64_t of(uint64_t x) { return x; }
};
template <> struct sort_key<int64_t> {
  typedef uint64_t K;
  METAL_FUNC static uint64_t of(int64_t x) { return uint64_t(x) ^ (uint64_t(1) << 63); }
};
template <> struct sort_key<float> {
  typedef uint K;
  METAL_FUNC static uint of(float x) {
    if (isnan(x)) {
      return 0xffffffffu;
    }
    uint bits = as_type<uint>(x == 0.0f ? 0.0f : x);
    return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  }
};
template <> struct sort_key<half> {
  typedef uint K;
  METAL_FUNC static uint of(half x) { return sort_key<float>::of(float(x)); }
};
template <> struct sort_key<bfloat> {
  typedef uint K;
  METAL_FUNC static uint of(bfloat x) { return sort_key<float>::of(float(x)); }
};

template <typename T>
[[kernel]] void sort_keys(
    device const T* x [[buffer(0)]],
    device typename sort_key<T>::K* keys [[buffer(1)]],
    constant SortArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.rows * args.n) {
    keys[i] = sort_key<T>::of(x[i]);
  }
}

// sort_place is where element i of a row of m goes when runs of width w are
// merged in pairs, w being a power of two: P points to the row's keys.
template <typename K, typename P>
METAL_FUNC uint64_t sort_place(P keys, uint64_t i, uint64_t w, uint64_t m) {
  K key = keys[i];
  uint64_t start = i & ~(2 * w - 1), mid = min(start + w, m);
  bool first = i < mid; // in the first run, which wins ties
  uint64_t lo = first ? mid : start, hi = first ? min(start + 2 * w, m) : mid;
  uint64_t other = lo;
  while (lo < hi) {
    uint64_t k = lo + (hi - lo) / 2;
    bool before = first ? keys[k] < key : keys[k] <= key;
    lo = before ? k + 1 : lo;
    hi = before ? hi : k;
  }
  return first ? i + lo - other : start + (i - mid) + (lo - other);
}

template <typename K>
[[kernel]] void sort_block(
    device const K* keys [[buffer(0)]],
    device K* sorted [[buffer(1)]],
    device uint* order [[buffer(2)]],
    constant SortArgs& args [[buffer(3)]],
    uint group [[threadgroup_position_in_grid]],
    uint tid [[thread_index_in_threadgroup]],
    uint threads [[threads_per_threadgroup]]) {
  shared_memory(K, run, [SORT_BLOCK]);
  shared_memory(ushort, from, [SORT_BLOCK]);
  uint64_t begin = uint64_t(group) % args.blocks * SORT_BLOCK;
  uint64_t base = uint64_t(group) / args.blocks * args.n + begin;
  uint m = uint(min(uint64_t(SORT_BLOCK), args.n - begin));
  for (uint i = tid; i < m; i += threads) {
    run[i] = keys[base + i];
    from[i] = ushort(i);
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint w = 1; w < m; w *= 2) {
    K key[SORT_BLOCK / SORT_THREADS];
    ushort source[SORT_BLOCK / SORT_THREADS];
    ushort place[SORT_BLOCK / SORT_THREADS];
    uint held = 0;
    for (uint i = tid; i < m; i += threads) {
      key[held] = run[i];
      source[held] = from[i];
      place[held] = ushort(sort_place<K, threadgroup const K*>(run, i, w, m));
      held++;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint h = 0; h < held; h++) {
      run[place[h]] = key[h];
      from[place[h]] = source[h];
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  for (uint i = tid; i < m; i += threads) {
    sorted[base + i] = run[i];
    order[base + i] = uint(begin) + from[i];
  }
}

template <typename K>
[[kernel]] void sort_merge(
    device const K* keys [[buffer(0)]],
    device const uint* order [[buffer(1)]],
    device K* merged [[buffer(2)]],
    device uint* merged_order [[buffer(3)]],
    constant SortArgs& args [[buffer(4)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i >= args.rows * args.n) {
    return;
  }
  uint64_t base = i / args.n * args.n;
  uint64_t place = base + sort_place<K, device const K*>(keys + base, i - base, args.width, args.n);
  merged[place] = keys[i];
  merged_order[place] = order[i];
}

template <typename T>
[[kernel]] void sort_search(
    device const T* sequence [[buffer(0)]],
    device const T* values [[buffer(1)]],
    device uint* out [[buffer(2)]],
    constant SortArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i >= args.rows) {
    return;
  }
  typename sort_key<T>::K value = sort_key<T>::of(values[i]);
  uint64_t lo = 0, hi = args.n;
  while (lo < hi) {
    uint64_t k = lo + (hi - lo) / 2;
    typename sort_key<T>::K key = sort_key<T>::of(sequence[k]);
    bool before = args.right != 0 ? key <= value : key < value;
    lo = before ? k + 1 : lo;
    hi = before ? hi : k;
  }
  out[i] = uint(lo);
}

// clang-format off
#define instantiate_sort(n, T)                            \
  instantiate_kernel("sort_keys_" #n, sort_keys, T)       \
  instantiate_kernel("sort_search_" #n, sort_search, T)
instantiate_sort(f32, float)
instantiate_sort(f16, half)
instantiate_sort(bf16, bfloat)
instantiate_sort(bool, bool)
instantiate_sort(u8, uint8_t)
instantiate_sort(u16, uint16_t)
instantiate_sort(u32, uint32_t)
instantiate_sort(u64, uint64_t)
instantiate_sort(i8, int8_t)
instantiate_sort(i16, int16_t)
instantiate_sort(i32, int32_t)
instantiate_sort(i64, int64_t)
instantiate_kernel("sort_block_u32", sort_block, uint)
instantiate_kernel("sort_block_u64", sort_block, uint64_t)
instantiate_kernel("sort_merge_u32", sort_merge, uint)
instantiate_kernel("sort_merge_u64", sort_merge, uint64_t)
// clang-format on
