// A worker runs threadgroups on one host thread.
#pragma once

#include "fiber.h"
#include "native.h"
#include "shim/exec.h"
#include "soft.h"

namespace ft {

// What a thread of the threadgroup is doing.
enum class State : uint8_t { fresh, ready, simd, barrier, done };

struct Fiber {
  void* sp;      // null: not started yet
  char* bottom;  // lowest address of the stack
  int thread;    // the thread that suspended on it, -1 for none
  void* fake;    // AddressSanitizer's fake stack
};

// Where a thread waits.
struct Wait {
  const void* in;
  void* out;
  void (*fn)(ft_exchange*);
  int line;
  Fiber* fiber;
};

// Rng is xorshift64*; it orders shuffled schedules.
struct Rng {
  uint64_t s;
  explicit Rng(uint64_t seed);
  uint64_t next();
  uint32_t below(uint32_t n) { return uint32_t(next() % n); }
};

}  // namespace ft

struct ft_worker {
  ft_worker* next_idle;
  char* stacks;  // FT_MAX_THREADS stacks, each above a guard page
  char* shared;  // threadgroup memory
  char* scratch;
  size_t scratch_bytes;

  ft_group group;
  const ft_kernel* kernel;
  const char* error;  // of the kernel that runs
  bool shuffled, nan_fill;

  void* scheduler;     // the scheduler's stack pointer
  ft::Fiber* running;  // null in the scheduler
  int started;         // fibers whose stacks exist
  int idle;            // entries of idle_fibers
  int idle_fibers[FT_MAX_THREADS];
  ft::Fiber fibers[FT_MAX_THREADS];
  ft::State state[FT_MAX_THREADS];
  ft::Wait wait[FT_MAX_THREADS];
  // AddressSanitizer's view of the scheduler's own stack.
  const void* home_bottom;
  size_t home_bytes;
  void* home_fake;
};

namespace ft {

ft_worker* worker_acquire();
void worker_release(ft_worker* w);
// run_group runs the threadgroup in w->group of w->kernel. It returns false
// and sets w->error when the kernel is wrong.
bool run_group(ft_worker* w, uint64_t seed);

}  // namespace ft
