#include "command/crash.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/thread.h"
#include "base/banned.h"

#define MAX_SIGNAL 32

static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS};
static struct sigaction before[MAX_SIGNAL];
static atomic_bool allowed;

static struct iovec part(const char *text)
{
    return (struct iovec){(void *)(uintptr_t)text, strlen(text)};
}

/* In a signal handler: nothing that takes a lock. */
static void say(const struct thread_task *task, int number)
{
    const char *name = sigdescr_np(number);
    const struct iovec line[] = {part("antiphon: plugin "), part(task->plugin), part(": "), part(task->step),
                                 part(*task->name ? " " : ""), part(task->name), part(": it ended the server ("),
                                 part(name ? name : "signal"), part(")\n")};

    (void)!writev(STDERR_FILENO, line, sizeof(line) / sizeof(line[0]));
}

static void on_fatal(int number, siginfo_t *info, void *context)
{
    struct thread_task task = thread_task();

    (void)context;
    if (task.plugin)
        say(&task, number);
    (void)sigaction(number, &before[number], NULL);
    if (info->si_code <= 0)
        (void)raise(number); /* nothing would raise it again by itself */
}

static void on_exit_called(void)
{
    struct thread_task task = thread_task();

    if (atomic_load(&allowed))
        return;
    if (task.plugin)
        log_error("plugin", "%s: %s%s%s: it ended the server (called exit())", task.plugin, task.step,
                  *task.name ? " " : "", task.name);
    else
        log_error("serve", "a plugin's thread ended the server (called exit())");
    _exit(EXIT_FAILURE); /* threads run: no clean-up would be safe */
}

void crash_watch(void)
{
    struct sigaction action = {.sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO};

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
        (void)sigaction(fatal[i], &action, &before[fatal[i]]);
    (void)atexit(on_exit_called);
}

void crash_allow_exit(void)
{
    atomic_store(&allowed, true);
}
