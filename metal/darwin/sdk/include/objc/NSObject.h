#pragma once
#include <objc/runtime.h>

@class NSString;
@protocol NSObject
- (BOOL)isKindOfClass:(Class)c;
- (BOOL)isMemberOfClass:(Class)c;
- (BOOL)respondsToSelector:(SEL)s;
- (BOOL)conformsToProtocol:(Protocol*)p;
- (BOOL)isProxy;
- (id)retain;
- (oneway void)release;
- (id)autorelease;
- (NSUInteger)retainCount;
- (NSString*)description;
- (id)performSelector:(SEL)s;
- (id)performSelector:(SEL)s withObject:(id)o;
- (id)performSelector:(SEL)s withObject:(id)o withObject:(id)p;
@end

__attribute__((objc_root_class)) @interface NSObject <NSObject> { Class isa; }
+ (id)new;
+ (id)alloc;
- (id)init;
- (void)dealloc;
- (id)copy;
- (id)mutableCopy;
- (IMP)methodForSelector:(SEL)s;
@end
