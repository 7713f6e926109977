#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "api/http_route.h"
#include "api/ws_route.h"
#include "auth/origin.h"
#include "base/clock.h"
#include "base/ebb.h"
#include "base/log.h"
#include "command/assembly.h"
#include "command/command.h"
#include "command/crash.h"
#include "command/demo.h"
#include "command/options.h"
#include "command/reload.h"
#include "command/services.h"
#include "command/start_watch.h"
#include "net/http_client.h"
#include "net/listener.h"
#include "net/static_files.h"
#include "net/upstream.h"
#include "session/link.h"
#include "session/sessions.h"
#include "session/tool_job.h"
#include "base/banned.h"

#define SUMMARY "Serves the web client and its WebSocket protocols until SIGTERM or SIGINT."
#define END_MS 2000        /* for sessions to end */
#define PING_MS 20000      /* of silence; then the client is asked whether it is there */
#define HANGUP_MS 45000
#define HOOK_THREADS 4
#define HOOK_JOBS 1000
#define POOL_END_MS 500    /* for tools to end */
#define WANTED_FILES 65536 /* descriptors */

struct server {
    struct assembly assembly;
    struct runtime runtime;
    struct demo *demo;
    struct reload *reload;
    struct services *services;
    struct http_client *http;
    struct static_files *files;
    struct ws_server_options ws;
    struct http_server_options http_server;
    struct ws_server_options metrics_ws;
    struct http_server_options metrics_http;
    struct shard *metrics; /* a listener and thread of its own for /metrics; NULL: none */
    char url[300], metrics_url[300];
    bool upstream;
    unsigned started; /* shards */
};

/* ---- shards ---- */

static void *on_shard_start(void *ctx, struct shard *shard)
{
    struct server *server = ctx;
    struct sessions *sessions = NULL;

    /* Put down by the shard itself: its first client may come before main has seen it start. */
    server->runtime.shards[shard_index(shard)] = shard;
    if (sessions_new(&server->runtime, shard, &sessions))
        log_error("serve", "shard=%u out of memory", shard_index(shard));
    return sessions;
}

static void on_shard_stop(void *ctx, struct shard *shard, void *sessions)
{
    (void)ctx;
    (void)shard;
    sessions_free(sessions);
}

static void print_url(char url[300], const char *host, int port)
{
    (void)snprintf(url, 300, strchr(host, ':') ? "http://[%s]:%d" : "http://%s:%d", host, port);
}

static int refuse_upgrade(void *ctx, struct shard *shard, const struct ws_upgrade *upgrade, void **conn_ctx)
{
    (void)ctx;
    (void)shard;
    (void)upgrade;
    (void)conn_ctx;
    return 404;
}

/* After the other shards, whose numbers it must not take. */
static enum antiphon_status start_metrics(struct server *server, struct err *err)
{
    const struct config *config = server->assembly.config;
    struct shard_options options = {.index = config->shards,
                                    .host = config->metrics_host,
                                    .port = config->metrics_port,
                                    .ws = &server->metrics_ws,
                                    .http = &server->metrics_http,
                                    .aside = true};
    enum antiphon_status status;
    int reserve = -1;

    if (!config->metrics_host)
        return ANTIPHON_OK;
    server->metrics_ws = (struct ws_server_options){.max_connections = 1, .on_upgrade = refuse_upgrade};
    server->metrics_http =
        (struct http_server_options){.on_request = http_route_on_metrics, .ctx = &server->runtime};
    status = listener_probe(options.host, &options.port, &reserve, err);
    if (!status)
        status = shard_start(&options, &server->metrics, err);
    if (reserve >= 0)
        close(reserve);
    print_url(server->metrics_url, options.host, options.port);
    return status;
}

static enum antiphon_status start_shards(struct server *server, struct err *err)
{
    const struct config *config = server->assembly.config;
    struct shard_options options = {.host = config->host,
                                    .port = config->port,
                                    .ws = &server->ws,
                                    .http = &server->http_server,
                                    .on_start = on_shard_start,
                                    .on_stop = on_shard_stop,
                                    .ctx = server};
    enum antiphon_status status;
    int reserve = -1;

