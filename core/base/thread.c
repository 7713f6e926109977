#include "base/thread.h"
#include <stddef.h>
#include "base/banned.h"

static _Thread_local bool must_not_block;

void thread_forbid_blocking(void)
{
    must_not_block = true;
}

bool thread_may_block(void)
{
    return !must_not_block;
}

void thread_blocked(sigset_t *signals)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};

    sigfillset(signals);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(signals, faults[i]);
}

static _Thread_local struct thread_task running;

void thread_set_task(const char *plugin, const char *step, const char *name)
{
    running.plugin = NULL; /* a signal in between finds nobody */
    running.step = step;
    running.name = name;
    running.plugin = plugin;
}

struct thread_task thread_task(void)
{
    return running;
}
