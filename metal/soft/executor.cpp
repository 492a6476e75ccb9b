// The registry of kernels and the workers' walk through a program.
//
// Every worker goes through the steps in order and takes chunks of units from
// a step's counter. A step is over when all its units are done, whoever did
// them: a worker that the system does not schedule holds nobody up.
#include "soft.h"

#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#else
#include <sched.h>
#endif

#include "native_gemm.h"
#include "worker.h"

// Static constructors fill these lists before main; they are never written
// again.
static ft_kernel* kernels;
static ft_native* natives;

void ft_register_kernel(ft_kernel* k) {
  k->next = kernels;
  kernels = k;
}

void ft_register_native(ft_native* n) {
  n->next = natives;
  natives = n;
}

static const ft_native* find_native(const char* name) {
  for (const ft_native* n = natives; n; n = n->next)
    if (!strcmp(n->name, name)) return n;
  return nullptr;
}

int ft_kernel_info(size_t i, ft_info* out) {
  const ft_kernel* k = kernels;
  while (k && i--) k = k->next;
  if (!k) return 0;
  *out = ft_info{k->name, k->file, k, find_native(k->name), k->buffers, k->args_size, k->align, k->written};
  return 1;
}

#if defined(__x86_64__) && defined(__linux__)
// has_amx also asks Linux for the tile registers, which it keeps for a process from
// then on (5.16 and later).
static bool has_amx() {
  constexpr unsigned amx_bf16 = 1u << 22, amx_tile = 1u << 24;  // CPUID 7, EDX
  constexpr long request = 0x1023, tile_data = 18;              // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (~d & (amx_bf16 | amx_tile))) return false;
  return syscall(SYS_arch_prctl, request, tile_data) == 0;
}
#elif defined(__x86_64__)
static bool has_amx() { return false; }
#endif

static ft_cpu_features detect() {
  ft_cpu_features f = {};
#if defined(__x86_64__)
  __builtin_cpu_init();
  f.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  f.avx512 = f.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  f.avx512_bf16 = f.avx512 && __builtin_cpu_supports("avx512bf16");
  f.amx = f.avx512_bf16 && has_amx();
#elif defined(__aarch64__)
  f.neon = true;
#endif
  return f;
}

static ft_cpu_features usable = detect();

const ft_cpu_features* ft_cpu(void) { return &usable; }

void ft_limit_cpu(int level) {
  usable = detect();
  usable.plain_tiles = level > 4 && usable.avx512_bf16;
  if (level != 4) usable.amx = false;
  if (level < 3) usable.avx512_bf16 = false;
  if (level < 2) usable.avx512 = false;
  if (level < 1) usable.avx2 = false;
}

const char* ft_cpu_name(void) {
  const ft_cpu_features* f = ft_cpu();
  return f->amx ? "AMX" : f->avx512 ? "AVX-512" : f->avx2 ? "AVX2" : f->neon ? "NEON" : "SSE2";
}

static ft_launch launch_of(const ft_step* s) {
  return ft_launch{s->bufs,
                   s->bytes,
                   s->args,
                   {s->grid[0], s->grid[1], s->grid[2]},
                   {s->group[0], s->group[1], s->group[2]},
                   s->workers};
}

int64_t ft_native_units(const ft_step* s) {
  ft_launch l = launch_of(s);
  return static_cast<const ft_native*>(s->native)->units(&l);
}

int ft_packing_of(const ft_step* s, ft_packing* out) {
  ft_launch l = launch_of(s);
  return ft::gemm_packing(static_cast<const ft_native*>(s->native), &l, out);
}

