// The part of Metal's interface that the driver uses, written by hand: for the
// fake on Linux, and for the cross build. It contains no text of Apple's, and is
// as right as its author.
#ifndef FAKE_METAL_METAL_H
#define FAKE_METAL_METAL_H
#import <Foundation/Foundation.h>
#include <stdint.h>

typedef struct { NSUInteger width, height, depth; } MTLSize;
static inline MTLSize MTLSizeMake(NSUInteger w, NSUInteger h, NSUInteger d) { MTLSize s = {w, h, d}; return s; }

typedef NSUInteger MTLBarrierScope;
enum { MTLBarrierScopeBuffers = 1 };
typedef NSUInteger MTLResourceOptions;
enum { MTLResourceStorageModeShared = 0, MTLResourceHazardTrackingModeUntracked = 0x100 };
typedef NSUInteger MTLDispatchType;
enum { MTLDispatchTypeSerial = 0, MTLDispatchTypeConcurrent = 1 };
typedef NSInteger MTLGPUFamily;
typedef NSUInteger MTLCommandBufferStatus;
enum { MTLCommandBufferStatusCommitted = 2, MTLCommandBufferStatusCompleted = 4, MTLCommandBufferStatusError = 5 };
typedef NSUInteger MTLPipelineOption;

@protocol MTLDevice;
@protocol MTLAllocation <NSObject> @end
@protocol MTLResource <MTLAllocation> @end
@protocol MTLBuffer <MTLResource>
- (void*)contents;
- (NSUInteger)length;
@end
@protocol MTLFence <NSObject> @end
@protocol MTLFunction <NSObject> @end
@protocol MTLLibrary <NSObject>
- (id<MTLFunction>)newFunctionWithName:(NSString*)name;
@end
@protocol MTLComputePipelineState <NSObject>
- (NSUInteger)maxTotalThreadsPerThreadgroup;
@end
@protocol MTLCommandEncoder <NSObject>
- (void)endEncoding;
@end
@protocol MTLComputeCommandEncoder <MTLCommandEncoder>
- (void)setComputePipelineState:(id<MTLComputePipelineState>)p;
- (void)setBuffer:(id<MTLBuffer>)b offset:(NSUInteger)o atIndex:(NSUInteger)i;
- (void)setBufferOffset:(NSUInteger)o atIndex:(NSUInteger)i;
- (void)setBytes:(const void*)p length:(NSUInteger)n atIndex:(NSUInteger)i;
- (void)dispatchThreads:(MTLSize)g threadsPerThreadgroup:(MTLSize)t;
- (void)memoryBarrierWithScope:(MTLBarrierScope)s;
- (void)updateFence:(id<MTLFence>)f;
- (void)waitForFence:(id<MTLFence>)f;
@end
@protocol MTLCommandBuffer <NSObject>
- (id<MTLComputeCommandEncoder>)computeCommandEncoderWithDispatchType:(MTLDispatchType)t;
- (void)commit;
- (void)waitUntilCompleted;
- (MTLCommandBufferStatus)status;
- (NSError*)error;
- (double)GPUStartTime;
- (double)GPUEndTime;
@end
@class MTLResidencySetDescriptor, MTLArchitecture;
@protocol MTLResidencySet <NSObject>
- (void)addAllocation:(id<MTLAllocation>)a;
- (void)removeAllocation:(id<MTLAllocation>)a;
- (void)commit;
- (void)requestResidency;
@end
@protocol MTLCommandQueue <NSObject>
- (id<MTLCommandBuffer>)commandBufferWithUnretainedReferences;
- (void)addResidencySet:(id<MTLResidencySet>)s;
@end
@interface MTLArchitecture : NSObject
- (NSString*)name;
@end
@interface MTLResidencySetDescriptor : NSObject
@end
@protocol MTLDevice <NSObject>
- (NSString*)name;
- (MTLArchitecture*)architecture;
- (uint64_t)recommendedMaxWorkingSetSize;
- (NSUInteger)maxBufferLength;
- (NSUInteger)currentAllocatedSize;
- (BOOL)supportsFamily:(MTLGPUFamily)f;
- (id<MTLCommandQueue>)newCommandQueueWithMaxCommandBufferCount:(NSUInteger)n;
- (id<MTLFence>)newFence;
- (id<MTLBuffer>)newBufferWithLength:(NSUInteger)n options:(MTLResourceOptions)o;
- (id<MTLBuffer>)newBufferWithBytesNoCopy:(void*)p length:(NSUInteger)n options:(MTLResourceOptions)o deallocator:(void (^)(void* p, NSUInteger n))d;
- (id<MTLResidencySet>)newResidencySetWithDescriptor:(MTLResidencySetDescriptor*)d error:(NSError**)e;
@end
id<MTLDevice> MTLCreateSystemDefaultDevice(void);

// Protocols that darwinkit names and nothing here uses.
#define EMPTY_PROTOCOL(name) @protocol name @end
EMPTY_PROTOCOL(MTLAccelerationStructure)
EMPTY_PROTOCOL(MTLAccelerationStructureCommandEncoder)
EMPTY_PROTOCOL(MTLArgumentEncoder)
EMPTY_PROTOCOL(MTLBinaryArchive)
EMPTY_PROTOCOL(MTLBlitCommandEncoder)
EMPTY_PROTOCOL(MTLCaptureScope)
EMPTY_PROTOCOL(MTLCommandBufferEncoderInfo)
EMPTY_PROTOCOL(MTLCounter)
EMPTY_PROTOCOL(MTLCounterSampleBuffer)
EMPTY_PROTOCOL(MTLCounterSet)
EMPTY_PROTOCOL(MTLDepthStencilState)
EMPTY_PROTOCOL(MTLDrawable)
EMPTY_PROTOCOL(MTLDynamicLibrary)
EMPTY_PROTOCOL(MTLEvent)
EMPTY_PROTOCOL(MTLFunctionHandle)
EMPTY_PROTOCOL(MTLFunctionLog)
EMPTY_PROTOCOL(MTLFunctionLogDebugLocation)
EMPTY_PROTOCOL(MTLFunctionStitchingAttribute)
EMPTY_PROTOCOL(MTLFunctionStitchingNode)
EMPTY_PROTOCOL(MTLHeap)
EMPTY_PROTOCOL(MTLIndirectCommandBuffer)
EMPTY_PROTOCOL(MTLIndirectComputeCommand)
EMPTY_PROTOCOL(MTLIndirectRenderCommand)
EMPTY_PROTOCOL(MTLIntersectionFunctionTable)
EMPTY_PROTOCOL(MTLLogContainer)
EMPTY_PROTOCOL(MTLParallelRenderCommandEncoder)
EMPTY_PROTOCOL(MTLRasterizationRateMap)
EMPTY_PROTOCOL(MTLRenderCommandEncoder)
EMPTY_PROTOCOL(MTLRenderPipelineState)
EMPTY_PROTOCOL(MTLResourceStateCommandEncoder)
EMPTY_PROTOCOL(MTLSamplerState)
EMPTY_PROTOCOL(MTLSharedEvent)
EMPTY_PROTOCOL(MTLTexture)
EMPTY_PROTOCOL(MTLVisibleFunctionTable)
#endif
