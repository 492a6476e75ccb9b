//go:build metalfake

// Devices, memory, libraries and pipelines of the fake.

#include "fake_internal.h"

#import <Foundation/NSDebug.h>
#import <objc/runtime.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "_cgo_export.h"

fake_settings fake_config;
fake_counters fake_counts;

void fake_die(const char* format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "fake Metal: ");
  vfprintf(stderr, format, args);
  fprintf(stderr, "\n");
  abort();
}

void fake_reset(void) {
  int64_t live = fake_counts.live, buffers = fake_counts.buffers;
  memset(&fake_counts, 0, sizeof fake_counts);
  fake_counts.live = live;
  fake_counts.buffers = fake_counts.peak_buffers = buffers;
  memset(&fake_config, 0, sizeof fake_config);
  fake_config.os_major = 26;
  fake_config.family = 9;
  fake_config.metal = 4;
  fake_config.captures = 1;
  fake_config.working_set = 12ull << 30;
  fake_config.max_buffer = 9ull << 30;
  strcpy(fake_config.name, "Apple M4");
  strcpy(fake_config.architecture, "applegpu_g16g");
}

// A message to an object that was released ends the process.
__attribute__((constructor)) static void start(void) {
  fake_reset();
  setenv("NSZombieEnabled", "YES", 1);
  setenv("CRASH_ON_ZOMBIE", "YES", 1);
}

NSError* fake_error(NSString* domain, NSInteger code, const char* message) {
  NSString* text = [NSString stringWithUTF8String:message];
  return [NSError errorWithDomain:domain code:code userInfo:[NSDictionary dictionaryWithObject:text forKey:NSLocalizedDescriptionKey]];
}

// Objects that are alive, by address: a message to a released one is a misuse,
// and so is running with it.
static struct { void* at[1 << 14]; int n; } alive;
static pthread_mutex_t alive_lock = PTHREAD_MUTEX_INITIALIZER;

int fake_alive(const void* object) {
  pthread_mutex_lock(&alive_lock);
  int found = 0;
  for (int i = 0; i < alive.n && !found; i++) {
    found = alive.at[i] == object;
  }
  pthread_mutex_unlock(&alive_lock);
  return found;
}

@implementation Fake
- (id)init {
  self = [super init];
  pthread_mutex_lock(&alive_lock);
  if (alive.n == sizeof alive.at / sizeof *alive.at) {
    fake_die("%d objects are alive: the driver leaks them", alive.n);
  }
  alive.at[alive.n++] = self;
  fake_counts.live++;
  pthread_mutex_unlock(&alive_lock);
  return self;
}
- (void)dealloc {
  pthread_mutex_lock(&alive_lock);
  for (int i = 0; i < alive.n; i++) {
    if (alive.at[i] == self) {
      alive.at[i] = alive.at[--alive.n];
      fake_counts.live--;
      break;
    }
  }
  pthread_mutex_unlock(&alive_lock);
  [super dealloc];
}
@end

int64_t fake_objects(void) {
  GSDebugAllocationActive(YES);
  Class* classes = GSDebugAllocationClassList();
  int64_t n = 0;
  for (Class* c = classes; *c; c++) {
    n += GSDebugAllocationCount(*c);
  }
  NSZoneFree(NSDefaultMallocZone(), classes);
  return n;
}

@implementation NSProcessInfo (Fake)
- (NSOperatingSystemVersion)operatingSystemVersion {
  NSOperatingSystemVersion v = {fake_config.os_major, fake_config.os_minor, 0};
  return v;
}
@end

@implementation FakeBuffer
- (id)initWithLength:(NSUInteger)n over:(void*)memory {
  self = [super init];
  length = n;
  owned = memory == NULL;
  start = memory;
  if (owned) {
    start = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) {
      fake_die("no memory for a buffer of %lu bytes", (unsigned long)n);
    }
  }
  fakeBufferMade(start, n);
  fake_counts.buffers++;
  if (fake_counts.buffers > fake_counts.peak_buffers) {
    fake_counts.peak_buffers = fake_counts.buffers;
  }
  return self;
}
- (void*)contents { return start; }
- (NSUInteger)length { return length; }
- (void)dealloc {
  fakeBufferGone(start);
  fake_counts.buffers--;
  if (owned) {
    memset(start, 0xdb, length);
    munmap(start, length);
  }
  [super dealloc];
}
@end

