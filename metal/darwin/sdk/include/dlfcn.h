#pragma once
#include <sdk_types.h>

SDK_BEGIN
#define RTLD_LAZY 1
#define RTLD_NOW 2
#define RTLD_LOCAL 4
void* dlopen(const char*, int);
void* dlsym(void*, const char*);
char* dlerror(void);
SDK_END
