// The exact executor: the threads of a threadgroup as fibers.
//
// A simdgroup runs until each of its live lanes waits; lanes that wait at the
// same simd function of the same source line are served together, the lowest
// line first, because lanes on the other side of a branch are behind. When all
// live threads wait at a barrier, and at the same one, all go on.
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mutex>

#ifdef FT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace ft {

static thread_local ft_worker* self;

static size_t page_bytes() { return size_t(sysconf(_SC_PAGESIZE)); }
static size_t stack_stride() { return stack_bytes + page_bytes(); }

#ifdef FT_ASAN
// name_kernel adds to AddressSanitizer's report what its stack trace lacks in a
// stripped program.
static void name_kernel() {
  if (self && self->running) fprintf(stderr, "soft: in kernel %s of %s\n", self->kernel->name, self->kernel->file);
}
#endif

static std::mutex idle_mutex;
static ft_worker* idle_workers;

ft_worker* worker_acquire() {
  {
    std::lock_guard<std::mutex> lock(idle_mutex);
    if (ft_worker* w = idle_workers) {
      idle_workers = w->next_idle;
      self = w;
      return w;
    }
  }
  ft_worker* w = static_cast<ft_worker*>(calloc(1, sizeof(ft_worker)));
  if (!w) return nullptr;
  void* m = mmap(nullptr, stack_stride() * FT_MAX_THREADS, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0);
  w->stacks = m == MAP_FAILED ? nullptr : static_cast<char*>(m);
  if (!w->stacks || posix_memalign(reinterpret_cast<void**>(&w->shared), 64, FT_SHARED_ARENA)) {
    if (w->stacks) munmap(w->stacks, stack_stride() * FT_MAX_THREADS);
    free(w);
    return nullptr;
  }
#ifdef FT_ASAN
  __sanitizer_set_death_callback(name_kernel);
#endif
  self = w;
  return w;
}

void worker_release(ft_worker* w) {
  self = nullptr;
  std::lock_guard<std::mutex> lock(idle_mutex);
  w->next_idle = idle_workers;
  idle_workers = w;
}

Rng::Rng(uint64_t seed) : s(seed * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du) {
  if (!s) s = 1;
  for (int i = 0; i < 4; i++) next();
}

uint64_t Rng::next() {
  s ^= s >> 12;
  s ^= s << 25;
  s ^= s >> 27;
  return s * 0x2545f4914f6cdd1du >> 16;
}

// The switches, with the notes that AddressSanitizer needs of them.
static void to_fiber(ft_worker* w, Fiber* f) {
  w->running = f;
#ifdef FT_ASAN
  __sanitizer_start_switch_fiber(&w->home_fake, f->bottom, stack_bytes);
#endif
  ft_switch(&w->scheduler, f->sp);
#ifdef FT_ASAN
  __sanitizer_finish_switch_fiber(w->home_fake, nullptr, nullptr);
#endif
  w->running = nullptr;
}

static void to_scheduler(ft_worker* w, Fiber* f) {
#ifdef FT_ASAN
  __sanitizer_start_switch_fiber(&f->fake, w->home_bottom, w->home_bytes);
#endif
  ft_switch(&f->sp, w->scheduler);
#ifdef FT_ASAN
  __sanitizer_finish_switch_fiber(f->fake, &w->home_bottom, &w->home_bytes);
#endif
}

// fiber_main runs kernels for ever; between two runs the fiber is idle.
static void fiber_main(void* arg) {
  ft_worker* w = static_cast<ft_worker*>(arg);
  Fiber* f = w->running;
#ifdef FT_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &w->home_bottom, &w->home_bytes);
#endif
  for (;;) {
    w->kernel->run(&w->group);
    to_scheduler(w, f);
  }
}

