#pragma once
#include <sdk_types.h>

SDK_BEGIN
typedef unsigned sigset_t;
typedef struct sdk_siginfo siginfo_t;
struct sigaction {
  void (*sa_handler)(int);
  sigset_t sa_mask;
  int sa_flags;
};
#define SIG_BLOCK 1
#define SIG_SETMASK 3
#define SIGURG 16
int sigemptyset(sigset_t*);
int sigfillset(sigset_t*);
int sigaddset(sigset_t*, int);
int sigismember(const sigset_t*, int);
int raise(int);
int pthread_sigmask(int, const sigset_t*, sigset_t*);
SDK_END
