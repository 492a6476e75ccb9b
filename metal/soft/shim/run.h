// How a kernel becomes a function that the executor can call: thread built-ins,
// threadgroup memory, and the loop over the threads of a threadgroup.
//
// An attribute such as [[thread_position_in_grid]] is a macro that closes the
// attribute and makes the parameter's default argument the present thread's
// value, so that calling the kernel with its buffers and args is enough.
//
// The loop runs on a fiber. A thread that never suspends costs one iteration,
// and such loops vectorise. When a thread suspends (a barrier or a simd
// function), its fiber becomes that thread's alone: the loop ends after it,
// and the executor starts the next threads on fibers of their own.
#pragma once

#include "exec.h"

namespace ft {

// The thread that is about to start. Static per translation unit and its
// address is never taken, so that stores to buffers cannot alias it.
struct Ids {
  uint x, y, z;           // thread_position_in_threadgroup
  uint end;               // end of the innermost loop; 0 once a thread suspended
  bool stop;              // likewise ends the outer loops
  uint shared;            // next free byte of threadgroup memory
  uint shared_used;       // bytes of threadgroup memory without gaps
  uint px, py, pz;        // threadgroup_position_in_grid
  uint sx, sy, sz;        // size of this threadgroup
  uint nx, ny, nz;        // nominal size
  uint gx, gy, gz;        // grid
  uint tx, ty, tz;        // threadgroups in the grid
  char* memory;
};
static thread_local Ids ids __attribute__((tls_model("initial-exec")));

FT_INLINE uint index() { return (ids.z * ids.sy + ids.y) * ids.sx + ids.x; }

// Called after each return from a suspension; other threads have run.
FT_INLINE void resumed() {
  ids.end = 0;
  ids.stop = true;
  ids.shared = ~0u;
}

// Id3 converts to what a parameter asks for: Metal allows 1 to 3 dimensions.
struct Id3 {
  uint x, y, z;
  FT_INLINE operator uint() const { return x; }
  FT_INLINE operator ushort() const { return ushort(x); }
  FT_INLINE operator uint2() const { return uint2(x, y); }
  FT_INLINE operator ushort2() const { return ushort2(ushort(x), ushort(y)); }
  FT_INLINE operator uint3() const { return uint3(x, y, z); }
  FT_INLINE operator ushort3() const { return ushort3(ushort(x), ushort(y), ushort(z)); }
};

constexpr int zero[1] = {0};

#define FT_BUILTIN(Name, Type, expr) \
  struct Name {                      \
    FT_INLINE Type operator[](int) const { return expr; } \
  };
FT_BUILTIN(PositionInGrid, Id3, (Id3{ids.px * ids.nx + ids.x, ids.py * ids.ny + ids.y, ids.pz * ids.nz + ids.z}))
FT_BUILTIN(PositionInGroup, Id3, (Id3{ids.x, ids.y, ids.z}))
FT_BUILTIN(GroupPosition, Id3, (Id3{ids.px, ids.py, ids.pz}))
FT_BUILTIN(GroupSize, Id3, (Id3{ids.sx, ids.sy, ids.sz}))
FT_BUILTIN(NominalSize, Id3, (Id3{ids.nx, ids.ny, ids.nz}))
FT_BUILTIN(GridSize, Id3, (Id3{ids.gx, ids.gy, ids.gz}))
FT_BUILTIN(GroupsInGrid, Id3, (Id3{ids.tx, ids.ty, ids.tz}))
FT_BUILTIN(IndexInGroup, uint, index())
FT_BUILTIN(IndexInSimd, uint, (index() % FT_SIMD_WIDTH))
FT_BUILTIN(SimdIndex, uint, (index() / FT_SIMD_WIDTH))
FT_BUILTIN(SimdCount, uint, ((ids.sx * ids.sy * ids.sz + FT_SIMD_WIDTH - 1) / FT_SIMD_WIDTH))
FT_BUILTIN(NominalSimdCount, uint, ((ids.nx * ids.ny * ids.nz + FT_SIMD_WIDTH - 1) / FT_SIMD_WIDTH))
FT_BUILTIN(SimdWidth, uint, FT_SIMD_WIDTH)
FT_BUILTIN(IndexInQuad, uint, (index() % 4))
FT_BUILTIN(QuadIndex, uint, (index() / 4))
FT_BUILTIN(QuadCount, uint, ((ids.sx * ids.sy * ids.sz + 3) / 4))
#undef FT_BUILTIN

// shared gives each thread of a threadgroup the same memory for its first,
// second, … array, because all of them start with the same declarations.
template <class T> FT_INLINE T& shared() {
  uint at = ids.shared;
  if (at == ~0u) ft_fail("shared_memory is declared after a barrier or a simd function");
  ids.shared_used += sizeof(T);
  if (ids.shared_used > FT_MAX_SHARED)
    ft_fail("more than 32768 bytes of threadgroup memory");
  uint size = (sizeof(T) + 15) / 16 * 16;
#ifdef FT_ASAN
  __asan_unpoison_memory_region(ids.memory + at, sizeof(T));
  size += 32;
#endif
  ids.shared = at + size;
  return *reinterpret_cast<T*>(ids.memory + at);
}

template <class T> struct remove_cv { typedef T type; };
template <class T> struct remove_cv<const T> { typedef T type; };
template <class P> struct Param {
  static constexpr int kind = 2;  // a built-in
  static constexpr unsigned size = 0;
};
template <class T> struct Param<T*> {
  static constexpr int kind = 0;  // a buffer
  static constexpr unsigned size = alignof(T);
  static constexpr bool written = metal::is_same_v<T, typename remove_cv<T>::type>;
};
template <class T> struct Param<const T&> {
  static constexpr int kind = 1;  // the args struct
  static constexpr unsigned size = sizeof(T);
  typedef T type;
};

template <class... P> constexpr int buffers() {
  constexpr int kinds[] = {Param<P>::kind..., 2};
  int n = 0;
  while (kinds[n] == 0) n++;
  return n;
}
// ordered: buffers first, exactly one args struct, then built-ins.
template <class... P> constexpr bool ordered() {
  constexpr int kinds[] = {Param<P>::kind..., 2};
  constexpr int n = buffers<P...>();
  if (kinds[n] != 1) return false;
  for (unsigned i = n + 1; i < sizeof...(P); i++)
    if (kinds[i] != 2) return false;
  return true;
}

template <int... I> struct Seq {};
template <int N, int... I> struct MakeSeq : MakeSeq<N - 1, N - 1, I...> {};
template <int... I> struct MakeSeq<0, I...> { typedef Seq<I...> type; };

template <class... P> struct Types {};
template <int N, class... P> struct At;
template <class H, class... P> struct At<0, H, P...> { typedef H type; };
template <int N, class H, class... P> struct At<N, H, P...> : At<N - 1, P...> {};

template <class K, int... I, class... P>
FT_INLINE void threads(const ft_group* g, Seq<I...>, void (*)(P...)) {
  typedef typename Param<typename At<sizeof...(I), P...>::type>::type Args;
  const Args& args = *static_cast<const Args*>(g->args);
  void* const* bufs = g->bufs;
  ids.px = g->position[0], ids.py = g->position[1], ids.pz = g->position[2];
  ids.sx = g->size[0], ids.sy = g->size[1], ids.sz = g->size[2];
  ids.nx = g->nominal[0], ids.ny = g->nominal[1], ids.nz = g->nominal[2];
  ids.gx = g->grid[0], ids.gy = g->grid[1], ids.gz = g->grid[2];
  ids.tx = g->groups[0], ids.ty = g->groups[1], ids.tz = g->groups[2];
  ids.memory = g->shared;
  ids.stop = false;
  ids.shared = 0;
  const bool one = g->limit - g->first == 1;  // a shuffled schedule
  uint rest = g->first;
  uint x = rest % ids.sx;
  rest /= ids.sx;
  ids.y = rest % ids.sy;
  ids.z = rest / ids.sy;
  for (; ids.z < ids.sz; ids.z++, ids.y = 0) {
    for (; ids.y < ids.sy; ids.y++) {
      ids.end = one ? x + 1 : ids.sx;
#pragma GCC ivdep
      for (; x < ids.end; x++) {
        ids.x = x;
        ids.shared = 0;
        ids.shared_used = 0;
        K::call(static_cast<typename At<I, P...>::type>(bufs[I])..., args);
      }
      if (ids.stop || one) return;
      x = 0;
    }
  }
}

template <class... P> FT_INLINE void describe(ft_kernel* k, void (*)(P...)) {
  static_assert(ordered<P...>(),
                "a kernel's parameters are its buffers, one args struct, then built-ins");
  constexpr int n = buffers<P...>();
  static_assert(n <= FT_MAX_BUFFERS - 1, "too many buffers");
  constexpr unsigned sizes[] = {Param<P>::size..., 0};
  for (int i = 0; i < n; i++) k->align[i] = uint8_t(sizes[i]);
  k->buffers = n;
  k->args_size = sizes[n];
}
template <class T> constexpr bool is_written = false;
template <class T> constexpr bool is_written<T*> = Param<T*>::written;

template <class K, class... P> static void loop(const ft_group* g, void (*f)(P...)) {
  threads<K>(g, typename MakeSeq<buffers<P...>()>::type(), f);
}

// Kernel registers K, the struct that instantiate_kernel defines.
template <class K> struct Kernel : ft_kernel {
  static void entry(const ft_group* g) { loop<K>(g, K::signature()); }
  template <class... P> void mark(void (*)(P...)) {
    const bool w[] = {is_written<P>..., false};
    for (uint32_t i = 0; i < buffers; i++) written[i] = w[i];
  }
  Kernel(const char* kernel_name, const char* in_file) : ft_kernel{} {
    name = kernel_name;
    file = in_file;
    describe(this, K::signature());
    mark(K::signature());
    run = entry;
    ft_register_kernel(this);
  }
};

}  // namespace ft

