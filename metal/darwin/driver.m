//go:build darwin || metalfake

// Device, memory, queue and encoding: what is called too often for messages
// through Go, or takes what darwinkit does not bind. Every entry point has an
// autorelease pool, since Go's threads have none.

#import <Foundation/Foundation.h>
#import <Metal/Metal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

// Words of a stream: op in the low byte, binding index in the next, then a
// length in bytes; operands follow. prepare.go writes them.
enum { OP_PIPELINE = 1, OP_BUFFER = 2, OP_OFFSET = 3, OP_BYTES = 4, OP_DISPATCH = 5, OP_BARRIER = 6 };

// Command buffers that are encoded ahead of the one that runs.
enum { IN_FLIGHT = 3 };

struct ftm_queue {
  id<MTLDevice> device;
  id<MTLCommandQueue> queue;
  id<MTLFence> fence;
  id residency; // id<MTLResidencySet>; nil without
  int updated;  // an encoder has updated the fence
  int changed;  // the residency set has changes that were not committed
};

static void copy_text(char* to, size_t size, NSString* text) {
  const char* from = [text UTF8String];
  snprintf(to, size, "%s", from ? from : "");
}

void* ftm_device(void) {
  @autoreleasepool {
    return (void*)MTLCreateSystemDefaultDevice();
  }
}

void ftm_device_info(void* device, ftm_info* out) {
  @autoreleasepool {
    id<MTLDevice> d = (id<MTLDevice>)device;
    memset(out, 0, sizeof *out);
    copy_text(out->name, sizeof out->name, [d name]);
    if ([d respondsToSelector:@selector(architecture)]) {
      copy_text(out->architecture, sizeof out->architecture, [[d architecture] name]);
    }
    out->working_set = [d recommendedMaxWorkingSetSize];
    out->max_buffer = [d maxBufferLength];
    NSOperatingSystemVersion os = [[NSProcessInfo processInfo] operatingSystemVersion];
    out->os_major = (int32_t)os.majorVersion;
    out->os_minor = (int32_t)os.minorVersion;
    for (int32_t family = 1; family <= 20; family++) {
      if ([d supportsFamily:(MTLGPUFamily)(1000 + family)]) {
        out->family = family;
      }
    }
    for (int32_t metal = 3; metal <= 4; metal++) {
      if ([d supportsFamily:(MTLGPUFamily)(5001 + metal - 3)]) {
        out->metal = metal;
      }
    }
  }
}

uint64_t ftm_allocated(void* device) {
  return [(id<MTLDevice>)device currentAllocatedSize];
}

// Storage shared with the CPU; hazards are ours to order.
static const MTLResourceOptions memory_options = MTLResourceStorageModeShared | MTLResourceHazardTrackingModeUntracked;

void* ftm_buffer(void* device, uint64_t length) {
  @autoreleasepool {
    return (void*)[(id<MTLDevice>)device newBufferWithLength:length options:memory_options];
  }
}

void* ftm_buffer_over(void* device, void* memory, uint64_t length) {
  @autoreleasepool {
    return (void*)[(id<MTLDevice>)device newBufferWithBytesNoCopy:memory length:length options:memory_options deallocator:nil];
  }
}

void* ftm_contents(void* buffer) {
  return [(id<MTLBuffer>)buffer contents];
}

void ftm_release(void* object) {
  @autoreleasepool {
    [(id)object release];
  }
}

// A method ignores arguments past its own.
uint64_t ftm_send(void* to, void* selector, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
  typedef uint64_t (*method)(id, SEL, uint64_t, uint64_t, uint64_t, uint64_t);
  return ((method)[(id)to methodForSelector:selector])((id)to, selector, a, b, c, d);
}

// fresh makes the queue and the fence anew; 0 when Metal refuses.
static int fresh(ftm_queue* q) {
  [q->queue release];
  [q->fence release];
  q->queue = [q->device newCommandQueueWithMaxCommandBufferCount:2 * IN_FLIGHT];
  q->fence = [q->device newFence];
  q->updated = 0;
  if (q->residency) {
    [q->queue addResidencySet:q->residency];
  }
  return q->queue != nil && q->fence != nil;
}

ftm_queue* ftm_queue_open(void* device, int wired) {
  @autoreleasepool {
    ftm_queue* q = calloc(1, sizeof *q);
    q->device = [(id<MTLDevice>)device retain];
    if (wired && [q->device respondsToSelector:@selector(newResidencySetWithDescriptor:error:)]) {
      MTLResidencySetDescriptor* d = [[NSClassFromString(@"MTLResidencySetDescriptor") new] autorelease];
      q->residency = [q->device newResidencySetWithDescriptor:d error:NULL];
    }
    if (!fresh(q)) {
      ftm_queue_close(q);
      return NULL;
    }
    return q;
  }
}