// idle_fiber takes a fiber whose loop can start.
static Fiber* idle_fiber(ft_worker* w) {
  if (w->idle == 0) {
    int i = w->started++;
    Fiber* f = &w->fibers[i];
    char* guard = w->stacks + size_t(i) * stack_stride();
    // Each guard splits a mapping, and the system bounds their number: the
    // first stacks of every worker have one, which is where overflow shows.
    if (i < 64) mprotect(guard, page_bytes(), PROT_NONE);
    f->bottom = guard + page_bytes();
    w->idle_fibers[w->idle++] = i;
  }
  Fiber* f = &w->fibers[w->idle_fibers[--w->idle]];
  f->thread = -1;
  if (!f->sp) {
#ifdef FT_ASAN
    __asan_unpoison_memory_region(f->bottom, stack_bytes);
#endif
    // Tops at different offsets in their pages keep stacks out of each
    // other's cache sets.
    size_t colour = size_t(f - w->fibers) * 320 % 4096;
    f->sp = fiber_start(f->bottom + stack_bytes - colour, fiber_main, w);
  }
  return f;
}

static void give_back(ft_worker* w, Fiber* f) { w->idle_fibers[w->idle++] = int(f - w->fibers); }

// start runs the loop from thread t. Threads that do not suspend are done when
// it returns; it stops at the first one that does and returns its index, or the
// index after the last thread.
static uint32_t start(ft_worker* w, uint32_t t, uint32_t threads) {
  Fiber* f = idle_fiber(w);
  w->group.first = t;
  w->group.limit = w->shuffled ? t + 1 : threads;
  to_fiber(w, f);
  if (w->error) return t;
  uint32_t end = f->thread < 0 ? w->group.limit : uint32_t(f->thread);
  memset(&w->state[t], int(State::done), end - t);
  if (f->thread < 0) give_back(w, f);
  return end;
}

// resume continues thread t.
static void resume(ft_worker* w, uint32_t t) {
  Fiber* f = w->wait[t].fiber;
  w->state[t] = State::done;
  to_fiber(w, f);
  if (!w->error && w->state[t] == State::done) give_back(w, f);
}

static void shuffle(uint32_t* order, uint32_t n, Rng& rng) {
  for (uint32_t i = n; i > 1; i--) {
    uint32_t j = rng.below(i), swap = order[i - 1];
    order[i - 1] = order[j];
    order[j] = swap;
  }
}

// serve runs one simd function for the lanes of [base, end) that wait for it.
// It returns false when no lane waits.
static bool serve(ft_worker* w, uint32_t base, uint32_t end) {
  const Wait* first = nullptr;
  for (uint32_t t = base; t < end; t++)
    if (w->state[t] == State::simd && (!first || w->wait[t].line < first->line)) first = &w->wait[t];
  if (!first) return false;
  ft_exchange x;
  x.mask = 0;
  x.error = nullptr;
  for (uint32_t t = base; t < end; t++) {
    const Wait* wait = &w->wait[t];
    if (w->state[t] != State::simd || wait->line != first->line || wait->fn != first->fn) continue;
    x.mask |= 1u << (t - base);
    x.in[t - base] = wait->in;
    x.out[t - base] = wait->out;
    w->state[t] = State::ready;
  }
  first->fn(&x);
  w->error = x.error;
  return true;
}

static void run_simdgroup(ft_worker* w, uint32_t base, uint32_t threads, Rng& rng) {
  uint32_t end = base + FT_SIMD_WIDTH < threads ? base + FT_SIMD_WIDTH : threads;
  uint32_t order[FT_SIMD_WIDTH];
  for (uint32_t i = base; i < end; i++) order[i - base] = i;
  do {
    if (w->shuffled) shuffle(order, end - base, rng);
    for (uint32_t i = 0; i < end - base && !w->error; i++) {
      uint32_t t = order[i];
      if (w->state[t] == State::fresh) start(w, t, threads);
      else if (w->state[t] == State::ready) resume(w, t);
    }
  } while (!w->error && serve(w, base, end) && !w->error);
}

// pass_barrier lets all threads go on. It returns false when none is left.
static bool pass_barrier(ft_worker* w, uint32_t threads) {
  bool any = false;
  int line = 0;
  for (uint32_t t = 0; t < threads; t++) {
    if (w->state[t] != State::barrier) continue;
    if (any && w->wait[t].line != line) {
      w->error = "threads of one threadgroup wait at different barriers";
      return false;
    }
    any = true;
    line = w->wait[t].line;
    w->state[t] = State::ready;
  }
  return any;
}