@implementation FakeFence
@end

@implementation MTLArchitecture
- (NSString*)name { return [NSString stringWithUTF8String:fake_config.architecture]; }
@end

@implementation MTLCompileOptions
- (void)setFastMathEnabled:(BOOL)b { fast = b; }
- (void)setLanguageVersion:(NSUInteger)v { version = v; }
- (void)setMathMode:(NSInteger)m { mode = m; }
- (void)setMathFloatingPointFunctions:(NSInteger)f { functions = f; }
- (id)init {
  self = [super init];
  fast = YES; // as Metal has it
  mode = 2;
  return self;
}
- (BOOL)respondsToSelector:(SEL)s {
  if (sel_isEqual(s, @selector(setMathMode:)) || sel_isEqual(s, @selector(setMathFloatingPointFunctions:))) {
    return fake_config.os_major >= 15;
  }
  return [super respondsToSelector:s];
}
- (void)check {
  NSUInteger newest = fake_config.os_major >= 26 ? 4 << 16 : fake_config.os_major >= 15 ? 3 << 16 | 2 : 3 << 16 | 1;
  if (version < (3 << 16 | 1) || version > newest) {
    fake_die("language version %lx: this system has %lx, the kernels need 30001", (unsigned long)version, (unsigned long)newest);
  }
  BOOL safe = fake_config.os_major >= 15 ? mode == 0 && functions == 1 : !fast;
  if (!safe) {
    fake_die("a library is compiled with fast arithmetic");
  }
}
@end

@implementation FakeFunction
- (void)dealloc {
  [name release];
  [super dealloc];
}
@end

@implementation FakeLibrary
- (id)newFunctionWithName:(NSString*)n {
  if (!fakeKernelIn((char*)[n UTF8String], (char*)[source UTF8String])) {
    return nil;
  }
  FakeFunction* f = [FakeFunction new];
  f->name = [n copy];
  return f;
}
- (void)dealloc {
  [source release];
  [super dealloc];
}
@end

@implementation FakePipeline
- (NSUInteger)threadExecutionWidth { return 32; }
- (NSUInteger)maxTotalThreadsPerThreadgroup { return limit; }
- (void)dealloc {
  [name release];
  [super dealloc];
}
@end

@implementation MTLComputePipelineDescriptor
- (void)setComputeFunction:(id)f { function = [f retain]; }
- (void)setLabel:(NSString*)s { label = [s copy]; }
- (void)setMaxTotalThreadsPerThreadgroup:(NSUInteger)n { limit = n; }
- (void)setBinaryArchives:(NSArray*)a { archives = [a copy]; }
- (void)dealloc {
  [function release];
  [label release];
  [archives release];
  [super dealloc];
}
@end

@implementation MTLBinaryArchiveDescriptor
- (void)setUrl:(NSURL*)u { url = [u copy]; }
- (void)dealloc {
  [url release];
  [super dealloc];
}
@end

// An archive is a text file: a head, then the names of the pipelines in it.
static NSString* const archive_head = @"fake archive";

