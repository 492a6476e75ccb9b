#pragma once
#include <sdk_types.h>

SDK_BEGIN
int sched_yield(void);
SDK_END
