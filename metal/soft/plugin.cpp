// Kernels in shared libraries: see shim/plugin.h for their side.
#include "plugin.h"

#include <dlfcn.h>
#include <string.h>

#include "shim/host.h"

static const ft_host host = {ft_simd, ft_barrier, ft_thread, ft_fail};

int ft_plugin_open(const char* path, ft_info* out, char* error, size_t room) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  void* entry = library ? dlsym(library, "ft_plugin") : nullptr;
  if (!entry) {
    const char* why = dlerror();
    strncpy(error, why ? why : "unknown error", room - 1);
    error[room - 1] = 0;
    return 0;
  }
  const ft_kernel* k = reinterpret_cast<ft_kernel* (*)(const ft_host*)>(entry)(&host);
  if (!k) {
    strncpy(error, "the library has no kernel", room);
    return 0;
  }
  *out = ft_info{k->name, k->file, k, nullptr, k->buffers, k->args_size, k->align, k->written};
  return 1;
}
