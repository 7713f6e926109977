#include "plugin/isolate_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "plugin/runner.h"
#include "plugin/sandbox.h"
#include "base/banned.h"

#define FIRST_RETRY_MS 250
#define TICK_MS        250
#define LOST_MS        200   /* from the end of the socket to that of the process */
#define WATCH_MS       50    /* with a resident-memory watch */
#define BUSY_WINDOW_MS 10000 /* of processor time without a call */

/* Of two readings of the clock by two threads the later may come first. */
static uint64_t since(uint64_t then_ms, uint64_t now_ms)
{
    return now_ms > then_ms ? now_ms - then_ms : 0;
}

/* ---- starting ---- */

/* Both descriptors lie above those that the child gets, so that none is overwritten before it was copied. */
static int above(int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 10);

    close(fd);
    return high;
}

struct ends { /* of the child; -1: none */
    int socket, output;
};

static enum antiphon_status open_ends(struct isolate_gen *gen, struct ends *child, struct err *err)
{
    int sockets[2], output[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
        return err_set(err, ANTIPHON_EUNAVAILABLE, "start: socketpair: %s", strerror(errno));
    if (pipe2(output, O_CLOEXEC | O_NONBLOCK) != 0) {
        close(sockets[0]);
        close(sockets[1]);
        return err_set(err, ANTIPHON_EUNAVAILABLE, "start: pipe: %s", strerror(errno));
    }
    pthread_mutex_lock(&gen->lock);
    gen->source[ISOLATE_SOCKET].fd = sockets[0];
    gen->source[ISOLATE_OUTPUT].fd = output[0];
    pthread_mutex_unlock(&gen->lock);
    child->socket = above(sockets[1]);
    child->output = above(output[1]);
    if (child->socket >= 0 && child->output >= 0)
        return ANTIPHON_OK;
    return err_set(err, ANTIPHON_EUNAVAILABLE, "start: %s", strerror(errno));
}

static int set_up(posix_spawn_file_actions_t *files, posix_spawnattr_t *attr, const struct ends *child, int image)
{
    sigset_t none, all;
    int rc = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

    if (!rc)
        rc = posix_spawn_file_actions_adddup2(files, child->output, STDOUT_FILENO);
    if (!rc)
        rc = posix_spawn_file_actions_adddup2(files, child->output, STDERR_FILENO);
    if (!rc)
        rc = posix_spawn_file_actions_adddup2(files, child->socket, RUNNER_FD_SOCKET);
    if (!rc)
        rc = posix_spawn_file_actions_adddup2(files, image, RUNNER_FD_PLUGIN);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(attr, 0);
    posix_spawnattr_setsigmask(attr, &none);
    posix_spawnattr_setsigdefault(attr, &all);
    return rc;
}

/* An empty environment; a sanitizer's build tells its runtime what cannot work in a sandbox. */
static char *const *environment(void)
{
    static char asan[] = "ASAN_OPTIONS=detect_leaks=0:symbolize=0:handle_segv=0:handle_abort=0:allocator_may_return_null=1",
                tsan[] = "TSAN_OPTIONS=symbolize=0:handle_segv=0:handle_abort=0", ubsan[] = "UBSAN_OPTIONS=symbolize=0";
    static char *const sanitized[] = {asan, tsan, ubsan, NULL}, *const empty[] = {NULL};

    return sandbox_watches_memory() ? sanitized : empty;
}

static int spawn(const struct isolate_gen *gen, const struct ends *child, pid_t *pid)
{
    static char program[] = "antiphon", command[] = "runner";
    char *const argv[] = {program, command, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    int image = fcntl(gen->image, F_DUPFD_CLOEXEC, 10);

    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    int rc = image < 0 ? errno : set_up(&files, &attr, child, image);
    if (!rc)
        rc = posix_spawn(pid, gen->isolate->program, &files, &attr, argv, environment());
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    if (image >= 0)
        close(image);
    return rc;
}

static bool watch(struct isolate_gen *gen)
{
    for (int i = 0; i < ISOLATE_FDS; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &gen->source[i]};
        if (epoll_ctl(gen->isolate->epoll, EPOLL_CTL_ADD, gen->source[i].fd, &event) != 0)
            return false;
    }
    return true;
}

static void close_all(struct isolate_gen *gen)
{
    pthread_mutex_lock(&gen->lock);
    for (int i = 0; i < ISOLATE_FDS; i++) {
        if (gen->source[i].fd >= 0)
            close(gen->source[i].fd);
        gen->source[i].fd = -1;
    }
    gen->pid = 0;
    isolate_drop_queue(gen);
    pthread_mutex_unlock(&gen->lock);
}

static void say_load(struct isolate_gen *gen)
{
    enum antiphon_log_level level = ANTIPHON_DEBUG;

    while (level < ANTIPHON_ERROR && !log_enabled(level))
        level++;
    const struct runner_message message = {.type = RUNNER_LOAD,
                                           .flags = gen->registered ? 0 : RUNNER_LOAD_SELF_TEST,
                                           .value = {gen->memory, (uint64_t)level},
                                           .text = {runner_text(gen->name), runner_text(gen->permissions)}};
    pthread_mutex_lock(&gen->lock);
    enum antiphon_status status = isolate_send(gen, &message);
    pthread_mutex_unlock(&gen->lock);
    if (status)
        isolate_fail(gen, "start: %s", status_name(status));
}

static enum antiphon_status start(struct isolate_gen *gen, struct err *err)
{
    struct ends child = {-1, -1};
    pid_t pid = 0;
    enum antiphon_status status = open_ends(gen, &child, err);
    int rc = status ? 0 : spawn(gen, &child, &pid);

