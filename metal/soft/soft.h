// The C side of the software device as Go sees it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// ft_info describes a registered kernel.
typedef struct {
  const char* name;
  const char* file;
  const void* kernel;
  const void* native; // the kernel's native form, or null
  uint32_t buffers, args_size;
  const uint8_t* align;   // alignment of each buffer's elements
  const uint8_t* written; // whether the kernel may write each buffer
} ft_info;

// ft_kernel_info describes the i-th registered kernel; 0 past the last one.
int ft_kernel_info(size_t i, ft_info* out);

// ft_step is one dispatch of a program.
typedef struct {
  const void* kernel;
  const void* native; // null: run the kernel exactly
  void** bufs;
  int64_t* bytes;
  const void* args;
  uint32_t grid[3], group[3];
  int64_t workers; // of the device
  int64_t units; // threadgroups, or the native kernel's pieces
  int64_t chunk; // units that a worker takes at a time
  int64_t nanos; // from the start of the run to the end of the step, when profiling
  // What the steps behind this one read next: a piece of theirs begins every
  // ahead_stride bytes of ahead_bytes. Null: nothing large.
  const char* ahead;
  int64_t ahead_bytes, ahead_stride;
  int64_t next, done, waiting;
} ft_step;

// ft_packing is how operands A and B of a product are packed before it, once for
// all its pieces, and for the products after it that have the same A.
typedef struct {
  const void* pack;      // native: buffers A, B, packed A or null, packed B or null; the product's args
  const void* multiply;  // native: the product's buffers, then packed A, packed B or null
  int64_t bytes[2];      // of packed A and B, 0: too large to be packed ahead
  int64_t a[4];          // together with pack and A's address: packed As are the same
} ft_packing;

// ft_program is a list of steps and the state of its run. All workers of a run
// call ft_work on it; ft_begin comes before.
typedef struct {
  ft_step* steps;
  int64_t count;
  uint64_t shuffle; // seed of shuffled schedules, 0: natural order
  int32_t nan_fill; // fill threadgroup memory with NaN
  int32_t profile;
  int64_t first, last; // steps of this run
  int64_t started;
  uint32_t epoch;      // counts finished steps; what sleeping workers wait for
  uint32_t sleepers;
  uint32_t stop;       // set by ft_cancel and by a failure
  uint32_t failing;    // taken by the first failure
  uint32_t ran;        // workers that had memory to run
  uint32_t running;    // threads of ft_start that are not done
  int32_t bell;        // where the last of them writes a byte
  int64_t failed_step;
  char error[256];
} ft_program;

// ft_native_units asks the step's native kernel for its number of pieces.
int64_t ft_native_units(const ft_step* s);
// ft_packing_of returns 0 for a step that packs nothing ahead, 1 for one that does if its A is packed, 2 for one that packs it.
int ft_packing_of(const ft_step* s, ft_packing* out);
void ft_begin(ft_program* p, int64_t first, int64_t last);
// ft_work runs steps until the run is over. It returns 0, or -1 when the system
// has no memory for the worker.
int ft_work(ft_program* p);
void ft_cancel(ft_program* p);
// ft_start has up to n threads of this package work on the program and returns how
// many. The last one that is done writes a byte to the file bell, and nobody
// touches the program any more.
int ft_start(ft_program* p, int n, int bell);
// ft_release frees what idle workers hold.
void ft_release(void);
// ft_poison forbids or allows access to memory in AddressSanitizer builds, and
// does nothing in others.
void ft_poison(void* addr, size_t n, int forbid);
// ft_cpu_name is the widest instruction set that native kernels may use.
const char* ft_cpu_name(void);
// ft_limit_cpu makes native kernels use no more than the baseline (0), AVX2 (1),
// AVX-512 (2), its products of bfloat16 (3), or all that the processor has (4); 5
// stands for AMX on processors without it. No program may run meanwhile.
void ft_limit_cpu(int level);

#ifdef __cplusplus
}
#endif