namespace {

template <class T> T load(const T* p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
template <class T> void store(T* p, T v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
template <class T> T add(T* p, T v) { return __atomic_fetch_add(p, v, __ATOMIC_ACQ_REL); }

// raise makes *p at least v.
void raise(int64_t* p, int64_t v) {
  int64_t old = load(p);
  while (old < v && !__atomic_compare_exchange_n(p, &old, v, true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
  }
}

int64_t now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t(t.tv_sec) * 1000000000 + t.tv_nsec;
}

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void sleep_while(uint32_t* word, uint32_t value) {
#if defined(__linux__)
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
#else
  if (load(word) == value) usleep(20);
#endif
}

// announce wakes the workers that wait for a step to end.
void announce(ft_program* p) {
  add(&p->epoch, 1u);
#if defined(__linux__)
  if (__atomic_load_n(&p->sleepers, __ATOMIC_SEQ_CST))
    syscall(SYS_futex, &p->epoch, FUTEX_WAKE_PRIVATE, 0x7fffffff, nullptr, nullptr, 0);
#endif
}

// Ahead is what a waiting worker fetches into its caches: the memory that it will
// read first when it goes on. It goes on where it stopped at the step before.
struct Ahead {
  const char *of = nullptr, *at = nullptr, *end = nullptr;

  // Whoever waits first starts on the second piece: the first one is begun by the
  // worker that nobody waits for.
  void turn_to(ft_step* s) {
    if (s->ahead == of) return;
    of = at = end = s->ahead;
    if (!of) return;
    const int64_t from = add(&s->waiting, int64_t(1)) * s->ahead_stride + s->ahead_stride;
    if (from >= s->ahead_bytes) return;
    const int64_t left = s->ahead_bytes - from;
    at = of + from;
    end = at + (left < s->ahead_stride ? left : s->ahead_stride);
  }
  // fetch asks for a line and reports whether there was any left.
  bool fetch() {
    if (at >= end) return false;
    __builtin_prefetch(at, 0, 2);
    at += 64;
    return true;
  }
};

// await returns when the step's units are done or the run is to stop.
void await(ft_program* p, ft_step* s, Ahead& ahead) {
  if (load(&s->done) >= s->units) return;
  ahead.turn_to(s);
  for (int spin = 0; spin < 4000;) {
    if (load(&s->done) >= s->units || load(&p->stop)) return;
    if (ahead.fetch()) continue;
    pause_cpu();
    spin++;
  }
  __atomic_fetch_add(&p->sleepers, 1u, __ATOMIC_SEQ_CST);
  for (;;) {
    uint32_t epoch = __atomic_load_n(&p->epoch, __ATOMIC_SEQ_CST);
    if (load(&s->done) >= s->units || load(&p->stop)) break;
    sleep_while(&p->epoch, epoch);
  }
  __atomic_fetch_sub(&p->sleepers, 1u, __ATOMIC_SEQ_CST);
}

void fail(ft_program* p, int64_t step, const char* what) {
  if (__atomic_exchange_n(&p->failing, 1u, __ATOMIC_ACQ_REL)) return;
  strncpy(p->error, what, sizeof p->error - 1);
  p->failed_step = step;
  store(&p->stop, 1u);
  announce(p);
}

uint64_t gcd(uint64_t a, uint64_t b) { return b ? gcd(b, a % b) : a; }

// Order is the sequence in which the threadgroups of a step are run: the
// natural one, or u -> a·u + b mod n with a and n coprime.
struct Order {
  uint64_t a = 1, b = 0, n;
  Order(uint64_t seed, uint64_t units) : n(units) {
    if (!seed || n < 2) return;
    ft::Rng rng(seed);
    b = rng.next() % n;
    do a = 1 + rng.next() % (n - 1);
    while (gcd(a, n) != 1);
  }
  uint64_t at(uint64_t u) const { return uint64_t(((unsigned __int128)a * u + b) % n); }
};

bool run_groups(ft_program* p, int64_t step, int64_t begin, int64_t end, ft_worker* w) {
  const ft_step* s = &p->steps[step];
  const uint64_t seed = p->shuffle ? p->shuffle * 1000003 + uint64_t(step) + 1 : 0;
  const Order order(seed, uint64_t(s->units));
  ft_group* g = &w->group;
  w->kernel = static_cast<const ft_kernel*>(s->kernel);
  w->shuffled = seed != 0;
  w->nan_fill = p->nan_fill;
  g->bufs = s->bufs;
  g->args = s->args;
  for (int d = 0; d < 3; d++) {
    g->nominal[d] = s->group[d];
    g->grid[d] = s->grid[d];
    g->groups[d] = uint32_t((uint64_t(s->grid[d]) + s->group[d] - 1) / s->group[d]);
  }
  for (int64_t u = begin; u < end; u++) {
    uint64_t at = order.at(uint64_t(u)), rest = at;
    for (int d = 0; d < 3; d++) {
      g->position[d] = uint32_t(rest % g->groups[d]);
      rest /= g->groups[d];
      uint32_t left = g->grid[d] - g->position[d] * g->nominal[d];
      g->size[d] = left < g->nominal[d] ? left : g->nominal[d];
    }
    if (!ft::run_group(w, seed + at * 0x9e3779b97f4a7c15u)) {
      fail(p, step, w->error);
      return false;
    }
  }
  return true;
}

}  // namespace

void ft_begin(ft_program* p, int64_t first, int64_t last) {
  for (int64_t i = first; i < last; i++) p->steps[i].next = p->steps[i].done = p->steps[i].waiting = p->steps[i].nanos = 0;
  p->first = first;
  p->last = last;
  p->stop = p->failing = p->ran = 0;
  p->failed_step = -1;
  memset(p->error, 0, sizeof p->error);
  p->started = now();
}

int ft_work(ft_program* p) {
  ft_worker* w = ft::worker_acquire();
  if (!w) return -1;
  add(&p->ran, 1u);
  Ahead ahead;
  for (int64_t i = p->first; i < p->last && !load(&p->stop); i++) {
    ft_step* s = &p->steps[i];
    const ft_native* native = static_cast<const ft_native*>(s->native);
    const ft_launch launch = launch_of(s);
    for (;;) {
      int64_t begin = add(&s->next, s->chunk);
      if (begin >= s->units) break;
      int64_t end = begin + s->chunk < s->units ? begin + s->chunk : s->units;
      if (native) native->run(&launch, begin, end, w);
      else if (!run_groups(p, i, begin, end, w)) break;
      // The time is noted before the units count as done: once they do, other
      // workers run, and time, the next step.
      if (p->profile) raise(&s->nanos, now() - p->started);
      if (add(&s->done, end - begin) + end - begin < s->units) continue;
      announce(p);
    }
    await(p, s, ahead);
  }
  ft::worker_release(w);
  return 0;
}

void ft_cancel(ft_program* p) {
  store(&p->stop, 1u);
  announce(p);
}
