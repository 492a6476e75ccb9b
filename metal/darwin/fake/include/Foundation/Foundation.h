#ifndef FAKE_FOUNDATION_H
#define FAKE_FOUNDATION_H
#include_next <Foundation/Foundation.h>
@protocol NSConnectionDelegate @end
@protocol NSKeyedArchiverDelegate @end
@protocol NSKeyedUnarchiverDelegate @end
@protocol NSMachPortDelegate @end
@protocol NSPortDelegate @end
@protocol NSSpellServerDelegate @end
@protocol NSURLConnectionDataDelegate @end
@protocol NSURLConnectionDownloadDelegate @end
@protocol NSURLSessionDataDelegate @end
@protocol NSURLSessionDelegate @end
@protocol NSURLSessionDownloadDelegate @end
@protocol NSURLSessionStreamDelegate @end
@protocol NSURLSessionTaskDelegate @end
@protocol NSURLSessionWebSocketDelegate @end
@protocol NSUserActivityDelegate @end
// GNUstep 1.28 knows no versions of systems.
typedef struct {
  NSInteger majorVersion, minorVersion, patchVersion;
} NSOperatingSystemVersion;
@interface NSProcessInfo (FakeVersion)
- (NSOperatingSystemVersion)operatingSystemVersion;
@end
#endif
