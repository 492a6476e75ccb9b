#pragma once
#include <sdk_types.h>

SDK_BEGIN
int* __error(void);
SDK_END
#define errno (*__error())
#define EINTR 4
#define EAGAIN 35