    status = listener_probe(config->host, &options.port, &reserve, err);
    server->runtime.shards_n = config->shards;
    for (unsigned i = 0; !status && i < config->shards; i++) {
        struct shard *shard;
        options.index = i;
        status = shard_start(&options, &shard, err);
        if (!status)
            server->started = i + 1;
    }
    if (reserve >= 0)
        close(reserve);
    print_url(server->url, config->host, options.port);
    return status;
}

struct ending {
    struct inbox_message inbox;
    atomic_uint *left;
    bool ask; /* first message: end; later ones only count */
};

static void run_ending(void *owner, struct inbox_message *message, bool dropped)
{
    struct ending *ending = (struct ending *)message;
    struct sessions *sessions = dropped ? NULL : shard_user(owner);

    if (sessions) {
        if (ending->ask)
            sessions_end(sessions);
        atomic_fetch_add(ending->left, sessions_count(sessions));
    }
    atomic_fetch_sub(ending->left, 1u << 24);
    free(ending);
}

/* Asks every shard how many sessions it still has; the first time it also asks them to end. */
static unsigned ask_shards(struct server *server, bool ask, uint64_t until_ms)
{
    static atomic_uint left; /* answers may outlive an impatient caller */
    struct timespec pause = {0, 5000000};

    atomic_store(&left, server->started << 24);
    for (unsigned i = 0; i < server->started; i++) {
        struct ending *ending = calloc(1, sizeof(*ending));
        if (!ending)
            return 0;
        ending->inbox.run = run_ending;
        ending->left = &left;
        ending->ask = ask;
        shard_post(server->runtime.shards[i], &ending->inbox);
    }
    while (atomic_load(&left) >> 24 && clock_now_ms() < until_ms)
        nanosleep(&pause, NULL);
    return atomic_load(&left) & 0xffffffu;
}

static void end_sessions(struct server *server)
{
    uint64_t until = clock_now_ms() + END_MS;
    struct timespec pause = {0, 5000000};
    unsigned left = ask_shards(server, true, until);

    while (left > 0 && clock_now_ms() < until) {
        nanosleep(&pause, NULL);
        left = ask_shards(server, false, until);
    }
    if (left > 0)
        log_warn("serve", "%u sessions did not end in time", left);
}

/* ---- start and stop ---- */

/* The kernel's table of descriptors doubles when it is full, and in a process with threads every doubling waits until
 * all cores have passed through the scheduler (10 to 20 ms): the loop of a shard would stand still. Before the first
 * thread it costs nothing. */
static void grow_files(int limit)
{
    int last = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, limit - 1);

    if (last >= 0)
        close(last);
}

static void raise_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    /* libwebsockets sizes tables by the limit, so "unlimited" would be harmful too. */
    limit.rlim_cur = limit.rlim_max < WANTED_FILES ? limit.rlim_max : WANTED_FILES;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    grow_files((int)limit.rlim_cur);
}

static enum antiphon_status check_exposure(const struct config *config, struct err *err)
{
    if (origin_host_is_loopback(config->host) || config->insecure_no_auth)
        return ANTIPHON_OK;
    return err_set(err, ANTIPHON_EDENIED,
                   "%s can be reached by others and nobody has to sign in; listen on 127.0.0.1 behind a proxy that "
                   "signs people in, or say --insecure-no-auth",
                   config->host);
}

static enum antiphon_status open_parts(struct server *server, struct err *err)
{
    const struct config *config = server->assembly.config;
    struct store_options store = {.path = config->store_path};
    enum antiphon_status status;

    status = static_files_load(config->static_dir, &server->files, err);
    if (!status)
        status = directory_new(&server->runtime.directory);
    if (!status)
        status = pool_new("tools", config->limits.tool_threads, config->limits.tool_jobs, &server->runtime.pool);
    if (!status)
        status = pool_new("hooks", HOOK_THREADS, HOOK_JOBS, &server->runtime.hooks);
    if (!status)
        status = store_open(&store, &server->runtime.store, err);
    if (!status)
        status = services_open(&server->runtime, server->http, &server->services);
    return status;
}

