// The end of a kernel that is compiled into a shared library while the program
// runs (compile.go): it finds the executor's functions in a table that the
// library is given, so that the program exports no symbols.
#pragma once

#include "host.h"

extern "C" {

static const ft_host* ft_plugin_host;
static ft_kernel* ft_plugin_kernels;

void ft_register_kernel(ft_kernel* k) {
  k->next = ft_plugin_kernels;
  ft_plugin_kernels = k;
}
void ft_simd(const void* in, void* out, void (*fn)(ft_exchange*), int line, uint32_t index) {
  ft_plugin_host->simd(in, out, fn, line, index);
}
void ft_barrier(int line, uint32_t index) { ft_plugin_host->barrier(line, index); }
uint32_t ft_thread(uint32_t index) { return ft_plugin_host->present(index); }
void ft_fail(const char* what) {
  ft_plugin_host->fail(what);
  __builtin_unreachable();
}

// ft_plugin is what the program looks up: the library's kernels.
__attribute__((visibility("default"))) ft_kernel* ft_plugin(const ft_host* host) {
  ft_plugin_host = host;
  return ft_plugin_kernels;
}
}
