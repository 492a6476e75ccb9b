//go:build metalfake

// Queues, command buffers and encoders of the fake. Work is recorded when it is
// encoded and runs when somebody waits for it, so that whatever the driver lets
// go or changes too early is gone or changed by then. Dispatches between two
// barriers run in reverse order: a GPU may take any.

#include "fake_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "_cgo_export.h"

enum { INDICES = 31, LARGEST_BYTES = 4096 };

// record is a dispatch as it was encoded; its objects are not retained.
typedef struct {
  fake_call call;
  FakePipeline* pipeline;
  FakeBuffer* buffer[INDICES];
  int group; // barriers before it in the encoder
} record;

@interface FakeCommandBuffer : Fake <MTLCommandBuffer> {
 @public
  FakeQueue* queue;
  NSMutableData* work; // of records
  BOOL open, committed, fails;
  int64_t serial, after; // of its encoder, and the encoders that are ordered before it
  NSUInteger status;
  NSError* error;
  double start, end;
}
- (void)run;
@end

@interface FakeEncoder : Fake <MTLComputeCommandEncoder> {
 @public
  FakeCommandBuffer* owner;
  FakePipeline* pipeline;
  FakeBuffer* buffer[INDICES];
  uint64_t offset[INDICES];
  uint8_t bytes[LARGEST_BYTES];
  int bytes_at, bytes_size; // the args struct: its index and length
  int group, dispatched;
  BOOL ended, updated;
}
@end

static int64_t serials;