@implementation FakeArchive
- (id)init {
  self = [super init];
  names = [NSMutableSet new];
  return self;
}
- (BOOL)read:(NSURL*)url {
  NSString* text = [NSString stringWithContentsOfFile:[url path] encoding:NSUTF8StringEncoding error:NULL];
  NSArray* lines = [text componentsSeparatedByString:@"\n"];
  if ([lines count] == 0 || ![[lines objectAtIndex:0] isEqual:archive_head]) {
    return NO;
  }
  for (NSUInteger i = 1; i < [lines count]; i++) {
    [names addObject:[lines objectAtIndex:i]];
  }
  return YES;
}
- (NSString*)key:(MTLComputePipelineDescriptor*)d {
  return [NSString stringWithFormat:@"%@ %lu", ((FakeFunction*)d->function)->name, (unsigned long)d->limit];
}
- (BOOL)has:(MTLComputePipelineDescriptor*)d { return [names containsObject:[self key:d]]; }
- (BOOL)addComputePipelineFunctionsWithDescriptor:(MTLComputePipelineDescriptor*)d error:(NSError**)e {
  [names addObject:[self key:d]];
  return YES;
}
- (BOOL)serializeToURL:(NSURL*)url error:(NSError**)e {
  NSArray* sorted = [[names allObjects] sortedArrayUsingSelector:@selector(compare:)];
  NSString* text = [[[NSArray arrayWithObject:archive_head] arrayByAddingObjectsFromArray:sorted] componentsJoinedByString:@"\n"];
  if (![text writeToFile:[url path] atomically:NO encoding:NSUTF8StringEncoding error:NULL]) {
    *e = fake_error(@"MTLBinaryArchiveDomain", 1, "the file cannot be written");
    return NO;
  }
  return YES;
}
- (void)dealloc {
  [names release];
  [super dealloc];
}
@end

@implementation MTLResidencySetDescriptor
@end

@implementation FakeResidencySet
- (id)init {
  self = [super init];
  members = [NSMutableSet new];
  return self;
}
- (void)addAllocation:(id)a {
  if (!fake_alive(a)) {
    fake_die("a residency set is given an object that was released");
  }
  [members addObject:[NSValue valueWithPointer:a]];
}
- (void)removeAllocation:(id)a { [members removeObject:[NSValue valueWithPointer:a]]; }
- (void)commit { fake_counts.resident = (int64_t)[members count]; }
- (void)requestResidency {}
- (void)dealloc {
  [members release];
  [super dealloc];
}
@end

static int capturing;

@implementation MTLCaptureDescriptor
- (void)setCaptureObject:(id)o { object = o; }
- (void)setDestination:(NSInteger)d { destination = d; }
- (void)setOutputURL:(NSURL*)u { url = [u copy]; }
- (void)dealloc {
  [url release];
  [super dealloc];
}
@end

@implementation MTLCaptureManager
+ (id)sharedCaptureManager {
  static MTLCaptureManager* shared;
  if (!shared) {
    shared = [MTLCaptureManager new];
  }
  return shared;
}
- (BOOL)supportsDestination:(NSInteger)d { return fake_config.captures; }
- (BOOL)startCaptureWithDescriptor:(MTLCaptureDescriptor*)d error:(NSError**)e {
  if (capturing) {
    fake_die("a trace is started while one is being recorded");
  }
  if (!fake_alive(d->object) || d->destination != 2 || ![[d->url path] hasSuffix:@".gputrace"]) {
    *e = fake_error(@"MTLCaptureError", 3, "invalid capture descriptor");
    return NO;
  }
  [@"a trace" writeToFile:[d->url path] atomically:NO encoding:NSUTF8StringEncoding error:NULL];
  capturing = 1;
  return YES;
}
- (void)stopCapture {
  if (!capturing) {
    fake_die("no trace is being recorded");
  }
  capturing = 0;
}
@end

int fake_capturing(void) { return capturing; }

