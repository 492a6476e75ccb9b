// Loading of kernels that were compiled while the program runs.
#pragma once

#include "soft.h"

#ifdef __cplusplus
extern "C" {
#endif

// ft_plugin_open loads a shared library and describes its first kernel. It
// returns 0 and leaves the system's message in error if that fails. A library is
// never unloaded.
int ft_plugin_open(const char* path, ft_info* out, char* error, size_t room);

#ifdef __cplusplus
}
#endif
