/* thread - what the calling thread is allowed to do, and what it does. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H
#include <signal.h>
#include <stdbool.h>

/* Said once by a thread on which conversations or transfers run: whoever waits on it makes all of them wait. */
void thread_forbid_blocking(void);
/* Whether the calling thread may wait for a disk or an answer. True unless the above was said. */
bool thread_may_block(void);

/* What all threads but the main one block: every signal that is sent to the process. Those that a thread raises by its own fault,
 * such as SIGSEGV, are not among them: blocked, they end the process before anybody can say why. */
void thread_blocked(sigset_t *signals);

/* Whose code the calling thread runs, for whoever has to explain how the process ended (command/crash.h). plugin NULL: nobody's.
 * Texts are borrowed until the next call. Such as {"bad_calls", "call", "misbehave"}; name may be "". */
struct thread_task {
    const char *plugin, *step, *name;
};
void thread_set_task(const char *plugin, const char *step, const char *name);
/* Also from a signal handler. */
struct thread_task thread_task(void);
#endif