void ftm_queue_close(ftm_queue* q) {
  @autoreleasepool {
    [q->queue release];
    [q->fence release];
    [q->residency release];
    [q->device release];
    free(q);
  }
}

int ftm_wire(ftm_queue* q, void* buffer) {
  if (!q->residency) {
    return 0;
  }
  @autoreleasepool {
    [q->residency addAllocation:(id<MTLBuffer>)buffer];
  }
  q->changed = 1;
  return 1;
}

void ftm_unwire(ftm_queue* q, void* buffer) {
  @autoreleasepool {
    [q->residency removeAllocation:(id<MTLBuffer>)buffer];
    [q->residency commit];
  }
}

static void encode(id<MTLComputeCommandEncoder> e, const uint64_t* w, const uint64_t* end) {
  while (w < end) {
    uint64_t head = *w++;
    NSUInteger index = (head >> 8) & 0xff, length = head >> 16;
    switch (head & 0xff) {
    case OP_PIPELINE:
      [e setComputePipelineState:(id<MTLComputePipelineState>)(void*)w[0]];
      w += 1;
      break;
    case OP_BUFFER:
      [e setBuffer:(id<MTLBuffer>)(void*)w[0] offset:w[1] atIndex:index];
      w += 2;
      break;
    case OP_OFFSET:
      [e setBufferOffset:w[0] atIndex:index];
      w += 1;
      break;
    case OP_BYTES:
      [e setBytes:w length:length atIndex:index];
      w += (length + 7) / 8;
      break;
    case OP_DISPATCH:
      [e dispatchThreads:MTLSizeMake(w[0], w[1], w[2]) threadsPerThreadgroup:MTLSizeMake(w[3], w[4], w[5])];
      w += 6;
      break;
    case OP_BARRIER:
      [e memoryBarrierWithScope:MTLBarrierScopeBuffers];
      break;
    }
  }
}

// begin encodes and commits a batch; the command buffer is owed a release. Its
// buffers and pipelines are not retained: the caller keeps them to the end.
static id<MTLCommandBuffer> begin(ftm_queue* q, const uint64_t* words, const ftm_batch* b) {
  @autoreleasepool {
    id<MTLCommandBuffer> c = [[q->queue commandBufferWithUnretainedReferences] retain];
    id<MTLComputeCommandEncoder> e = [c computeCommandEncoderWithDispatchType:MTLDispatchTypeConcurrent];
    if (q->updated) {
      [e waitForFence:q->fence];
    }
    encode(e, words + b->begin, words + b->end);
    [e updateFence:q->fence];
    q->updated = 1;
    [e endEncoding];
    [c commit];
    return c;
  }
}

// finish waits for a command buffer and releases it; 0 when it failed, with the
// first failure in out.
static int finish(id<MTLCommandBuffer> c, int64_t batch, double* seconds, ftm_outcome* out) {
  @autoreleasepool {
    [c waitUntilCompleted];
    double took = [c GPUEndTime] - [c GPUStartTime];
    out->gpu_seconds += took;
    if (seconds) {
      seconds[batch] = took;
    }
    int ok = [c status] == MTLCommandBufferStatusCompleted;
    if (!ok && out->status != FTM_FAILED) {
      NSError* error = [c error];
      out->status = FTM_FAILED;
      out->batch = batch;
      out->code = [error code];
      copy_text(out->domain, sizeof out->domain, [error domain]);
      copy_text(out->message, sizeof out->message, [error localizedDescription]);
    }
    [c release];
    return ok;
  }
}

void ftm_run(ftm_queue* q, const uint64_t* words, const ftm_batch* batches, int64_t count,
             const int32_t* cancel, double* seconds, ftm_outcome* out) {
  id<MTLCommandBuffer> flying[IN_FLIGHT];
  int64_t window = seconds ? 1 : IN_FLIGHT, begun = 0, finished = 0;
  memset(out, 0, sizeof *out);
  if (q->changed) {
    @autoreleasepool {
      [q->residency commit];
      [q->residency requestResidency];
    }
    q->changed = 0;
  }
  while (begun < count && out->status == FTM_DONE) {
    if (__atomic_load_n(cancel, __ATOMIC_ACQUIRE)) {
      out->status = FTM_CANCELLED;
      out->batch = begun;
      break;
    }
    flying[begun % window] = begin(q, words, &batches[begun]);
    begun++;
    if (begun - finished == window) {
      finish(flying[finished % window], finished, seconds, out);
      finished++;
    }
  }
  for (; finished < begun; finished++) {
    finish(flying[finished % window], finished, seconds, out);
  }
  // A failed queue may refuse what comes next, and a fence may wait for ever.
  if (out->status == FTM_FAILED) {
    @autoreleasepool {
      if (!fresh(q)) {
        snprintf(out->message + strlen(out->message), sizeof out->message - strlen(out->message),
                 "; Metal gives no new command queue");
      }
    }
  }
}
