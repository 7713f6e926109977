#include "command/start_watch.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/banned.h"

static void ending_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

/* Somebody wants the server to end and [main] does not come to it. */
static void end_now(const char *plugin)
{
    log_warn("serve", "stopped while plugins were started%s%s", plugin ? "; in init() of " : "", plugin ? plugin : "");
    _exit(EXIT_SUCCESS);
}

static int take_signal(const struct start_watch *watch)
{
    struct signalfd_siginfo info;

    return read(watch->signals, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

static int ms_until(uint64_t at_ms)
{
    uint64_t now = clock_now_ms();

    return at_ms > now ? (int)(at_ms - now) : 0;
}

static void *watch_main(void *arg)
{
    struct start_watch *watch = arg;
    struct pollfd fds[2] = {{.fd = watch->wake, .events = POLLIN}, {.fd = watch->signals, .events = POLLIN}};
    const char *plugin = NULL;
    uint64_t due = 0;
    int wanted = 0;

    pthread_setname_np(pthread_self(), "start-watch");
    for (;;) {
        int n = poll(fds, 2, due ? ms_until(due) : -1);
        uint64_t count;
        if (n > 0 && fds[1].revents) {
            wanted = take_signal(watch);
            due = clock_now_ms() + START_WATCH_END_MS;
            fds[1].fd = -1;
            continue;
        }
        if (n == 0 && wanted)
            end_now(atomic_load(&watch->plugin));
        if (n == 0 && plugin)
            log_error("plugin", "plugin %s: init: has not returned for %d s, and the server waits for it", plugin,
                      START_WATCH_SAY_MS / 1000);
        if (n > 0 && read(watch->wake, &count, sizeof(count)) == sizeof(count) && count >= UINT32_MAX)
            break;
        plugin = atomic_load(&watch->plugin);
        if (!wanted)
            due = plugin && n > 0 ? clock_now_ms() + START_WATCH_SAY_MS : 0;
    }
    if (wanted)
        (void)kill(getpid(), wanted);
    return NULL;
}

static void tell(const struct start_watch *watch, uint64_t what)
{
    (void)!write(watch->wake, &what, sizeof(what));
}

static void close_all(const struct start_watch *watch)
{
    if (watch->signals >= 0)
        close(watch->signals);
    if (watch->wake >= 0)
        close(watch->wake);
}

enum antiphon_status start_watch_start(struct start_watch *watch)
{
    sigset_t ending, all, was;

    atomic_init(&watch->plugin, NULL);
    ending_signals(&ending);
    watch->signals = signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK);
    watch->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    thread_blocked(&all);
    pthread_sigmask(SIG_SETMASK, &all, &was);
    int rc = watch->signals >= 0 && watch->wake >= 0 ? pthread_create(&watch->thread, NULL, watch_main, watch) : -1;
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    if (rc == 0)
        return ANTIPHON_OK;
    close_all(watch);
    return ANTIPHON_EUNAVAILABLE;
}

void start_watch_plugin(struct start_watch *watch, const char *name)
{
    atomic_store(&watch->plugin, name);
    tell(watch, 1);
}

void start_watch_stop(struct start_watch *watch)
{
    tell(watch, UINT32_MAX);
    pthread_join(watch->thread, NULL);
    close_all(watch);
}
