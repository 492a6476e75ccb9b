// Fibers: stacks of their own between which a host thread switches.
#pragma once

#include <stddef.h>

// ft_switch saves the callee-saved registers on the present stack, stores the
// stack pointer in *save, and continues where the stack `to` was left.
extern "C" void ft_switch(void** save, void* to);

namespace ft {

#if defined(__SANITIZE_ADDRESS__) || defined(FT_ASAN)
constexpr size_t stack_bytes = 256 << 10;  // ASan's frames are larger
#else
constexpr size_t stack_bytes = 64 << 10;
#endif

// fiber_start prepares a stack whose first switch calls entry(arg), which must
// not return.
void* fiber_start(char* top, void (*entry)(void*), void* arg);

}  // namespace ft
