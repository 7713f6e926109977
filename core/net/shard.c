#include "net/shard.h"

#include <errno.h>
#include <libwebsockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/step.h"
#include "base/thread.h"
#include "net/listener.h"
#include "net/loop_watch.h"
#include "net/protocol.h"
#include "net/resolver.h"
#include "net/upstream_pool.h"
#include "base/banned.h"

#define ACCEPTS_PER_WAKE  64
#define STOP_FLUSH_MS     1000u
#define LOOP_DRAIN_MS     1000u
#define SEND_BUFFER_BYTES (128 * 1024) /* more would hide stale audio in the kernel */
#define NOT_SENT_BYTES    (32 * 1024)
#define SERVICE_BUF_BYTES 65536u
#define HEADER_BYTES      16384u
#define HEADER_TABLES     256u
#define HANDSHAKE_SECONDS 10u
#define KEEPALIVE_SECONDS 30
#define MAX_FDS           65536u

struct shard {
    struct shard_options options;
    pthread_t thread;
    sem_t
        ready; /* posted by the shard when start succeeded or failed, and when accepting stopped */
    struct err *err; /* borrowed from shard_start() until ready */
    enum antiphon_status status;
    struct inbox *inbox;
    struct inbox_message stop_message, quiet_message;
    bool quiet;                 /* [main] */
    struct shard *next_stopped; /* [main] */
    /* Other threads may be inside lws_cancel_service() when the context goes. */
    atomic_bool gone;
    atomic_uint wakers;

    /* [shard] from here on */
    uv_loop_t loop;
    uv_timer_t clock;
    struct loop_watch watch;
    uint64_t clock_due; /* 0: asleep */
    struct timer_wheel wheel;
    struct lws_context *lws;
    struct lws_vhost *vhost;
    struct lws_protocols *protocols;
    struct lws *listener; /* NULL: not accepting */
    int listen_fd, spare_fd;
    struct ws_server *ws;
    struct resolver *resolver;
    struct upstream_pool *pool;
    struct timer stop_timer;
    bool behind;
    bool stopping;
    bool started; /* on_start() was called */
    bool leaked;  /* the loop could not be closed */
    void *user;
};

static _Thread_local struct shard *self;

/* Silence is ws_server's business. libwebsockets keeps its deadlines in one sorted list: with 10,000 clients each
 * ping would walk through all of them. */
static const lws_retry_bo_t no_keepalive = {.secs_since_valid_ping = 0};

/* ---- what others ask
 * ------------------------------------------------------------------------------- */

bool shard_behind(const struct shard *shard)
{
    return shard->behind;
}

void shard_set_behind(struct shard *shard, bool behind)
{
    shard->behind = behind;
}

unsigned shard_index(const struct shard *shard)
{
    return shard->options.index;
}

struct shard *shard_self(void)
{
    return self;
}

void *shard_user(const struct shard *shard)
{
    return shard->user;
}

uv_loop_t *shard_loop(struct shard *shard)
{
    return &shard->loop;
}

struct lws_context *shard_lws(struct shard *shard)
{
    return shard->lws;
}

struct ws_server *shard_ws_server(const struct shard *shard)
{
    return shard->ws;
}

const struct http_server_options *shard_http_options(const struct shard *shard)
{
    return shard->options.http;
}

struct timer_wheel *shard_wheel(struct shard *shard)
{
    return &shard->wheel;
}

struct resolver *shard_resolver(struct shard *shard)
{
    return shard->resolver;
}

struct upstream_pool *shard_upstream_pool(struct shard *shard)
{
    return shard->pool;
}

/* ---- clock and inbox
 * -------------------------------------------------------------------------------- */

static void on_clock(uv_timer_t *clock)
{
    struct shard *shard = clock->data;
    uint64_t due;

    shard->clock_due = 0;
    step_begin(STEP_timer);
    timer_wheel_run(&shard->wheel, clock_now_ms());
    if (timer_wheel_next(&shard->wheel, &due))
        shard_schedule(shard, due);
}

