// The fake's C side as its Go side sees it, and what its files share.
#pragma once

#include <stddef.h>
#include <stdint.h>

// fake_settings is what the fake machine is, and what shall go wrong.
typedef struct {
  int32_t os_major, os_minor;
  int32_t family, metal;
  int32_t absent;         // no device at all
  int32_t no_copy;        // refuses buffers over host memory
  int32_t captures;       // allows GPU traces
  int32_t both_orders;    // runs dispatches between barriers in both orders and compares
  int32_t idle;           // encodes into nothing: for measuring the driver alone
  int32_t group_limit;    // of pipelines that were not made for a size; 0: 1024
  uint64_t working_set, max_buffer;
  char name[64], architecture[64];
  // The commit that fails, counting from 1, once; 0 for none.
  int64_t fail_commit, fail_code;
  char fail_message[256];
  // Makes newLibraryWithSource fail with a message of the compiler's.
  int32_t fail_compile;
  int64_t fail_buffer; // the first buffer that is refused, counting from 1; 0 for none
  int32_t fail_pipeline;
} fake_settings;

extern fake_settings fake_config;

enum { FAKE_OBJECTS = 16 };
typedef struct {
  int64_t live, peak_buffers, buffers;
  int64_t commits, dispatches, barriers, fences_waited;
  int64_t pipelines_compiled, pipelines_archived;
  int64_t resident; // allocations in committed residency sets
  int64_t captured; // commits while a trace was being recorded
} fake_counters;

extern fake_counters fake_counts;

// fake_reset sets the counters but live to zero, and the settings to a plain
// machine.
void fake_reset(void);

// fake_objects counts the objects of all classes, Foundation's too, that were
// made since its first call and are alive.
int64_t fake_objects(void);

// fake_call is a dispatch with what it found bound.
typedef struct {
  char kernel[128];
  int32_t buffers, written; // written: a bit for each buffer
  void* base[31];
  uint64_t offset[31];
  uint8_t args[4096];
  int32_t args_size;
  uint32_t grid[3], group[3];
} fake_call;

// fake_signature is what a kernel declares.
typedef struct {
  int32_t buffers, args_size;
  uint32_t written;
  int32_t align[31];
} fake_signature;

// fake_die reports a misuse that Metal's validation layer would, or one that it
// leaves undefined, and ends the process.
void fake_die(const char* format, ...) __attribute__((noreturn, format(printf, 1, 2)));