@implementation FakeEncoder
- (void)check:(const char*)what {
  if (ended) {
    fake_die("%s after endEncoding", what);
  }
}
- (void)index:(NSUInteger)i {
  if (i >= INDICES) {
    fake_die("buffer index %lu: there are %d", (unsigned long)i, INDICES);
  }
}
- (void)setComputePipelineState:(id<MTLComputePipelineState>)p {
  [self check:"setComputePipelineState"];
  if (!fake_alive(p)) {
    fake_die("setComputePipelineState with an object that was released");
  }
  pipeline = (FakePipeline*)p;
}
- (void)setBuffer:(id<MTLBuffer>)b offset:(NSUInteger)o atIndex:(NSUInteger)i {
  [self check:"setBuffer"];
  [self index:i];
  if (!fake_alive(b)) {
    fake_die("setBuffer at index %lu with an object that was released", (unsigned long)i);
  }
  buffer[i] = (FakeBuffer*)b;
  [self setBufferOffset:o atIndex:i];
  if (bytes_at == (int)i) {
    bytes_at = -1;
  }
}
- (void)setBufferOffset:(NSUInteger)o atIndex:(NSUInteger)i {
  [self check:"setBufferOffset"];
  [self index:i];
  if (!buffer[i]) {
    fake_die("setBufferOffset at index %lu, where no buffer is bound", (unsigned long)i);
  }
  if (o >= buffer[i]->length) {
    fake_die("offset %lu of the buffer at index %lu is outside its %lu bytes", (unsigned long)o, (unsigned long)i, (unsigned long)buffer[i]->length);
  }
  offset[i] = o;
}
- (void)setBytes:(const void*)p length:(NSUInteger)n atIndex:(NSUInteger)i {
  [self check:"setBytes"];
  [self index:i];
  if (n == 0 || n > LARGEST_BYTES) {
    fake_die("setBytes of %lu bytes: at least 1, at most %d", (unsigned long)n, LARGEST_BYTES);
  }
  memcpy(bytes, p, n);
  bytes_at = (int)i;
  bytes_size = (int)n;
  buffer[i] = nil;
}
- (void)dispatchThreads:(MTLSize)g threadsPerThreadgroup:(MTLSize)t {
  [self check:"dispatchThreads"];
  if (updated) {
    fake_die("a dispatch after updateFence: the fence does not cover it");
  }
  if (!pipeline) {
    fake_die("a dispatch without a pipeline");
  }
  const char* name = [pipeline->name UTF8String];
  if (g.width * g.height * g.depth == 0 || t.width * t.height * t.depth == 0) {
    fake_die("%s: a dispatch of no threads", name);
  }
  if (t.width * t.height * t.depth > pipeline->limit) {
    fake_die("%s: threadgroup of %lu threads, the pipeline takes %lu", name, (unsigned long)(t.width * t.height * t.depth), (unsigned long)pipeline->limit);
  }
  record r;
  memset(&r, 0, sizeof r);
  fake_signature* s = &pipeline->signature;
  snprintf(r.call.kernel, sizeof r.call.kernel, "%s", name);
  r.call.buffers = s->buffers;
  r.call.written = (int32_t)s->written;
  for (int i = 0; i < s->buffers; i++) {
    if (!buffer[i]) {
      fake_die("%s: no buffer is bound at index %d", name, i);
    }
    if (((uintptr_t)buffer[i]->start + offset[i]) % s->align[i]) {
      fake_die("%s: offset %lu at index %d is not a multiple of %d", name, (unsigned long)offset[i], i, s->align[i]);
    }
    r.buffer[i] = buffer[i];
    r.call.offset[i] = offset[i];
  }
  if (bytes_at != s->buffers || bytes_size != s->args_size) {
    fake_die("%s: %d bytes of args at index %d, the kernel takes %d at index %d", name, bytes_size, bytes_at, s->args_size, s->buffers);
  }
  memcpy(r.call.args, bytes, bytes_size);
  r.call.args_size = bytes_size;
  MTLSize sizes[] = {g, t};
  for (int k = 0; k < 2; k++) {
    uint32_t* to = k ? r.call.group : r.call.grid;
    to[0] = (uint32_t)sizes[k].width;
    to[1] = (uint32_t)sizes[k].height;
    to[2] = (uint32_t)sizes[k].depth;
  }
  r.pipeline = pipeline;
  r.group = group;
  [owner->work appendBytes:&r length:sizeof r];
  dispatched = 1;
  fake_counts.dispatches++;
}
- (void)memoryBarrierWithScope:(MTLBarrierScope)s {
  [self check:"memoryBarrierWithScope"];
  if (s != MTLBarrierScopeBuffers) {
    fake_die("a barrier of scope %lu orders no buffers", (unsigned long)s);
  }
  group++;
  fake_counts.barriers++;
}
- (void)waitForFence:(id<MTLFence>)f {
  [self check:"waitForFence"];
  FakeFence* fence = (FakeFence*)f;
  if (!fake_alive(fence) || fence->updater == 0) {
    fake_die("an encoder waits for a fence that nothing updates");
  }
  if (dispatched) {
    fake_die("waitForFence after a dispatch");
  }
  if (fence->complete > owner->after) {
    owner->after = fence->complete;
  }
  fake_counts.fences_waited++;
}
- (void)updateFence:(id<MTLFence>)f {
  [self check:"updateFence"];
  FakeFence* fence = (FakeFence*)f;
  if (!fake_alive(fence)) {
    fake_die("updateFence with an object that was released");
  }
  // Without a gap, everything up to this encoder is ordered; else what it waited for.
  fence->updater = owner->serial;
  fence->complete = owner->after >= owner->serial - 1 || fence->complete == 0 ? owner->serial : owner->after;
  updated = YES;
}
- (void)endEncoding {
  [self check:"endEncoding"];
  ended = YES;
  owner->open = NO;
}
- (void)dealloc {
  if (!ended) {
    fake_die("an encoder was released without endEncoding");
  }
  [super dealloc];
}
@end

// FakeIdleEncoder takes everything and does nothing.
@interface FakeIdleEncoder : FakeEncoder
@end
@implementation FakeIdleEncoder
- (void)setComputePipelineState:(id<MTLComputePipelineState>)p {}
- (void)setBuffer:(id<MTLBuffer>)b offset:(NSUInteger)o atIndex:(NSUInteger)i {}
- (void)setBufferOffset:(NSUInteger)o atIndex:(NSUInteger)i {}
- (void)setBytes:(const void*)p length:(NSUInteger)n atIndex:(NSUInteger)i {}
- (void)dispatchThreads:(MTLSize)g threadsPerThreadgroup:(MTLSize)t {}
- (void)memoryBarrierWithScope:(MTLBarrierScope)s {}
@end

