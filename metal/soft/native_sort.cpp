// Native sort_block and sort_merge of kernels/sort.metal. The stable order that
// they look for is unique, so the kernel and its twin agree exactly.
#include <algorithm>

#include "native.h"
#include "native_types.h"

#include "../../kernels/sort.h"

namespace {

// Items order by key, then by place. Where both fit, one word holds them.
struct wide_item {
  uint64_t key;
  uint32_t at;
  bool operator<(const wide_item& b) const { return key != b.key ? key < b.key : at < b.at; }
};
struct narrow_item {
  uint64_t word;
  bool operator<(const narrow_item& b) const { return word < b.word; }
};
void put(wide_item& e, uint64_t key, uint32_t at) { e = {key, at}; }
void put(narrow_item& e, uint32_t key, uint32_t at) { e.word = uint64_t(key) << 32 | at; }
uint64_t key_of(const wide_item& e) { return e.key; }
uint32_t key_of(const narrow_item& e) { return uint32_t(e.word >> 32); }
uint32_t place_of(const wide_item& e) { return e.at; }
uint32_t place_of(const narrow_item& e) { return uint32_t(e.word); }

const SortArgs& args_of(const ft_launch* l) { return *static_cast<const SortArgs*>(l->args); }

// blocks_per_piece gathers short rows.
int64_t blocks_per_piece(const SortArgs& args) { return int64_t(args.n >= SORT_BLOCK ? 1 : SORT_BLOCK / args.n); }

int64_t block_units(const ft_launch* l) {
  const SortArgs& args = args_of(l);
  return ft::ceil_div(int64_t(args.rows * args.blocks), blocks_per_piece(args));
}

template <class K, class E> void block(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const SortArgs& args = args_of(l);
  const int64_t per = blocks_per_piece(args), last = std::min(end * per, int64_t(args.rows * args.blocks));
  E items[SORT_BLOCK];
  for (int64_t b = begin * per; b < last; b++) {
    const int64_t from = b % int64_t(args.blocks) * SORT_BLOCK, base = b / int64_t(args.blocks) * int64_t(args.n) + from;
    const int64_t m = std::min(int64_t(SORT_BLOCK), int64_t(args.n) - from);
    const K* keys = static_cast<const K*>(l->bufs[0]) + base;
    K* sorted = static_cast<K*>(l->bufs[1]) + base;
    uint32_t* order = static_cast<uint32_t*>(l->bufs[2]) + base;
    for (int64_t i = 0; i < m; i++) put(items[i], keys[i], uint32_t(from + i));
    std::sort(items, items + m);
    for (int64_t i = 0; i < m; i++) {
      sorted[i] = key_of(items[i]);
      order[i] = place_of(items[i]);
    }
  }
}

// A piece of a merge is so many elements of the result: it lies in one pair of
// runs, whose length is a multiple of it.
constexpr int64_t piece = 2 * SORT_BLOCK;

int64_t merge_units(const ft_launch* l) {
  const SortArgs& args = args_of(l);
  return int64_t(args.rows) * ft::ceil_div(int64_t(args.n), piece);
}

template <class K> void merge(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const SortArgs& args = args_of(l);
  const int64_t n = int64_t(args.n), w = int64_t(args.width), per_row = ft::ceil_div(n, piece);
  for (int64_t u = begin; u < end; u++) {
    const int64_t row = u / per_row * n, at = u % per_row * piece, stop = std::min(at + piece, n);
    const int64_t start = at & ~(2 * w - 1), mid = std::min(start + w, n), na = mid - start, nb = std::min(start + 2 * w, n) - mid;
    const K* keys = static_cast<const K*>(l->bufs[0]) + row;
    const uint32_t* order = static_cast<const uint32_t*>(l->bufs[1]) + row;
    K* merged = static_cast<K*>(l->bufs[2]) + row;
    uint32_t* merged_order = static_cast<uint32_t*>(l->bufs[3]) + row;
    // i elements of the first run and d-i of the second lie before the piece.
    const int64_t d = at - start;
    int64_t lo = std::max(int64_t(0), d - nb), hi = std::min(d, na);
    while (lo < hi) {
      const int64_t k = lo + (hi - lo) / 2;
      if (keys[start + k] <= keys[mid + d - k - 1]) lo = k + 1;
      else hi = k;
    }
    int64_t i = start + lo, j = mid + d - lo;
    for (int64_t k = at; k < stop; k++) {
      const bool first = i < mid && (j >= mid + nb || keys[i] <= keys[j]);
      const int64_t from = first ? i++ : j++;
      merged[k] = keys[from];
      merged_order[k] = order[from];
    }
  }
}

FT_NATIVE("sort_block_u32", block_units, (block<uint32_t, narrow_item>));
FT_NATIVE("sort_block_u64", block_units, (block<uint64_t, wide_item>));
FT_NATIVE("sort_merge_u32", merge_units, merge<uint32_t>);
FT_NATIVE("sort_merge_u64", merge_units, merge<uint64_t>);

}  // namespace