@implementation FakeDevice
- (NSString*)name { return [NSString stringWithUTF8String:fake_config.name]; }
- (MTLArchitecture*)architecture { return [[MTLArchitecture new] autorelease]; }
- (uint64_t)recommendedMaxWorkingSetSize { return fake_config.working_set; }
- (NSUInteger)maxBufferLength { return fake_config.max_buffer; }
- (NSUInteger)currentAllocatedSize { return fakeAllocated(); }
- (BOOL)supportsFamily:(MTLGPUFamily)f {
  if (f > 1000 && f < 2000) {
    return f - 1000 <= fake_config.family;
  }
  return f >= 5001 && f - 5001 + 3 <= fake_config.metal;
}
- (BOOL)respondsToSelector:(SEL)s {
  if (sel_isEqual(s, @selector(newResidencySetWithDescriptor:error:))) {
    return fake_config.os_major >= 15;
  }
  return [super respondsToSelector:s];
}
- (id)newCommandQueueWithMaxCommandBufferCount:(NSUInteger)n { return [[FakeQueue alloc] initWithLimit:n]; }
- (id)newFence { return [FakeFence new]; }
- (id)newResidencySetWithDescriptor:(MTLResidencySetDescriptor*)d error:(NSError**)e { return [FakeResidencySet new]; }
- (BOOL)refuses:(NSUInteger)n {
  if (fake_config.fail_buffer > 1) {
    fake_config.fail_buffer--;
  } else if (fake_config.fail_buffer == 1) {
    return YES;
  }
  return n == 0 || n > fake_config.max_buffer;
}
- (void)options:(MTLResourceOptions)o {
  if (o != (MTLResourceStorageModeShared | MTLResourceHazardTrackingModeUntracked)) {
    fake_die("buffer options %lx: they are to be shared and untracked", (unsigned long)o);
  }
}
- (id)newBufferWithLength:(NSUInteger)n options:(MTLResourceOptions)o {
  [self options:o];
  return [self refuses:n] ? nil : [[FakeBuffer alloc] initWithLength:n over:NULL];
}
- (id)newBufferWithBytesNoCopy:(void*)p length:(NSUInteger)n options:(MTLResourceOptions)o deallocator:(void (^)(void*, NSUInteger))d {
  [self options:o];
  NSUInteger page = getpagesize();
  if ((uintptr_t)p % page || n % page) {
    fake_die("newBufferWithBytesNoCopy: %p and %lu bytes are not whole pages", p, (unsigned long)n);
  }
  return fake_config.no_copy || [self refuses:n] ? nil : [[FakeBuffer alloc] initWithLength:n over:p];
}
- (id)newLibraryWithSource:(NSString*)s options:(MTLCompileOptions*)o error:(NSError**)e {
  if (!o) {
    fake_die("a library is compiled with fast arithmetic");
  }
  [o check];
  if (fake_config.fail_compile) {
    *e = fake_error(@"MTLLibraryErrorDomain", 3, "program_source:12:3: error: use of undeclared identifier 'oops'");
    return nil;
  }
  char message[8192];
  if (!fakeCompile((char*)[s UTF8String], message, sizeof message)) {
    *e = fake_error(@"MTLLibraryErrorDomain", 3, message);
    return nil;
  }
  FakeLibrary* l = [FakeLibrary new];
  l->source = [s copy];
  return l;
}
- (id)newComputePipelineStateWithDescriptor:(MTLComputePipelineDescriptor*)d options:(MTLPipelineOption)o reflection:(void*)r error:(NSError**)e {
  FakeFunction* f = (FakeFunction*)d->function;
  if (!fake_alive(f)) {
    fake_die("a pipeline of a function that was released");
  }
  BOOL found = NO;
  for (FakeArchive* a in d->archives) {
    found = found || [a has:d];
  }
  if (!found && (o & 4)) {
    *e = fake_error(@"AGXMetal", 0, "not in the archives");
    return nil;
  }
  if (fake_config.fail_pipeline) {
    *e = fake_error(@"AGXMetal", 2, "Compiler encountered an internal error");
    return nil;
  }
  if (found) {
    fake_counts.pipelines_archived++;
  } else {
    fake_counts.pipelines_compiled++;
  }
  FakePipeline* p = [FakePipeline new];
  p->name = [f->name retain];
  p->limit = d->limit ? d->limit : fake_config.group_limit ? fake_config.group_limit : 1024;
  fakeSignature((char*)[f->name UTF8String], &p->signature);
  return p;
}
- (id)newBinaryArchiveWithDescriptor:(MTLBinaryArchiveDescriptor*)d error:(NSError**)e {
  FakeArchive* a = [FakeArchive new];
  if (d->url && ![a read:d->url]) {
    [a release];
    *e = fake_error(@"MTLBinaryArchiveDomain", 1, "Invalid archive file");
    return nil;
  }
  return a;
}
@end

id<MTLDevice> MTLCreateSystemDefaultDevice(void) { return fake_config.absent ? nil : (id)[FakeDevice new]; }
