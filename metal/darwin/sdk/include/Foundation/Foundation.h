// The part of Foundation that the driver and darwinkit's own Objective-C use.
#pragma once
#include <objc/NSObject.h>
#include <stdlib.h>

typedef unsigned char Byte;

@protocol NSCopying
@end
@interface NSString : NSObject <NSCopying>
+ (id)stringWithUTF8String:(const char*)s;
- (const char*)UTF8String;
@end
@interface NSError : NSObject
- (NSInteger)code;
- (NSString*)domain;
- (NSString*)localizedDescription;
@end
@interface NSData : NSObject
+ (id)data;
+ (id)dataWithBytes:(const void*)p length:(NSUInteger)n;
- (const void*)bytes;
@property(readonly) NSUInteger length;
@end
@interface NSArray : NSObject
- (NSUInteger)count;
- (id)objectAtIndex:(NSUInteger)i;
@end
@interface NSMutableArray : NSArray
+ (id)arrayWithCapacity:(NSUInteger)n;
- (void)addObject:(id)o;
@end
@interface NSDictionary : NSObject
- (NSArray*)allKeys;
- (id)objectForKeyedSubscript:(id)k;
@end
@interface NSMutableDictionary : NSDictionary
+ (id)dictionaryWithCapacity:(NSUInteger)n;
- (void)setObject:(id)o forKey:(id)k;
@end

typedef struct {
  NSInteger majorVersion, minorVersion, patchVersion;
} NSOperatingSystemVersion;
@interface NSProcessInfo : NSObject
+ (NSProcessInfo*)processInfo;
- (NSOperatingSystemVersion)operatingSystemVersion;
@end
Class NSClassFromString(NSString* name);

// Protocols that darwinkit names and nothing here uses.
#define EMPTY_PROTOCOL(name) @protocol name @end
EMPTY_PROTOCOL(NSCacheDelegate)
EMPTY_PROTOCOL(NSCoding)
EMPTY_PROTOCOL(NSConnectionDelegate)
EMPTY_PROTOCOL(NSDecimalNumberBehaviors)
EMPTY_PROTOCOL(NSDiscardableContent)
EMPTY_PROTOCOL(NSExtensionRequestHandling)
EMPTY_PROTOCOL(NSFastEnumeration)
EMPTY_PROTOCOL(NSFileManagerDelegate)
EMPTY_PROTOCOL(NSFilePresenter)
EMPTY_PROTOCOL(NSItemProviderWriting)
EMPTY_PROTOCOL(NSKeyedArchiverDelegate)
EMPTY_PROTOCOL(NSKeyedUnarchiverDelegate)
EMPTY_PROTOCOL(NSLocking)
EMPTY_PROTOCOL(NSMachPortDelegate)
EMPTY_PROTOCOL(NSMetadataQueryDelegate)
EMPTY_PROTOCOL(NSMutableCopying)
EMPTY_PROTOCOL(NSNetServiceBrowserDelegate)
EMPTY_PROTOCOL(NSNetServiceDelegate)
EMPTY_PROTOCOL(NSPortDelegate)
EMPTY_PROTOCOL(NSProgressReporting)
EMPTY_PROTOCOL(NSSpellServerDelegate)
EMPTY_PROTOCOL(NSStreamDelegate)
EMPTY_PROTOCOL(NSURLAuthenticationChallengeSender)
EMPTY_PROTOCOL(NSURLConnectionDataDelegate)
EMPTY_PROTOCOL(NSURLConnectionDelegate)
EMPTY_PROTOCOL(NSURLConnectionDownloadDelegate)
EMPTY_PROTOCOL(NSURLDownloadDelegate)
EMPTY_PROTOCOL(NSURLHandleClient)
EMPTY_PROTOCOL(NSURLProtocolClient)
EMPTY_PROTOCOL(NSURLSessionDataDelegate)
EMPTY_PROTOCOL(NSURLSessionDelegate)
EMPTY_PROTOCOL(NSURLSessionDownloadDelegate)
EMPTY_PROTOCOL(NSURLSessionStreamDelegate)
EMPTY_PROTOCOL(NSURLSessionTaskDelegate)
EMPTY_PROTOCOL(NSURLSessionWebSocketDelegate)
EMPTY_PROTOCOL(NSUserActivityDelegate)
EMPTY_PROTOCOL(NSUserNotificationCenterDelegate)
EMPTY_PROTOCOL(NSXMLParserDelegate)
EMPTY_PROTOCOL(NSXPCListenerDelegate)
EMPTY_PROTOCOL(NSXPCProxyCreating)
#undef EMPTY_PROTOCOL
