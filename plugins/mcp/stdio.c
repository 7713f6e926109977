/* stdio - link to a server that is a child process: one message a line on its standard input and
 * output. A thread reads what it says. What it writes to standard error goes to the log, at the
 * level debug. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "link.h"

#define MAX_LINE    (4u << 20) /* bytes of a message; a server that says more is ended */
#define MAX_SAID    512        /* bytes of a line on standard error; the rest is cut */
#define WRITE_MS    5000       /* a server that does not read for so long is ended */
#define FAREWELL_MS 1000       /* to end by itself, then after SIGTERM */

struct waiting {
    struct waiting *next;
    int64_t id;
    struct antiphon_call *call;
    cJSON *answer;
    bool cancelled;
};

struct stdio_link {
    struct link link;
    struct link_options options;
    pid_t pid;
    int in, out, said; /* its standard input, output and error */
    pthread_t reader;
    pthread_mutex_t write; /* one message at a time */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct waiting *first; /* under lock; on the stacks of those who wait */
    bool down, closing;    /* under lock */
    char *line;            /* [reader]; owned */
    size_t len, size;
    char words[MAX_SAID]; /* [reader] */
    size_t words_len;
};

/* ---- writing --------------------------------------------------------------------------------- */

static void mark_down(struct stdio_link *stdio)
{
    pthread_mutex_lock(&stdio->lock);
    bool news = !stdio->down && !stdio->closing;
    stdio->down = true;
    pthread_cond_broadcast(&stdio->changed);
    pthread_mutex_unlock(&stdio->lock);
    if (news)
        stdio->options.down(stdio->options.ctx);
}

static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n > 0) {
            text += n;
            len -= (size_t)n;
            continue;
        }
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0 || errno != EAGAIN || poll(&wait, 1, WRITE_MS) <= 0)
            return false;
    }
    return true;
}

/* Whoever the process belongs to decides about SIGPIPE, so it must not be raised: a server may end
 * at any time. */
static bool write_quietly(int fd, const char *text)
{
    const struct timespec now = {0};
    sigset_t pipe, old, pending;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe, &old);
    bool written = write_all(fd, text, strlen(text)) && write_all(fd, "\n", 1);
    if (!written && !sigismember(&pending, SIGPIPE))
        (void)sigtimedwait(&pipe, NULL, &now);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return written;
}

static bool send_line(struct stdio_link *stdio, const char *text)
{
    pthread_mutex_lock(&stdio->write);
    bool sent = stdio->in >= 0 && write_quietly(stdio->in, text);
    pthread_mutex_unlock(&stdio->write);
    if (!sent) /* half a message may have gone out: nothing more can be said */
        mark_down(stdio);
    return sent;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void answer_question(struct stdio_link *stdio, const cJSON *message)
{
    char *text = message_answer(message);

    if (text)
        (void)send_line(stdio, text);
    cJSON_free(text);
}

static struct waiting *find(struct stdio_link *stdio, const cJSON *id)
{
    struct waiting *at = stdio->first;

    while (at && !message_id_is(id, at->id))
        at = at->next;
    return at;
}

static void tell_progress(struct stdio_link *stdio, const cJSON *message)
{
    const cJSON *params = cJSON_GetObjectItemCaseSensitive(message, "params");
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(params, "message"));

    pthread_mutex_lock(&stdio->lock); /* the call cannot end meanwhile */
    struct waiting *waiting =
        find(stdio, cJSON_GetObjectItemCaseSensitive(params, "progressToken"));
    if (waiting && waiting->call && text)
        stdio->options.h->progress(stdio->options.h, waiting->call, text, strlen(text));
    pthread_mutex_unlock(&stdio->lock);
}

static void on_message(struct stdio_link *stdio, cJSON *message)
{
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(message, "id");
    const char *method = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, "method"));

    if (message_is_question(message)) {
        answer_question(stdio, message);
    } else if (method && !strcmp(method, "notifications/progress")) {
        tell_progress(stdio, message);
    } else if (method) {
        stdio->options.heard(stdio->options.ctx, message);
    } else {
        pthread_mutex_lock(&stdio->lock);
        struct waiting *waiting = find(stdio, id);
        if (waiting && !waiting->answer) {
            waiting->answer = message;
            message = NULL;
            pthread_cond_broadcast(&stdio->changed);
        }
        pthread_mutex_unlock(&stdio->lock);
    }
    cJSON_Delete(message);
}

/* Takes the whole lines off what was read. */
static void take_lines(struct stdio_link *stdio)
{
    char *start = stdio->line, *end;
    size_t left = stdio->len;

    while ((end = memchr(start, '\n', left))) {
        cJSON *message = cJSON_ParseWithLength(start, (size_t)(end - start));
        if (message)
            on_message(stdio, message);
        else if (end > start + 1)
            stdio->options.h->log(stdio->options.h, ANTIPHON_DEBUG, "%s: a line that is no message",
                                  stdio->options.name);
        left -= (size_t)(end + 1 - start);
        start = end + 1;
    }
    memmove(stdio->line, start, left);
    stdio->len = left;
}

