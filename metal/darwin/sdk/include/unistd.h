#pragma once
#include <sdk_types.h>

SDK_BEGIN
#define _SC_PAGESIZE 29
#define _SC_NPROCESSORS_ONLN 58
long sysconf(int);
int usleep(unsigned);
char* getcwd(char*, size_t);
int chdir(const char*);
long write(int, const void*, size_t);
SDK_END
