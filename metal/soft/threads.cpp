// Threads for programs that take long. A thread of Go's would be one in a call, and
// Go's monitor looks after those: it wakes every 20 us for the first milliseconds,
// each time on a processor that has work to do.
#include "soft.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

namespace {

// Thread waits for programs. It is never destroyed.
struct Thread {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t given = PTHREAD_COND_INITIALIZER;
  ft_program* program = nullptr;
  Thread* next = nullptr;  // of the idle ones
};

pthread_mutex_t idle_mutex = PTHREAD_MUTEX_INITIALIZER;
Thread* idle;

void finish(ft_program* p) {
  const int bell = p->bell;
  if (__atomic_sub_fetch(&p->running, 1u, __ATOMIC_ACQ_REL)) return;
  const char byte = 1;
  while (write(bell, &byte, 1) < 0) {
  }
}

void* serve(void* arg) {
  Thread* t = static_cast<Thread*>(arg);
  for (;;) {
    pthread_mutex_lock(&t->mutex);
    while (!t->program) pthread_cond_wait(&t->given, &t->mutex);
    ft_program* p = t->program;
    t->program = nullptr;
    pthread_mutex_unlock(&t->mutex);
    ft_work(p);
    // Who hears the bell may start the next program: this thread can be of it.
    pthread_mutex_lock(&idle_mutex);
    t->next = idle;
    idle = t;
    pthread_mutex_unlock(&idle_mutex);
    finish(p);
  }
}

// take is an idle thread or a new one; null when the system has no more.
Thread* take() {
  pthread_mutex_lock(&idle_mutex);
  Thread* t = idle;
  if (t) idle = t->next;
  pthread_mutex_unlock(&idle_mutex);
  if (t) return t;
  // Signals are for Go's threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  t = new Thread;
  pthread_t id;
  if (pthread_create(&id, nullptr, serve, t)) {
    delete t;
    t = nullptr;
  } else {
    pthread_detach(id);
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
    pthread_mutex_lock(&t->mutex);
    t->program = p;
    pthread_cond_signal(&t->given);
    pthread_mutex_unlock(&t->mutex);
  }
  if (started) finish(p);
  return started;
}
