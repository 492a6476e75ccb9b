#pragma once
#include <sdk_types.h>

SDK_BEGIN
void* memcpy(void*, const void*, size_t);
void* memmove(void*, const void*, size_t);
void* memset(void*, int, size_t);
int memcmp(const void*, const void*, size_t);
size_t strlen(const char*);
int strcmp(const char*, const char*);
char* strncpy(char*, const char*, size_t);
char* strdup(const char*);
char* strerror(int);
SDK_END
