// Classes of the fake, shared by its Objective-C files.
#pragma once

#import <Foundation/Foundation.h>
#import <Metal/Metal.h>
#include <pthread.h>

#include "fake.h"

NSError* fake_error(NSString* domain, NSInteger code, const char* message);
int fake_alive(const void* object);
int fake_capturing(void);

// Fake counts the objects of its subclasses that are alive.
@interface Fake : NSObject
@end

@interface FakeBuffer : Fake <MTLBuffer> {
 @public
  void* start;
  NSUInteger length;
  BOOL owned;
}
- (id)initWithLength:(NSUInteger)n over:(void*)memory;
@end

@interface FakeFence : Fake <MTLFence> {
 @public
  int64_t updater;  // the encoder that updated it last; 0: none
  int64_t complete; // encoders up to this one are ordered before what waits for it
}
@end

@interface MTLCompileOptions : Fake {
  BOOL fast;
  NSUInteger version;
  NSInteger mode, functions;
}
- (void)check;
@end

@interface FakeFunction : Fake <MTLFunction> {
 @public
  NSString* name;
}
@end

@interface FakeLibrary : Fake <MTLLibrary> {
 @public
  NSString* source;
}
@end

@interface FakePipeline : Fake <MTLComputePipelineState> {
 @public
  NSString* name;
  NSUInteger limit;
  fake_signature signature;
}
@end

@interface MTLComputePipelineDescriptor : Fake {
 @public
  id function;
  NSString* label;
  NSUInteger limit;
  NSArray* archives;
}
@end

@interface MTLBinaryArchiveDescriptor : Fake {
 @public
  NSURL* url;
}
@end

@interface FakeArchive : Fake {
  NSMutableSet* names;
}
- (BOOL)read:(NSURL*)url;
- (BOOL)has:(MTLComputePipelineDescriptor*)d;
@end

@interface FakeResidencySet : Fake <MTLResidencySet> {
  NSMutableSet* members;
}
@end

@interface MTLCaptureDescriptor : Fake {
 @public
  id object;
  NSInteger destination;
  NSURL* url;
}
@end

@interface MTLCaptureManager : NSObject
@end

@interface FakeDevice : Fake <MTLDevice>
@end

// FakeQueue has command buffers that were committed and not run, in order.
@interface FakeQueue : Fake <MTLCommandQueue> {
 @public
  NSMutableArray* waiting;
  NSUInteger limit, open; // command buffers allowed, and made and not completed
  BOOL broken;            // a command buffer failed
}
- (id)initWithLimit:(NSUInteger)n;
@end
