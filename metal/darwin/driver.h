// The native half of the driver as Go sees it. Objects are raw pointers with a
// retain count of one, owed to ftm_release.
#pragma once

#include <stdint.h>

typedef struct {
  char name[128];
  char architecture[64]; // "applegpu_g16s"; empty before macOS 14
  uint64_t working_set, max_buffer;
  int32_t os_major, os_minor;
  int32_t family; // the newest Apple GPU family: 7 for M1; 0 for none
  int32_t metal;  // the newest Metal family: 3 or 4; 0 for none
} ftm_info;

// ftm_batch is a command buffer: its words in the stream, and its dispatches.
typedef struct {
  int64_t begin, end;
  int64_t first, count;
} ftm_batch;

enum { FTM_DONE = 0, FTM_CANCELLED = 1, FTM_FAILED = 2 };

// ftm_outcome tells how a run ended. batch is the one that failed, or the first
// that did not run.
typedef struct {
  int64_t status, batch, code;
  double gpu_seconds;
  char domain[64];
  char message[1024];
} ftm_outcome;

typedef struct ftm_queue ftm_queue;

void* ftm_device(void); // null: this machine has none
void ftm_device_info(void* device, ftm_info* out);
uint64_t ftm_allocated(void* device);
void* ftm_buffer(void* device, uint64_t length);
void* ftm_buffer_over(void* device, void* memory, uint64_t length);
void* ftm_contents(void* buffer);
void ftm_release(void* object);

// ftm_send sends a message whose arguments and result are pointers or integers,
// and returns what the method leaves in the register of its result.
uint64_t ftm_send(void* to, void* selector, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

// ftm_queue_open makes a queue with its fence, null when Metal refuses. wired is
// whether it has a residency set, where the system knows them.
ftm_queue* ftm_queue_open(void* device, int wired);
void ftm_queue_close(ftm_queue* q);
// ftm_wire adds a buffer to the residency set, ftm_unwire takes it out; ftm_wire
// returns 0 when there is no set.
int ftm_wire(ftm_queue* q, void* buffer);
void ftm_unwire(ftm_queue* q, void* buffer);

// ftm_run encodes and runs batches and waits for them. cancel is read between
// two of them. seconds, if not null, gets the GPU time of each; they do not
// overlap then. After a failure the queue is as new.
void ftm_run(ftm_queue* q, const uint64_t* words, const ftm_batch* batches, int64_t count,
             const int32_t* cancel, double* seconds, ftm_outcome* out);
