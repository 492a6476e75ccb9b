#pragma once
#include <sdk_types.h>
#include <stdarg.h>

SDK_BEGIN
typedef struct sdk_file FILE;
extern FILE *__stderrp, *__stdoutp;
#define stderr __stderrp
#define stdout __stdoutp
int printf(const char*, ...) __attribute__((format(printf, 1, 2)));
int fprintf(FILE*, const char*, ...) __attribute__((format(printf, 2, 3)));
int snprintf(char*, size_t, const char*, ...) __attribute__((format(printf, 3, 4)));
int vfprintf(FILE*, const char*, va_list);
int vprintf(const char*, va_list);
int vsnprintf(char*, size_t, const char*, va_list);
int fputc(int, FILE*);
int fflush(FILE*);
SDK_END