static void fill_options(struct server *server)
{
    const struct config *config = server->assembly.config;
    unsigned shards = config->shards ? config->shards : 1;

    server->runtime.config = config;
    server->runtime.agents = server->assembly.agents;
    server->runtime.profiles = server->assembly.profiles;
    server->runtime.registry = server->assembly.registry;
    server->runtime.isolate = server->assembly.isolate;
    server->runtime.demo_hint = config->demo ? DEMO_HINT : NULL;
    server->ws = (struct ws_server_options){.subprotocols = ws_route_subprotocols,
                                            .max_connections = (config->limits.connections + shards - 1) / shards,
                                            .max_message = config->limits.client_message_bytes,
                                            .max_control_bytes = config->limits.client_control_bytes,
                                            .max_control_messages = config->limits.client_control_messages,
                                            .max_audio_bytes = config->limits.client_audio_bytes,
                                            .stall_ms = config->limits.client_stall_ms,
                                            .ping_ms = PING_MS,
                                            .hangup_ms = HANGUP_MS,
                                            .on_upgrade = ws_route_on_upgrade,
                                            .on_open = link_on_open,
                                            .on_message = link_on_message,
                                            .on_close = link_on_close,
                                            .ctx = &server->runtime};
    server->http_server = (struct http_server_options){
        .files = server->files, .on_request = http_route_on_request, .ctx = &server->runtime};
}

static enum antiphon_status start_demo(struct server *server, struct report *report)
{
    struct err err = {0};

    if (!server->assembly.config->demo || !demo_start(&server->demo, &err))
        return ANTIPHON_OK;
    report_fault(report, NULL, 0, 0, "", "%s", err.text);
    return err.status;
}

static enum antiphon_status load_plugins(struct server *server, struct report *report)
{
    struct start_watch watch;

    crash_watch();
    if (!start_watch_start(&watch))
        server->assembly.watch = &watch;
    enum antiphon_status status =
        assembly_load_plugins(&server->assembly, services_table(server->services), report);
    if (server->assembly.watch)
        start_watch_stop(&watch);
    server->assembly.watch = NULL;
    return status;
}

static enum antiphon_status start(struct server *server, const struct config_flags *flags, struct report *report)
{
    enum antiphon_status status;
    struct err err = {0};

    status = assembly_load_config(&server->assembly, flags, report);
    if (status)
        return status;
    log_set_level(server->assembly.config->log_level);
    status = check_exposure(server->assembly.config, &err);
    if (!status)
        status = upstream_global_init(&err);
    if (status)
        goto out;
    server->upstream = true;
    status = http_client_start(&server->http, &err);
    if (status)
        goto out;
    status = start_demo(server, report);
    if (status)
        return status;
    status = open_parts(server, &err);
    if (status)
        goto out;
    server->assembly.bears_failures = true;
    server->assembly.runner = RUNNER_PROGRAM;
    status = load_plugins(server, report);
    if (status)
        return status;
    fill_options(server);
    services_starting(server->services);
    status = start_shards(server, &err);
    if (!status)
        status = start_metrics(server, &err);
    services_started(server->services);
    if (!status)
        status = reload_start(&server->assembly, &server->reload, &err);
out:
    if (status)
        report_fault(report, NULL, 0, 0, "", "%s", err.text[0] ? err.text : status_name(status));
    return status;
}

/* A tool that does not end goes on using its plugin and the host: they go with the process. */
static void leave_behind(void)
{
    log_warn("serve", "a tool did not end in time and is left behind");
    (void)fflush(NULL);
    _exit(EXIT_SUCCESS);
}