@implementation FakeCommandBuffer
- (id)initWith:(FakeQueue*)q {
  self = [super init];
  queue = q;
  work = [NSMutableData new];
  return self;
}
- (id)computeCommandEncoderWithDispatchType:(MTLDispatchType)t {
  if (committed || open) {
    fake_die(committed ? "an encoder of a command buffer that was committed" : "a second encoder while one is open");
  }
  if (t != MTLDispatchTypeConcurrent) {
    fake_die("dispatch type %lu: the driver places barriers itself", (unsigned long)t);
  }
  FakeEncoder* e = fake_config.idle ? [FakeIdleEncoder new] : [FakeEncoder new];
  e->owner = self;
  e->bytes_at = -1;
  open = YES;
  serial = ++serials;
  return [e autorelease];
}
// shares reports whether both touch a buffer that one of them writes.
- (BOOL)shares:(FakeCommandBuffer*)other {
  const record *a = [work bytes], *b = [other->work bytes];
  NSUInteger na = [work length] / sizeof *a, nb = [other->work length] / sizeof *b;
  for (NSUInteger i = 0; i < na; i++) {
    for (NSUInteger j = 0; j < nb; j++) {
      for (int k = 0; k < a[i].call.buffers; k++) {
        for (int l = 0; l < b[j].call.buffers; l++) {
          if (a[i].buffer[k] == b[j].buffer[l] && ((a[i].call.written >> k | b[j].call.written >> l) & 1)) {
            return YES;
          }
        }
      }
    }
  }
  return NO;
}
- (void)commit {
  if (committed) {
    fake_die("a command buffer is committed twice");
  }
  if (open) {
    fake_die("commit with an encoder that is open");
  }
  for (FakeCommandBuffer* before in queue->waiting) {
    if (before->serial > after && [self shares:before]) {
      fake_die("two command buffers share memory that one of them writes, and no fence orders them");
    }
  }
  committed = YES;
  status = MTLCommandBufferStatusCommitted;
  fake_counts.commits++;
  fake_counts.captured += fake_capturing();
  if (fake_config.fail_commit > 0 && --fake_config.fail_commit == 0) {
    fails = YES;
  }
  [queue->waiting addObject:self];
}
- (void)waitUntilCompleted {
  if (!committed) {
    fake_die("waitUntilCompleted before commit");
  }
  while (status == MTLCommandBufferStatusCommitted) {
    FakeCommandBuffer* next = [queue->waiting objectAtIndex:0];
    [next run];
    queue->open--;
    [queue->waiting removeObjectAtIndex:0];
  }
}
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}
static void execute(fake_call* calls, int n) {
  char message[512] = "";
  if (n > 0 && !fakeRun(calls, n, message, sizeof message)) {
    fake_die("%s", message);
  }
}
// resolve finds the memory of a record, which has to be there still.
static void resolve(record* r) {
  if (!fake_alive(r->pipeline)) {
    fake_die("%s: its pipeline was released before the command buffer completed", r->call.kernel);
  }
  for (int i = 0; i < r->call.buffers; i++) {
    FakeBuffer* b = r->buffer[i];
    if (!fake_alive(b)) {
      fake_die("%s: the buffer at index %d was released before the command buffer completed", r->call.kernel, i);
    }
    unsigned char resident;
    uintptr_t page = getpagesize(), first = (uintptr_t)b->start, last = first + b->length - 1;
    if (mincore((void*)(first / page * page), 1, &resident) || mincore((void*)(last / page * page), 1, &resident)) {
      fake_die("%s: the memory of the buffer at index %d was unmapped before the command buffer completed", r->call.kernel, i);
    }
    r->call.base[i] = b->start;
  }
}
// same runs a group of dispatches in both orders and compares what they wrote.
static void same(record* r, int n) {
  FakeBuffer* written[64];
  void *before[64], *forward[64];
  int count = 0;
  for (int k = 0; k < n; k++) {
    for (int i = 0; i < r[k].call.buffers; i++) {
      int known = !(r[k].call.written >> i & 1);
      for (int j = 0; j < count; j++) {
        known = known || written[j] == r[k].buffer[i];
      }
      if (!known && count < 64) {
        written[count++] = r[k].buffer[i];
      }
    }
  }
  fake_call* calls = calloc(n, sizeof *calls);
  for (int j = 0; j < count; j++) {
    memcpy(before[j] = malloc(written[j]->length), written[j]->start, written[j]->length);
  }
  for (int k = 0; k < n; k++) {
    calls[k] = r[k].call;
  }
  execute(calls, n);
  for (int j = 0; j < count; j++) {
    memcpy(forward[j] = malloc(written[j]->length), written[j]->start, written[j]->length);
    memcpy(written[j]->start, before[j], written[j]->length);
  }
  for (int k = 0; k < n; k++) {
    calls[k] = r[n - 1 - k].call;
  }
  execute(calls, n);
  for (int j = 0; j < count; j++) {
    if (memcmp(forward[j], written[j]->start, written[j]->length)) {
      fake_die("the result depends on the order of %d dispatches from %s to %s: a barrier is missing", n, r[0].call.kernel, r[n - 1].call.kernel);
    }
    free(before[j]);
    free(forward[j]);
  }
  free(calls);
}
- (void)run {
  record* r = [work mutableBytes];
  int n = (int)([work length] / sizeof *r), count = 0;
  start = now();
  if (fails) {
    n /= 2; // a failure leaves half of the work behind
  }
  fake_call* calls = calloc(n + 1, sizeof *calls);
  for (int from = 0, to; from < n && !queue->broken; from = to) {
    for (to = from; to < n && r[to].group == r[from].group; to++) {
      resolve(&r[to]);
    }
    if (fake_config.both_orders && to - from > 1) {
      execute(calls, count);
      count = 0;
      same(r + from, to - from);
      continue;
    }
    for (int k = to - 1; k >= from; k--) {
      calls[count++] = r[k].call;
    }
  }
  execute(calls, count);
  free(calls);
  end = now();
  status = MTLCommandBufferStatusCompleted;
  if (fails || queue->broken) {
    status = MTLCommandBufferStatusError;
    error = [fails ? fake_error(@"MTLCommandBufferErrorDomain", fake_config.fail_code, fake_config.fail_message)
                   : fake_error(@"MTLCommandBufferErrorDomain", 4, "Ignored (for causing prior/excessive GPU errors)") retain];
    queue->broken = YES;
  }
}
- (MTLCommandBufferStatus)status { return status; }
- (NSError*)error { return error; }
- (double)GPUStartTime { return start; }
- (double)GPUEndTime { return end; }
- (void)dealloc {
  if (!committed) {
    queue->open--;
  }
  [work release];
  [error release];
  [super dealloc];
}
@end

@implementation FakeQueue
- (id)initWithLimit:(NSUInteger)n {
  self = [super init];
  limit = n;
  waiting = [NSMutableArray new];
  return self;
}
- (id)commandBufferWithUnretainedReferences {
  if (open == limit) {
    fake_die("a command buffer more than the %lu of the queue: this would wait for ever", (unsigned long)limit);
  }
  open++;
  return [[[FakeCommandBuffer alloc] initWith:self] autorelease];
}
- (void)addResidencySet:(id<MTLResidencySet>)s {
  if (!fake_alive(s)) {
    fake_die("addResidencySet with an object that was released");
  }
}
- (void)dealloc {
  if (open > 0) {
    fake_die("a queue was released with %lu command buffers that nobody waited for", (unsigned long)open);
  }
  [waiting release];
  [super dealloc];
}
@end