static bool read_output(struct stdio_link *stdio)
{
    if (stdio->size - stdio->len < 4096) {
        size_t size = stdio->size ? stdio->size * 2 : 16384;
        char *line = size > 2 * (size_t)MAX_LINE ? NULL : realloc(stdio->line, size);
        if (!line)
            return false;
        stdio->line = line;
        stdio->size = size;
    }
    ssize_t n = read(stdio->out, stdio->line + stdio->len, stdio->size - stdio->len);
    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0)
        return false;
    stdio->len += (size_t)n;
    take_lines(stdio);
    return stdio->len <= MAX_LINE;
}

/* False: there is nothing more to come. */
static bool read_words(struct stdio_link *stdio)
{
    char part[1024];
    ssize_t n = read(stdio->said, part, sizeof(part));

    if (n < 0 && errno == EINTR)
        return true;
    for (ssize_t i = 0; i < n; i++) {
        if (part[i] != '\n') {
            if (stdio->words_len < sizeof(stdio->words))
                stdio->words[stdio->words_len++] = part[i];
            continue;
        }
        stdio->options.h->log(stdio->options.h, ANTIPHON_DEBUG, "%s: %.*s", stdio->options.name,
                              (int)stdio->words_len, stdio->words);
        stdio->words_len = 0;
    }
    return n > 0;
}

static void *read_all(void *arg)
{
    struct stdio_link *stdio = arg;
    struct pollfd fds[] = {{.fd = stdio->out, .events = POLLIN},
                           {.fd = stdio->said, .events = POLLIN}};

    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
        if (fds[1].revents && !read_words(stdio))
            fds[1].fd = -1;
        if (fds[0].revents && !read_output(stdio))
            break;
    }
    mark_down(stdio);
    return NULL;
}

/* ---- requests -------------------------------------------------------------------------------- */

static void wait_answer(struct stdio_link *stdio, struct waiting *waiting, uint32_t timeout_ms)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (!waiting->answer && !waiting->cancelled && !stdio->down) {
        if (pthread_cond_timedwait(&stdio->changed, &stdio->lock, &until) == ETIMEDOUT)
            break;
    }
}

static void forget(struct stdio_link *stdio, struct waiting *waiting)
{
    struct waiting **at = &stdio->first;

    while (*at != waiting)
        at = &(*at)->next;
    *at = waiting->next;
}

static void request(struct link *link, const struct link_request *asked, struct link_reply *reply)
{
    struct stdio_link *stdio = (struct stdio_link *)link;
    struct waiting waiting = {.id = asked->id, .call = asked->call};

    *reply = (struct link_reply){0};
    if (!asked->id) {
        reply->status = send_line(stdio, asked->text) ? ANTIPHON_OK : ANTIPHON_EUNAVAILABLE;
        return;
    }
    pthread_mutex_lock(&stdio->lock);
    waiting.next = stdio->first;
    stdio->first = &waiting;
    pthread_mutex_unlock(&stdio->lock);
    (void)send_line(stdio, asked->text);
    /* Had it been cancelled before it stood in the list, cancel() would not have found it. */
    bool late = asked->call && stdio->options.h->cancelled(stdio->options.h, asked->call);
    pthread_mutex_lock(&stdio->lock);
    waiting.cancelled = waiting.cancelled || late;
    wait_answer(stdio, &waiting, asked->timeout_ms);
    forget(stdio, &waiting);
    bool down = stdio->down;
    pthread_mutex_unlock(&stdio->lock);
    reply->message = waiting.answer;
    if (waiting.answer)
        return;
    reply->status = waiting.cancelled ? ANTIPHON_ECANCELLED
                    : down            ? ANTIPHON_EUNAVAILABLE
                                      : ANTIPHON_ETIMEOUT;
    (void)snprintf(reply->why, sizeof(reply->why), "%s",
                   waiting.cancelled ? "the call was cancelled"
                   : down            ? "its process has ended"
                                     : "it did not answer in time");
}

static void cancel(struct link *link, const struct antiphon_call *call)
{
    struct stdio_link *stdio = (struct stdio_link *)link;

    pthread_mutex_lock(&stdio->lock);
    for (struct waiting *at = stdio->first; at; at = at->next)
        at->cancelled = at->cancelled || at->call == call;
    pthread_cond_broadcast(&stdio->changed);
    pthread_mutex_unlock(&stdio->lock);
}

