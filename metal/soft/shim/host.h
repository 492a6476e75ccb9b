// The executor's functions as a kernel in a shared library calls them.
#pragma once

#include "exec.h"

struct ft_host {
  void (*simd)(const void* in, void* out, void (*fn)(ft_exchange*), int line, uint32_t index);
  void (*barrier)(int line, uint32_t index);
  uint32_t (*present)(uint32_t index);
  void (*fail)(const char* what);
};