// abandon forgets suspended fibers after an error; nothing on their stacks
// needs to be destroyed.
static void abandon(ft_worker* w) {
  w->idle = 0;
  for (int i = 0; i < w->started; i++) {
    w->fibers[i].sp = nullptr;
    w->idle_fibers[w->idle++] = i;
  }
}

bool run_group(ft_worker* w, uint64_t seed) {
  const uint32_t threads = w->group.size[0] * w->group.size[1] * w->group.size[2];
#ifdef FT_ASAN
  __asan_unpoison_memory_region(w->shared, FT_SHARED_ARENA);
#endif
  if (w->nan_fill) memset(w->shared, 0xff, FT_SHARED_ARENA);
#ifdef FT_ASAN
  __asan_poison_memory_region(w->shared, FT_SHARED_ARENA);
#endif
  w->error = nullptr;
  w->group.shared = w->shared;
  Rng rng(seed);
  uint32_t fresh = 0;
  if (!w->shuffled) {
    uint32_t t = start(w, 0, threads);
    if (!w->error && t == threads) return true;
    fresh = t + 1;
  }
  if (fresh < threads) memset(&w->state[fresh], int(State::fresh), threads - fresh);
  uint32_t groups[FT_MAX_THREADS / FT_SIMD_WIDTH], n = 0;
  for (uint32_t base = 0; base < threads; base += FT_SIMD_WIDTH) groups[n++] = base;
  bool more = !w->error;
  while (more) {
    if (w->shuffled) shuffle(groups, n, rng);
    for (uint32_t i = 0; i < n && !w->error; i++) run_simdgroup(w, groups[i], threads, rng);
    more = !w->error && pass_barrier(w, threads);
  }
  if (w->error) abandon(w);
  return !w->error;
}

// suspend records where the running thread waits and leaves its fiber.
static void suspend(State s, const Wait& wait, uint32_t index) {
  ft_worker* w = self;
  Fiber* f = w->running;
  if (f->thread < 0) f->thread = int(index);
  uint32_t t = uint32_t(f->thread);
  w->wait[t] = wait;
  w->wait[t].fiber = f;
  w->state[t] = s;
  to_scheduler(w, f);
}

}  // namespace ft

using namespace ft;

void ft_simd(const void* in, void* out, void (*fn)(ft_exchange*), int line, uint32_t index) {
  suspend(State::simd, Wait{in, out, fn, line, nullptr}, index);
}

void ft_barrier(int line, uint32_t index) {
  suspend(State::barrier, Wait{nullptr, nullptr, nullptr, line, nullptr}, index);
}

uint32_t ft_thread(uint32_t index) {
  Fiber* f = self->running;
  return f->thread < 0 ? index : uint32_t(f->thread);
}

void ft_fail(const char* what) {
  ft_worker* w = self;
  w->error = what;
  to_scheduler(w, w->running);
  abort();  // an abandoned fiber is never resumed
}

void* ft_scratch(ft_worker* w, size_t n) {
  if (n > w->scratch_bytes) {
    free(w->scratch);
    n = (n + 4095) / 4096 * 4096;
    if (posix_memalign(reinterpret_cast<void**>(&w->scratch), 64, n)) abort();
    w->scratch_bytes = n;
  }
  return w->scratch;
}

extern "C" void ft_release(void) {
  std::lock_guard<std::mutex> lock(idle_mutex);
  while (ft_worker* w = idle_workers) {
    idle_workers = w->next_idle;
    munmap(w->stacks, stack_stride() * FT_MAX_THREADS);
    free(w->shared);
    free(w->scratch);
    free(w);
  }
}

extern "C" void ft_poison(void* addr, size_t n, int forbid) {
#ifdef FT_ASAN
  if (forbid) __asan_poison_memory_region(addr, n);
  else __asan_unpoison_memory_region(addr, n);
#else
  (void)addr, (void)n, (void)forbid;
#endif
}