/* Its answer is that the stream has ended, and nobody waits for it. */
static void listen_to(struct link *link, const char *text)
{
    if (text)
        (void)send_line((struct stdio_link *)link, text);
}

static bool is_down(struct link *link)
{
    struct stdio_link *stdio = (struct stdio_link *)link;

    pthread_mutex_lock(&stdio->lock);
    bool down = stdio->down;
    pthread_mutex_unlock(&stdio->lock);
    return down;
}

/* ---- the process ----------------------------------------------------------------------------- */

static bool has_ended(pid_t pid, int ms)
{
    const struct timespec step = {0, 10000000};

    for (int waited = 0;; waited += 10) {
        pid_t ended = waitpid(pid, NULL, WNOHANG);
        if (ended == pid || (ended < 0 && errno == ECHILD))
            return true;
        if (waited >= ms)
            return false;
        (void)nanosleep(&step, NULL);
    }
}

/* As the protocol has it: its input ends, then it is asked, then it is not asked. The whole group,
 * because npx and the like start others. */
static void end_process(struct stdio_link *stdio)
{
    pthread_mutex_lock(&stdio->write);
    close(stdio->in);
    stdio->in = -1;
    pthread_mutex_unlock(&stdio->write);
    if (!has_ended(stdio->pid, FAREWELL_MS)) {
        (void)kill(-stdio->pid, SIGTERM);
        if (!has_ended(stdio->pid, FAREWELL_MS)) {
            (void)kill(-stdio->pid, SIGKILL);
            (void)waitpid(stdio->pid, NULL, 0);
        }
    }
    (void)kill(-stdio->pid, SIGKILL); /* who is left of it */
}

static void free_link(struct stdio_link *stdio)
{
    pthread_mutex_destroy(&stdio->write);
    pthread_mutex_destroy(&stdio->lock);
    pthread_cond_destroy(&stdio->changed);
    free(stdio->line);
    free(stdio);
}

static void close_link(struct link *link)
{
    struct stdio_link *stdio = (struct stdio_link *)link;

    pthread_mutex_lock(&stdio->lock);
    stdio->closing = true;
    pthread_mutex_unlock(&stdio->lock);
    end_process(stdio);
    (void)pthread_join(stdio->reader, NULL);
    close(stdio->out);
    close(stdio->said);
    free_link(stdio);
}

/* The child gets its three ends, our defaults for signals, and a group of its own. */
static int spawn(struct stdio_link *stdio, const int ends[3])
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    for (int i = 0; i < 3; i++)
        posix_spawn_file_actions_adddup2(&actions, ends[i], i);
    if (stdio->options.cwd)
        posix_spawn_file_actions_addchdir_np(&actions, stdio->options.cwd);
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    int fault = posix_spawnp(&stdio->pid, stdio->options.argv[0], &actions, &attributes,
                             stdio->options.argv, stdio->options.env);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return fault;
}

static int start_reader(struct stdio_link *stdio)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int fault = pthread_create(&stdio->reader, NULL, read_all, stdio);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return fault;
}

static struct stdio_link *link_new(const struct link_options *options)
{
    struct stdio_link *stdio = calloc(1, sizeof(*stdio));
    pthread_condattr_t clock;

    if (!stdio)
        return NULL;
    stdio->link = (struct link){request, cancel, is_down, listen_to, close_link};
    stdio->options = *options;
    pthread_mutex_init(&stdio->write, NULL);
    pthread_mutex_init(&stdio->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&stdio->changed, &clock);
    pthread_condattr_destroy(&clock);
    return stdio;
}

struct link *link_stdio(const struct link_options *options, char *why, size_t size)
{
    struct stdio_link *stdio = link_new(options);
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}}, fault = stdio ? 0 : ENOMEM;

    for (int i = 0; i < 3 && !fault; i++)
        fault = pipe2(pipes[i], O_CLOEXEC) ? errno : 0;
    if (!fault) {
        stdio->in = pipes[0][1];
        stdio->out = pipes[1][0];
        stdio->said = pipes[2][0];
        fault = fcntl(stdio->in, F_SETFL, O_NONBLOCK) ? errno : 0;
    }
    if (!fault)
        fault = spawn(stdio, (const int[3]){pipes[0][0], pipes[1][1], pipes[2][1]});
    bool running = !fault;
    for (int i = 0; i < 3; i++)
        close(pipes[i][i > 0]);
    if (!fault)
        fault = start_reader(stdio);
    if (!fault)
        return &stdio->link;
    (void)snprintf(why, size, "cannot start %s: %s", options->argv[0], strerrordesc_np(fault));
    if (running)
        end_process(stdio);
    else
        close(pipes[0][1]);
    close(pipes[1][0]);
    close(pipes[2][0]);
    if (stdio)
        free_link(stdio);
    return NULL;
}
