#pragma once
#include <sdk_types.h>

SDK_BEGIN
void* malloc(size_t);
void* aligned_alloc(size_t, size_t);
void* calloc(size_t, size_t);
void* realloc(void*, size_t);
int posix_memalign(void**, size_t, size_t);
void free(void*);
void abort(void) __attribute__((noreturn));
void exit(int) __attribute__((noreturn));
int setenv(const char*, const char*, int);
int unsetenv(const char*);
SDK_END
