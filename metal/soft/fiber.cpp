// The context switch: what the two calling conventions preserve, and no more.
#include "fiber.h"

#include <stdint.h>

#if defined(__APPLE__)
#define FT_SYMBOL(name) "_" name
#else
#define FT_SYMBOL(name) name
#endif

#if defined(__x86_64__)

asm(".text\n"
    ".globl " FT_SYMBOL("ft_switch") "\n"
    ".p2align 4\n"
    FT_SYMBOL("ft_switch") ":\n"
    "  pushq %rbp\n"
    "  pushq %rbx\n"
    "  pushq %r12\n"
    "  pushq %r13\n"
    "  pushq %r14\n"
    "  pushq %r15\n"
    "  movq %rsp, (%rdi)\n"
    "  movq %rsi, %rsp\n"
    "  popq %r15\n"
    "  popq %r14\n"
    "  popq %r13\n"
    "  popq %r12\n"
    "  popq %rbx\n"
    "  popq %rbp\n"
    "  ret\n"
    // The first switch to a fiber lands here: rbx is the entry, r12 its argument.
    ".globl " FT_SYMBOL("ft_enter") "\n"
    FT_SYMBOL("ft_enter") ":\n"
    "  movq %r12, %rdi\n"
    "  xorl %ebp, %ebp\n"
    "  callq *%rbx\n"
    "  ud2\n");
extern "C" void ft_enter();

void* ft::fiber_start(char* top, void (*entry)(void*), void* arg) {
  uintptr_t* sp = reinterpret_cast<uintptr_t*>(reinterpret_cast<uintptr_t>(top) & ~uintptr_t(63));
  *--sp = 0;
  *--sp = 0;  // keeps the stack 16-byte aligned at ft_enter's call
  *--sp = reinterpret_cast<uintptr_t>(ft_enter);
  *--sp = 0;                                   // rbp
  *--sp = reinterpret_cast<uintptr_t>(entry);  // rbx
  *--sp = reinterpret_cast<uintptr_t>(arg);    // r12
  *--sp = 0;
  *--sp = 0;
  *--sp = 0;
  return sp;
}

#elif defined(__aarch64__)

asm(".text\n"
    ".globl " FT_SYMBOL("ft_switch") "\n"
    ".p2align 4\n"
    FT_SYMBOL("ft_switch") ":\n"
    "  sub sp, sp, #160\n"
    "  stp x19, x20, [sp, #0]\n"
    "  stp x21, x22, [sp, #16]\n"
    "  stp x23, x24, [sp, #32]\n"
    "  stp x25, x26, [sp, #48]\n"
    "  stp x27, x28, [sp, #64]\n"
    "  stp x29, x30, [sp, #80]\n"
    "  stp d8, d9, [sp, #96]\n"
    "  stp d10, d11, [sp, #112]\n"
    "  stp d12, d13, [sp, #128]\n"
    "  stp d14, d15, [sp, #144]\n"
    "  mov x9, sp\n"
    "  str x9, [x0]\n"
    "  mov sp, x1\n"
    "  ldp x19, x20, [sp, #0]\n"
    "  ldp x21, x22, [sp, #16]\n"
    "  ldp x23, x24, [sp, #32]\n"
    "  ldp x25, x26, [sp, #48]\n"
    "  ldp x27, x28, [sp, #64]\n"
    "  ldp x29, x30, [sp, #80]\n"
    "  ldp d8, d9, [sp, #96]\n"
    "  ldp d10, d11, [sp, #112]\n"
    "  ldp d12, d13, [sp, #128]\n"
    "  ldp d14, d15, [sp, #144]\n"
    "  add sp, sp, #160\n"
    "  ret\n"
    // The first switch to a fiber lands here: x19 is the entry, x20 its argument.
    ".globl " FT_SYMBOL("ft_enter") "\n"
    FT_SYMBOL("ft_enter") ":\n"
    "  mov x0, x20\n"
    "  blr x19\n"
    "  brk #1\n");
extern "C" void ft_enter();

void* ft::fiber_start(char* top, void (*entry)(void*), void* arg) {
  uintptr_t* sp = reinterpret_cast<uintptr_t*>(reinterpret_cast<uintptr_t>(top) & ~uintptr_t(63)) - 20;
  for (int i = 0; i < 20; i++) sp[i] = 0;
  sp[0] = reinterpret_cast<uintptr_t>(entry);
  sp[1] = reinterpret_cast<uintptr_t>(arg);
  sp[11] = reinterpret_cast<uintptr_t>(ft_enter);
  return sp;
}

#else
#error "the software device needs a context switch for this processor"
#endif
