// What the C headers of this folder share.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define SDK_BEGIN extern "C" {
#define SDK_END }
#else
#define SDK_BEGIN
#define SDK_END
#endif

typedef long ssize_t;
typedef long time_t;
typedef long long off_t;
typedef int pid_t;
typedef unsigned uid_t;
typedef unsigned short mode_t;