void shard_schedule(struct shard *shard, uint64_t due_ms)
{
    uint64_t now = clock_now_ms();

    due_ms = (due_ms + TIMER_TICK_MS - 1) / TIMER_TICK_MS * TIMER_TICK_MS;
    if (shard->clock_due && shard->clock_due <= due_ms)
        return;
    shard->clock_due = due_ms;
    uv_update_time(&shard->loop);
    uv_timer_start(&shard->clock, on_clock, due_ms > now ? due_ms - now : 0, 0);
}

static void wake(void *ctx)
{
    struct shard *shard = ctx;

    atomic_fetch_add(&shard->wakers, 1);
    if (!atomic_load(&shard->gone))
        lws_cancel_service(shard->lws);
    atomic_fetch_sub(&shard->wakers, 1);
}

void shard_post(struct shard *shard, struct inbox_message *message)
{
    inbox_post(shard->inbox, message);
}

void shard_on_wake(struct shard *shard)
{
    step_begin(STEP_posted);
    inbox_drain(shard->inbox, shard);
}

/* ---- accepting
 * --------------------------------------------------------------------------------------- */

/* Out of descriptors: give the caller an answer (a reset) with the spare one, or the listener would
 * stay readable and the loop spin. */
static void turn_away(struct shard *shard)
{
    int fd;

    close(shard->spare_fd);
    fd = accept4(shard->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    shard->spare_fd = dup(shard->listen_fd);
}

static void adopt(struct shard *shard, int fd)
{
    int on = 1, send_bytes = SEND_BUFFER_BYTES, not_sent = NOT_SENT_BYTES;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(send_bytes));
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &not_sent, sizeof(not_sent));
    lws_adopt_socket_vhost(shard->vhost, fd); /* closes fd if it fails */
}