/* Those that a thread of the plugin's own has to finish: until it has, it uses the host. */
static bool wait_for_calls(void)
{
    const struct timespec pause = {0, 5000000};
    uint64_t until = clock_now_ms() + POOL_END_MS;

    while (tool_jobs_open() > 0 && clock_now_ms() < until)
        nanosleep(&pause, NULL);
    return tool_jobs_open() == 0;
}

/* In this order: nobody new comes, conversations end and are saved, then what they stood on goes. */
static void stop(struct server *server)
{
    struct runtime *runtime = &server->runtime;
    bool ended = true;

    for (unsigned i = 0; i < server->started; i++)
        shard_stop_accepting(runtime->shards[i]);
    if (server->started > 0)
        end_sessions(server);
    isolate_stop(server->assembly.isolate); /* while what plugins may ask for in shutdown() is there */
    reload_stop(server->reload);
    tool_jobs_set_phase(TOOL_JOBS_ENDING);
    services_close(server->services);
    if (runtime->pool)
        ended = pool_free(runtime->pool, POOL_END_MS);
    if (runtime->hooks)
        ended = pool_free(runtime->hooks, POOL_END_MS) && ended;
    ended = wait_for_calls() && ended;
    tool_jobs_set_phase(TOOL_JOBS_CLOSED);
    if (runtime->store)
        store_close(runtime->store);
    http_client_stop(server->http);
    shard_stop(server->metrics);
    for (unsigned i = 0; i < server->started; i++)
        shard_stop_begin(runtime->shards[i]);
    for (unsigned i = 0; i < server->started; i++)
        shard_stop(runtime->shards[i]);
    demo_stop(server->demo);
    if (!ended)
        leave_behind();
    assembly_free(&server->assembly);
    services_free(server->services);
    directory_free(runtime->directory);
    static_files_free(server->files);
    if (server->upstream)
        upstream_global_deinit();
}

static void announce(const struct server *server)
{
    const struct config *config = server->assembly.config;

    printf("antiphon listening on %s\n", server->url);
    if (server->metrics)
        printf("\n  Metrics: %s/metrics\n", server->metrics_url);
    if (config->demo)
        printf("\n  %s\n", DEMO_HINT);
    printf("\n  Open %s in a browser and type or speak. Agents: %zu (default: %s). Ctrl-C stops.\n", server->url,
           agents_count(server->assembly.agents), agents_default(server->assembly.agents)->folder);
    (void)fflush(stdout);
}

/* Looks after the process's memory meanwhile. */
static int wait_for_signal(struct server *server, const sigset_t *signals)
{
    const struct timespec second = {1, 0};
    struct ebb ebb = {0};
    int caught;

    while ((caught = sigtimedwait(signals, NULL, &second)) < 0) {
        uint64_t begun = clock_now_ms();
        if (!ebb_low(&ebb, directory_count(server->runtime.directory)))
            continue;
        malloc_trim(0);
        log_debug("serve", "gave memory back in %llu ms", (unsigned long long)(clock_now_ms() - begun));
    }
    return caught;
}

static int run(int argc, char **argv)
{
    struct server *server = calloc(1, sizeof(*server));
    struct config_flags flags;
    struct report report;
    int exit_code = COMMAND_FAILED;
    sigset_t signals;

    if (!server)
        return COMMAND_FAILED;
    if (!options_parse(argc, argv, SUMMARY, &flags, &exit_code)) {
        free(server);
        return exit_code;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL); /* before any thread, which inherit it */
    raise_files();
    report_init(&report);
    if (start(server, &flags, &report) == ANTIPHON_OK) {
        fputs(buf_text(&report.text), stderr);
        announce(server);
        while (wait_for_signal(server, &signals) == SIGHUP)
            reload_now(server->reload);
        log_info("serve", "stopping");
        exit_code = COMMAND_OK;
    } else {
        (void)fprintf(stderr, "antiphon: cannot start\n%s", buf_text(&report.text));
    }
    stop(server);
    crash_allow_exit();
    report_deinit(&report);
    free(server);
    return exit_code;
}

const struct command command_serve = {"serve", SUMMARY, run};
