// Threads for programs that take long. A thread of Go's would be one in a call, and
// Go's monitor looks after those: it wakes every 20 us for the first milliseconds,
// each time on a processor that has work to do.
#include "soft.h"

#include <signal.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

namespace {

// Thread waits for programs. It is never destroyed.
struct Thread {
  std::mutex mutex;
  std::condition_variable given;
  ft_program* program = nullptr;
  Thread* next = nullptr;  // of the idle ones
};

std::mutex idle_mutex;
Thread* idle;

void finish(ft_program* p) {
  const int bell = p->bell;
  if (__atomic_sub_fetch(&p->running, 1u, __ATOMIC_ACQ_REL)) return;
  const char byte = 1;
  while (write(bell, &byte, 1) < 0) {
  }
}

void serve(Thread* t) {
  for (;;) {
    ft_program* p;
    {
      std::unique_lock<std::mutex> lock(t->mutex);
      t->given.wait(lock, [&] { return t->program != nullptr; });
      p = t->program;
      t->program = nullptr;
    }
    ft_work(p);
    // Who hears the bell may start the next program: this thread can be of it.
    {
      std::lock_guard<std::mutex> lock(idle_mutex);
      t->next = idle;
      idle = t;
    }
    finish(p);
  }
}

// take is an idle thread or a new one; null when the system has no more.
Thread* take() {
  {
    std::lock_guard<std::mutex> lock(idle_mutex);
    if (Thread* t = idle) {
      idle = t->next;
      return t;
    }
  }
  // Signals are for Go's threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  Thread* t = new Thread;
  try {
    std::thread(serve, t).detach();
  } catch (const std::system_error&) {
    delete t;
    t = nullptr;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return t;
}

}  // namespace

int ft_start(ft_program* p, int n, int bell) {
  p->bell = bell;
  p->running = 1;  // of this function
  int started = 0;
  for (Thread* t; started < n && (t = take()); started++) {
    __atomic_add_fetch(&p->running, 1u, __ATOMIC_ACQ_REL);
    std::lock_guard<std::mutex> lock(t->mutex);
    t->program = p;
    t->given.notify_one();
  }
  if (started) finish(p);
  return started;
}