void shard_on_accept(struct shard *shard)
{
    step_begin(STEP_client_accept);
    for (int i = 0; i < ACCEPTS_PER_WAKE && shard->listener; i++) {
        int fd = accept4(shard->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            adopt(shard, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE)
            turn_away(shard);
        else if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

static void stop_accepting(struct shard *shard)
{
    struct lws *listener = shard->listener;

    if (!listener)
        return;
    shard->listener = NULL;
    shutdown(shard->listen_fd,
             SHUT_RDWR); /* refuses from now on; closing takes a turn of the loop */
    lws_set_timeout(listener, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

static void on_quiet_message(void *owner, struct inbox_message *message, bool dropped)
{
    struct shard *shard = owner;

    (void)message;
    if (!dropped)
        stop_accepting(shard);
    sem_post(&shard->ready);
}

void shard_stop_accepting(struct shard *shard)
{
    if (shard->quiet)
        return;
    shard->quiet = true;
    shard->quiet_message.run = on_quiet_message;
    shard_post(shard, &shard->quiet_message);
    while (sem_wait(&shard->ready))
        ;
}

/* ---- stopping
 * ---------------------------------------------------------------------------------------- */

static void on_stop_timeout(void *ctx)
{
    struct shard *shard = ctx;

    uv_stop(&shard->loop);
}

static void on_stop_message(void *owner, struct inbox_message *message, bool dropped)
{
    struct shard *shard = owner;

    (void)message;
    if (dropped)
        return;
    shard->stopping = true;
    stop_accepting(shard);
    ws_server_close_all(shard->ws, 1001, "server is going away");
    if (!ws_server_count(shard->ws))
        uv_stop(&shard->loop);
    else
        timer_start(shard, &shard->stop_timer, STOP_FLUSH_MS, on_stop_timeout, shard);
}

void shard_on_conn_gone(struct shard *shard)
{
    if (shard->stopping && !shard->gone && !ws_server_count(shard->ws))
        uv_stop(&shard->loop);
}

static void on_drain_timeout(uv_timer_t *clock)
{
    uv_stop(clock->loop);
}

/* Lets every handle finish its closing; false if something (a name still being looked up) holds on.
 */
static bool drain_loop(struct shard *shard)
{
    bool done;

    shard->clock_due = 1; /* keeps shard_schedule() off the clock */
    loop_watch_stop(&shard->watch);
    uv_update_time(&shard->loop);
    uv_timer_start(&shard->clock, on_drain_timeout, LOOP_DRAIN_MS, 0);
    uv_unref((uv_handle_t *)&shard->clock);
    done = uv_run(&shard->loop, UV_RUN_DEFAULT) == 0;
    /* On a foreign loop libwebsockets frees its context only when asked again after its handles are
     * closed. */
    if (done && shard->lws)
        lws_context_destroy(shard->lws);
    uv_close((uv_handle_t *)&shard->clock, NULL);
    uv_run(&shard->loop, UV_RUN_NOWAIT);
    return uv_loop_close(&shard->loop) == 0 && done;
}

/* ---- the thread
 * --------------------------------------------------------------------------------------- */

static void on_lws_log(int level, const char *line)
{
    size_t len = strcspn(line, "\n");

    /* Once connections exist, nearly all of it is about what a peer did wrong. */
    if (self && !self->listener && !self->stopping)
        log_warn("lws", "%.*s", (int)len, line);
    else
        log_debug("lws", "%s%.*s", level & LLL_ERR ? "error: " : "", (int)len, line);
}

static void init_once(void)
{
    struct rlimit files;

    lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
    /* libwebsockets sizes two tables in each context by the limit, however large it is. */
    if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur > MAX_FDS) {
        files.rlim_cur = MAX_FDS;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static enum antiphon_status create_lws(struct shard *shard)
{
    void *loops[1] = {&shard->loop};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME,
        .foreign_loops = loops,
        .user = shard,
        .pcontext = &shard->lws, /* NULL again when the context is really gone */
        .pt_serv_buf_size = SERVICE_BUF_BYTES,
        .max_http_header_data = HEADER_BYTES,
        .max_http_header_pool = HEADER_TABLES,
        .timeout_secs = HANDSHAKE_SECONDS,
    };
    enum antiphon_status status =
        protocol_table_new(shard->options.ws->subprotocols, &shard->protocols);

    if (status)
        return err_set(shard->err, status, "out of memory");
    shard->lws = lws_create_context(&info);
    if (!shard->lws)
        return err_set(
            shard->err, ANTIPHON_EUNAVAILABLE,
            "libwebsockets has no libuv event loop (is libwebsockets-evlib-uv installed?)");
    info.protocols = shard->protocols;
    info.vhost_name = "antiphon";
    info.alpn = "http/1.1"; /* HTTP/2 stays off: CVE-2026-19773 */
    info.keepalive_timeout = KEEPALIVE_SECONDS;
    info.retry_and_idle_policy = &no_keepalive;
    shard->vhost = lws_create_vhost(shard->lws, &info);
    if (!shard->vhost)
        return err_set(shard->err, ANTIPHON_EINTERNAL, "cannot create the server's virtual host");
    return ANTIPHON_OK;
}

static enum antiphon_status adopt_listener(struct shard *shard)
{
    lws_sock_file_fd_type fd;
    enum antiphon_status status =
        listener_open(shard->options.host, shard->options.port, &shard->listen_fd, shard->err);

    if (status)
        return status;
    shard->spare_fd = dup(shard->listen_fd);
    fd.filefd = shard->listen_fd;
    shard->listener = lws_adopt_descriptor_vhost(shard->vhost, LWS_ADOPT_RAW_FILE_DESC, fd,
                                                 PROTOCOL_LISTENER_NAME, NULL);
    if (!shard->listener)
        return err_set(shard->err, ANTIPHON_EINTERNAL, "cannot watch the listening socket");
    return ANTIPHON_OK;
}

static enum antiphon_status set_up(struct shard *shard)
{
    enum antiphon_status status;

    uv_timer_init(&shard->loop, &shard->clock);
    shard->clock.data = shard;
    loop_watch_start(&shard->watch, &shard->loop, shard->options.index);
    timer_wheel_init(&shard->wheel, clock_now_ms());
    status = ws_server_new(shard, shard->options.ws, &shard->ws);
    if (!status)
        status = resolver_new(&shard->loop, &shard->resolver);
    if (!status)
        status = upstream_pool_new(&shard->pool);
    if (status)
        return err_set(shard->err, status, "out of memory");
    status = create_lws(shard);
    if (status)
        return status;
    shard->started = true;
    if (shard->options.on_start)
        shard->user = shard->options.on_start(shard->options.ctx, shard);
    return adopt_listener(shard);
}

static void tear_down(struct shard *shard)
{
    atomic_store(&shard->gone, true);
    while (atomic_load(&shard->wakers))
        sched_yield();
    if (shard->lws)
        lws_context_destroy(shard->lws); /* closes every connection before it returns */
    if (shard->started && shard->options.on_stop)
        shard->options.on_stop(shard->options.ctx, shard, shard->user);
    timer_stop(shard, &shard->stop_timer);
    resolver_close(shard->resolver);
    shard->leaked = !drain_loop(shard);
    if (!shard->leaked)
        resolver_free(shard->resolver);
    if (shard->spare_fd >= 0)
        close(shard->spare_fd);
    upstream_pool_free(shard->pool);
    ws_server_free(shard->ws);
    free(shard->protocols);
}

static void *run(void *arg)
{
    struct shard *shard = arg;

    char name[16];

    self = shard;
    (void)snprintf(name, sizeof(name), "shard-%u", shard->options.index);
    pthread_setname_np(pthread_self(), name);
    thread_forbid_blocking();
    if (!shard->options.aside)
        metrics_name_shard(shard->options.index);
    shard->listen_fd = shard->spare_fd = -1;
    shard->status = set_up(shard);
    if (shard->status) {
        tear_down(shard);
        sem_post(&shard->ready);
        return NULL;
    }
    sem_post(&shard->ready);
    uv_run(&shard->loop, UV_RUN_DEFAULT);
    tear_down(shard);
    return NULL;
}

static void shard_free(struct shard *shard)
{
    inbox_free(shard->inbox, shard);
    sem_destroy(&shard->ready);
    if (shard->leaked)
        log_warn("shard", "a name is still being looked up, its memory is left behind");
    else
        free(shard);
}

/* [main] Shards post to each other: one that has stopped stays, to take messages and drop them,
 * until the last of them has stopped. */
static unsigned running;
static struct shard *stopped;

static void bury(struct shard *shard)
{
    shard->next_stopped = stopped;
    stopped = shard;
    if (--running)
        return;
    while (stopped) {
        struct shard *next = stopped->next_stopped;
        shard_free(stopped);
        stopped = next;
    }
}

/* Signals are for the main thread, but for those that a fault of the thread itself raises. (A
 * broken pipe under TLS, too, comes to nothing here: SIGPIPE goes to the thread that wrote.) */
static int start_thread(struct shard *shard)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    sigset_t all, old;
    int fault;

    thread_blocked(&all);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    fault = pthread_create(&shard->thread, NULL, run, shard);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return fault;
}

enum antiphon_status shard_start(const struct shard_options *options, struct shard **shard,
                                 struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct shard *made = calloc(1, sizeof(*made));
    enum antiphon_status status;

    if (!made)
        return err_set(err, ANTIPHON_ENOMEM, "out of memory");
    pthread_once(&once, init_once);
    made->options = *options;
    made->err = err;
    sem_init(&made->ready, 0, 0);
    if (inbox_new(wake, made, &made->inbox)) {
        sem_destroy(&made->ready);
        free(made);
        return err_set(err, ANTIPHON_ENOMEM, "out of memory");
    }
    if (uv_loop_init(&made->loop) || start_thread(made)) {
        shard_free(made);
        return err_set(err, ANTIPHON_EUNAVAILABLE, "cannot start a thread");
    }
    while (sem_wait(&made->ready))
        ;
    made->err = NULL;
    status = made->status;
    if (status) {
        pthread_join(made->thread, NULL);
        shard_free(made);
        return status;
    }
    running++;
    *shard = made;
    return ANTIPHON_OK;
}

void shard_stop_begin(struct shard *shard)
{
    if (shard->stop_message.run)
        return;
    shard->stop_message.run = on_stop_message;
    shard_post(shard, &shard->stop_message);
}

void shard_stop(struct shard *shard)
{
    if (!shard)
        return;
    shard_stop_begin(shard);
    pthread_join(shard->thread, NULL);
    bury(shard);
}