#define FT_JOIN2(a, b) a##b
#define FT_JOIN(a, b) FT_JOIN2(a, b)

// FT_KERNEL defines what a registered kernel is called by; the arguments that
// are left out, the thread built-ins, have defaults.
#define FT_KERNEL(id, name, func, ...)                             \
  namespace {                                                      \
  struct id {                                                      \
    static constexpr auto signature() { return &func<__VA_ARGS__>; } \
    template <class... A> static FT_INLINE void call(A&&... a) {   \
      func<__VA_ARGS__>(a...);                                     \
    }                                                              \
  };                                                               \
  ::ft::Kernel<id> FT_JOIN(id, _registered)(name, __FILE__);       \
  }
#define instantiate_kernel(name, func, ...) \
  FT_KERNEL(FT_JOIN(ft_kernel_, __COUNTER__), name, func, __VA_ARGS__)

// Threadgroup memory: shared_memory(float, partial, [32]);
#define shared_memory(T, name, dims) \
  typedef T ft_shared_##name dims;   \
  ft_shared_##name& name = ::ft::shared<ft_shared_##name>()

#define FT_ID(B) ]] = ::ft::B()[::ft::zero[0
#define thread_position_in_grid FT_ID(PositionInGrid)
#define thread_position_in_threadgroup FT_ID(PositionInGroup)
#define threadgroup_position_in_grid FT_ID(GroupPosition)
#define threads_per_threadgroup FT_ID(GroupSize)
#define dispatch_threads_per_threadgroup FT_ID(NominalSize)
#define threads_per_grid FT_ID(GridSize)
#define threadgroups_per_grid FT_ID(GroupsInGrid)
#define thread_index_in_threadgroup FT_ID(IndexInGroup)
#define thread_index_in_simdgroup FT_ID(IndexInSimd)
#define simdgroup_index_in_threadgroup FT_ID(SimdIndex)
#define simdgroups_per_threadgroup FT_ID(SimdCount)
#define dispatch_simdgroups_per_threadgroup FT_ID(NominalSimdCount)
#define threads_per_simdgroup FT_ID(SimdWidth)
#define thread_execution_width FT_ID(SimdWidth)
#define thread_index_in_quadgroup FT_ID(IndexInQuad)
#define quadgroup_index_in_threadgroup FT_ID(QuadIndex)
#define quadgroups_per_threadgroup FT_ID(QuadCount)
