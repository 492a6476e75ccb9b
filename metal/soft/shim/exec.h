// What a kernel's translation unit and the executor know of each other. Plain
// declarations without standard headers: kernels must not see those names.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Limits of the device, as Apple7 GPUs and later have them.
#define FT_SIMD_WIDTH 32
#define FT_MAX_THREADS 1024
#define FT_MAX_SHARED 32768
#define FT_MAX_BUFFERS 31
// Room for the gaps that AddressSanitizer builds leave between arrays.
#define FT_SHARED_ARENA (2 * FT_MAX_SHARED)

#if defined(__SANITIZE_ADDRESS__)
#define FT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FT_ASAN 1
#endif
#endif

extern "C" {

// One threadgroup, as the executor hands it to a kernel's loop.
struct ft_group {
  uint32_t position[3];  // threadgroup_position_in_grid
  uint32_t size[3];      // threads in this threadgroup; fewer at the grid's edge
  uint32_t nominal[3];   // dispatch_threads_per_threadgroup
  uint32_t grid[3];      // threads_per_grid
  uint32_t groups[3];    // threadgroups_per_grid
  uint32_t first, limit; // the loop runs the threads [first, limit)
  void* const* bufs;
  const void* args;
  char* shared;          // threadgroup memory, FT_SHARED_ARENA bytes
};

// A kernel as instantiate_kernel registers it.
struct ft_kernel {
  const char* name;
  const char* file;
  uint32_t buffers, args_size;
  uint8_t align[FT_MAX_BUFFERS];   // of the element type
  uint8_t written[FT_MAX_BUFFERS]; // 1: device T*, 0: device const T*
  void (*run)(const ft_group*);
  ft_kernel* next;
};

void ft_register_kernel(ft_kernel* k);

// The lanes that take part in one simdgroup operation.
struct ft_exchange {
  uint32_t mask;
  const char* error;  // set by the function when the operation is not allowed
  const void* in[FT_SIMD_WIDTH];
  void* out[FT_SIMD_WIDTH];
};

// ft_simd suspends the thread until every live lane of its simdgroup has
// arrived, then fn runs once for those that wait at the same place. index is
// the thread's index in its threadgroup as its loop knows it.
void ft_simd(const void* in, void* out, void (*fn)(ft_exchange*), int line, uint32_t index);
// ft_barrier suspends the thread until every live thread has arrived.
void ft_barrier(int line, uint32_t index);
// ft_thread is the index of the running thread in its threadgroup.
uint32_t ft_thread(uint32_t index);
// ft_fail ends the dispatch with an error that names the kernel.
[[noreturn]] void ft_fail(const char* what);

#ifdef FT_ASAN
void __asan_unpoison_memory_region(void const volatile* addr, size_t size);
#endif
}