    if (child.socket >= 0)
        close(child.socket);
    if (child.output >= 0)
        close(child.output);
    if (status)
        return status;
    if (rc)
        return err_set(err, ANTIPHON_EUNAVAILABLE, "start: %s", strerror(rc));
    pthread_mutex_lock(&gen->lock);
    gen->pid = pid;
    gen->starved = NULL;
    gen->incarnation++;
    pthread_mutex_unlock(&gen->lock);
    gen->source[ISOLATE_EXIT].fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (gen->source[ISOLATE_EXIT].fd >= 0 && watch(gen))
        return ANTIPHON_OK;
    err_set(err, ANTIPHON_EUNAVAILABLE, "start: %s", strerror(errno));
    (void)kill(-pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return err->status;
}

static void fresh(struct isolate_gen *gen)
{
    gen->killed = gen->said = gen->asked_to_end = false;
    gen->lost_ms = 0;
    gen->why_killed[0] = '\0';
    gen->last_words_len = 0;
    gen->output_bytes = 0;
    gen->messages = gen->lines = gen->lines_dropped = 0;
    gen->started_ms = gen->window_ms = clock_now_ms();
    gen->ready_ms = gen->cpu_ms = gen->cpu_seen_ms = 0;
    buf_reset(&gen->in);
}

static void on_death(struct isolate_gen *gen, const char *how);

void isolate_start(struct isolate_gen *gen)
{
    struct err err = {0};

    fresh(gen);
    pthread_mutex_lock(&gen->lock);
    gen->state = ISOLATE_STARTING;
    pthread_mutex_unlock(&gen->lock);
    if (start(gen, &err)) {
        close_all(gen);
        gen->said = true;
        on_death(gen, err.text);
        return;
    }
    say_load(gen);
}

/* ---- ending ---- */

/* Its process group: also what it may have started. */
static void kill_group(const struct isolate_gen *gen)
{
    (void)kill(-gen->pid, SIGKILL);
    (void)kill(gen->pid, SIGKILL);
}

static void PRINTF_LIKE(3, 0) end(struct isolate_gen *gen, bool said, const char *fmt, va_list args)
{
    if (gen->killed || gen->pid == 0)
        return;
    gen->killed = true;
    gen->said = said;
    (void)vsnprintf(gen->why_killed, sizeof(gen->why_killed), fmt, args);
    kill_group(gen);
}

void isolate_kill(struct isolate_gen *gen, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    end(gen, false, fmt, args);
    va_end(args);
}

void isolate_fail(struct isolate_gen *gen, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    end(gen, true, fmt, args);
    va_end(args);
}

void isolate_ask_to_end(struct isolate_gen *gen)
{
    const struct runner_message message = {.type = RUNNER_SHUTDOWN};

    if (gen->pid == 0 || gen->asked_to_end)
        return;
    gen->asked_to_end = true;
    gen->started_ms = clock_now_ms();
    pthread_mutex_lock(&gen->lock);
    enum antiphon_status status = isolate_send(gen, &message);
    pthread_mutex_unlock(&gen->lock);
    if (status)
        isolate_kill(gen, "does not read what it is sent");
}

static void describe(const struct isolate_gen *gen, const siginfo_t *info, char *how, size_t size)
{
    if (gen->why_killed[0])
        (void)snprintf(how, size, "%s", gen->why_killed);
    else if (gen->starved)
        (void)snprintf(how, size, "was ended: %s", gen->starved);
    else if (info->si_code == CLD_EXITED && info->si_status == RUNNER_EXIT_LOST)
        (void)snprintf(how, size, "lost its connection to the server");
    else if (info->si_code == CLD_EXITED)
        (void)snprintf(how, size, "called exit(%d)", info->si_status);
    else
        (void)snprintf(how, size, "was killed by signal %d (%s)", info->si_status, strsignal(info->si_status));
}

static void plan_restart(struct isolate_gen *gen, uint64_t now_ms)
{
    uint64_t delay = 0;

    if (gen->ready_ms && since(gen->ready_ms, now_ms) >= ISOLATE_HEALTHY_MS)
        gen->deaths = 0;
    gen->deaths++;
    if (gen->deaths > 1)
        delay = (uint64_t)FIRST_RETRY_MS << (gen->deaths - 2 < 16 ? gen->deaths - 2 : 16);
    if (delay > ISOLATE_MAX_RETRY_MS)
        delay = ISOLATE_MAX_RETRY_MS;
    gen->retry_ms = now_ms + delay;
}

static void set_state(struct isolate_gen *gen, enum isolate_state state, const char *why)
{
    struct isolate *isolate = gen->isolate;

    pthread_mutex_lock(&isolate->lock);
    pthread_mutex_lock(&gen->lock);
    gen->state = state;
    err_set(&gen->why, ANTIPHON_EUNAVAILABLE, "%s", why);
    pthread_mutex_unlock(&gen->lock);
    pthread_cond_broadcast(&isolate->changed);
    pthread_mutex_unlock(&isolate->lock);
}

static void close_image(struct isolate_gen *gen)
{
    if (gen->image >= 0)
        close(gen->image);
    gen->image = -1;
}

/* It never worked: nothing of it stays but the reason. */
static void give_up(struct isolate_gen *gen, const char *how)
{
    char why[ERR_MAX_TEXT];

    (void)snprintf(why, sizeof(why), "%s%.480s", gen->said ? "" : "init: its process ", how);
    isolate_call_fail_all(gen, why, NULL, 0);
    close_image(gen); /* it will not be started again */
    set_state(gen, ISOLATE_BROKEN, why);
}

static void on_death(struct isolate_gen *gen, const char *how)
{
    char why[ERR_MAX_TEXT], what[160];
    uint64_t now = clock_now_ms();

    if (!gen->registered) {
        give_up(gen, how);
        return;
    }
    bool wanted = gen->asked_to_end && !gen->killed;
    if (!wanted) {
        (void)snprintf(why, sizeof(why), "the plugin %s failed: its process %s", gen->name, how);
        plan_restart(gen, now);
    }
    set_state(gen, gen->ended ? ISOLATE_BROKEN : wanted || gen->retired ? ISOLATE_IDLE : ISOLATE_BACKING_OFF,
              wanted ? "" : how);
    if (gen->asked_to_end && !gen->ended)
        return; /* what has come meanwhile waits for the next process */
    isolate_call_fail_all(gen, wanted ? "the plugin has ended" : why, what, sizeof(what));
    if (!wanted)
        log_error("plugin", "%s: %s: its process %s%s%.*s", gen->name, what, how,
                  gen->last_words_len ? "; it said last: " : "", (int)gen->last_words_len, gen->last_words);
}

void isolate_on_exit(struct isolate_gen *gen)
{
    siginfo_t info = {0};
    char how[ERR_MAX_TEXT];

    if (waitid(P_PID, (id_t)gen->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
        return;
    kill_group(gen); /* before its number may be another's */
    (void)waitid(P_PID, (id_t)gen->pid, &info, WEXITED);
    /* What it still said is read first: results that it sent count. */
    while (!gen->killed && !gen->lost_ms)
        isolate_on_socket(gen, 0);
    isolate_on_output(gen);
    if (gen->last_words_len && gen->last_words[gen->last_words_len - 1] == '\n')
        gen->last_words_len--;
    pthread_mutex_lock(&gen->lock);
    describe(gen, &info, how, sizeof(how));
    pthread_mutex_unlock(&gen->lock);
    close_all(gen);
    on_death(gen, how);
}

/* ---- what it writes to stdout and stderr ---- */

/* A line stays, with its end, until the next one begins. */
static void take_words(struct isolate_gen *gen, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool over = gen->last_words_len && gen->last_words[gen->last_words_len - 1] == '\n';
        if (text[i] == '\n' && (over || !gen->last_words_len))
            continue;
        if (over || gen->last_words_len == sizeof(gen->last_words))
            gen->last_words_len = 0;
        gen->last_words[gen->last_words_len++] = text[i];
    }
}

void isolate_on_output(struct isolate_gen *gen)
{
    char text[4096];

    for (unsigned i = 0; i < 16 && gen->source[ISOLATE_OUTPUT].fd >= 0; i++) {
        ssize_t n = read(gen->source[ISOLATE_OUTPUT].fd, text, sizeof(text));
        if (n == 0) { /* nobody can write any more; it lives on without */
            close(gen->source[ISOLATE_OUTPUT].fd);
            gen->source[ISOLATE_OUTPUT].fd = -1;
        }
        if (n <= 0)
            return;
        take_words(gen, text, (size_t)n);
        log_debug(gen->name, "%.*s", (int)n, text);
        gen->output_bytes += (size_t)n;
        if (gen->output_bytes > ISOLATE_MAX_OUTPUT)
            isolate_kill(gen, "floods its output");
    }
}

/* ---- what is due ---- */

static bool is_overdue(struct isolate_gen *gen, uint64_t now_ms, bool *busy)
{
    bool overdue = false;

    pthread_mutex_lock(&gen->lock);
    for (const struct isolate_work *work = gen->work; work; work = work->next)
        overdue = overdue || (work->call && work->deadline_ms + ISOLATE_GRACE_MS < now_ms) ||
                  (work->check && work->deadline_ms + ISOLATE_GRACE_MS + 1000 < now_ms);
    *busy = gen->work != NULL;
    pthread_mutex_unlock(&gen->lock);
    return overdue;
}

static void watch_memory(struct isolate_gen *gen)
{
    char path[40], text[64] = "";

    (void)snprintf(path, sizeof(path), "/proc/%d/statm", gen->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    char *resident = n > 0 ? strchr(text, ' ') : NULL;
    if (resident && strtoull(resident, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) > gen->memory)
        isolate_kill(gen, "uses more than %llu MiB of memory", (unsigned long long)(gen->memory >> 20));
}

/* An endless loop in a thread of its own, which no deadline ends. */
static void watch_processor(struct isolate_gen *gen, uint64_t now_ms, bool busy)
{
    clockid_t clock;
    struct timespec used;

    if (!busy && since(gen->cpu_seen_ms, now_ms) < BUSY_WINDOW_MS)
        return;
    if (clock_getcpuclockid(gen->pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return;
    uint64_t ms = (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
    if (!busy && gen->cpu_seen_ms && ms - gen->cpu_ms > since(gen->cpu_seen_ms, now_ms) * 9 / 10)
        isolate_kill(gen, "uses the processor all the time although it has nothing to do");
    gen->cpu_ms = ms;
    gen->cpu_seen_ms = now_ms;
}

/* Replaced, and whoever could call it has gone: it will not be started again. */
static bool end_if_unused(struct isolate_gen *gen)
{
    pthread_mutex_lock(&gen->lock);
    bool maybe = gen->retired && !gen->work && !gen->ended;
    pthread_mutex_unlock(&gen->lock);
    if (!maybe || !registry_is_unused(gen->isolate->registry, gen))
        return false;
    pthread_mutex_lock(&gen->lock);
    gen->ended = true;
    pthread_mutex_unlock(&gen->lock);
    log_info("plugin", "%s: version %s has ended: no conversation uses it any more", gen->name, gen->version);
    return true;
}

/* Calls that come from now on wait for another process. */
static bool put_to_rest(struct isolate_gen *gen)
{
    pthread_mutex_lock(&gen->lock);
    bool rests = gen->state == ISOLATE_OK && !gen->work;
    if (rests)
        gen->state = ISOLATE_IDLE;
    pthread_mutex_unlock(&gen->lock);
    return rests;
}

static void tick_running(struct isolate_gen *gen, uint64_t now_ms, bool crowded)
{
    bool busy = false;

    isolate_turn_window(gen, now_ms);
    if (gen->asked_to_end) {
        if (since(gen->started_ms, now_ms) > ISOLATE_END_MS)
            isolate_kill(gen, "did not end in time");
    } else if (gen->state == ISOLATE_STARTING) {
        if (since(gen->started_ms, now_ms) > ISOLATE_START_MS)
            isolate_fail(gen, "init: was not ready after %d s", ISOLATE_START_MS / 1000);
    } else if (gen->lost_ms && since(gen->lost_ms, now_ms) > LOST_MS) {
        isolate_kill(gen, "lost its connection to the server");
    } else if (is_overdue(gen, now_ms, &busy)) {
        isolate_kill(gen, "did not finish a call by its deadline");
    } else if (end_if_unused(gen) || (crowded && put_to_rest(gen))) {
        isolate_ask_to_end(gen);
    } else {
        watch_processor(gen, now_ms, busy);
    }
    if (sandbox_watches_memory())
        watch_memory(gen);
}

int isolate_tick(struct isolate_gen *gen, uint64_t now_ms, bool crowded)
{
    if (gen->pid) {
        tick_running(gen, now_ms, crowded);
        return sandbox_watches_memory() ? WATCH_MS : TICK_MS;
    }
    (void)end_if_unused(gen);
    pthread_mutex_lock(&gen->lock);
    bool due = !gen->ended && ((gen->state == ISOLATE_BACKING_OFF && now_ms >= gen->retry_ms) ||
                               (gen->state == ISOLATE_IDLE && gen->work) || (gen->state == ISOLATE_STARTING));
    bool waits = gen->state == ISOLATE_BACKING_OFF && !gen->ended;
    if (gen->ended)
        close_image(gen); /* it is not started again */
    if (due && gen->registered)
        gen->restarts++;
    pthread_mutex_unlock(&gen->lock);
    if (due)
        isolate_start(gen);
    return due || waits ? 20 : TICK_MS;
}
