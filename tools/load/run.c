#include "run.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "child.h"
#include "client.h"
#include "tls.h"

#define SECOND    1000000000u
#define OPEN_WAIT (20u * SECOND) /* for the last client to come up */
#define GRACE     SECOND         /* for what is under way when the window ends */
#define TICK      10000000u

enum phase { COMING, WARMING, MEASURING, ENDING, LEAVING };

struct runner {
    struct world world;
    struct timer timer;
    enum phase phase;
    uint64_t since, last_call;
    struct child child;
    struct result *result;
    char cert[128];
};

static volatile sig_atomic_t enough;

static void on_enough(int number)
{
    (void)number;
    enough = 1;
}

bool world_measures(const struct world *world, uint64_t due_ns)
{
    return world->from_ns && due_ns >= world->from_ns && due_ns < world->to_ns;
}

uint64_t world_random(struct world *world, uint64_t below)
{
    world->random = world->random * 6364136223846793005u + 1442695040888963407u;
    return below ? (world->random >> 20) % below : 0;
}

void world_error(struct world *world, const char *text, size_t len)
{
    struct counts *counts = &world->counts;
    size_t n = len < sizeof(counts->first_error) - 1 ? len : sizeof(counts->first_error) - 1;

    if (counts->first_error[0])
        return;
    memcpy(counts->first_error, text, n);
    counts->first_error[n] = '\0';
}

static int pid_of(const struct runner *runner)
{
    return runner->child.pid ? runner->child.pid : runner->world.options->pid;
}

static void sample(const struct runner *runner, struct proc_sample *sample_out)
{
    proc_sample(pid_of(runner), runner->world.options->server_cpu, sample_out);
}

static void enter(struct runner *runner, enum phase phase, uint64_t now_ns)
{
    struct world *world = &runner->world;

    runner->phase = phase;
    runner->since = now_ns;
    if (phase == MEASURING) {
        scrape_take(&world->server, &runner->result->scrape_from);
        sample(runner, &runner->result->from);
        allocs_begin(&runner->result->allocs);
        world->from_ns = loop_now();
        world->to_ns = world->from_ns + (uint64_t)(world->options->seconds * 1e9);
    } else if (phase == ENDING) {
        allocs_end(&runner->result->allocs, pid_of(runner), stderr);
        sample(runner, &runner->result->to);
        world->sending = false;
        scrape_take(&world->server, &runner->result->scrape_to);
    } else if (phase == LEAVING) {
        runner->result->open = world->open;
        world->from_ns = 0;
        clients_close(world);
    }
}

static void on_tick(struct timer *timer, uint64_t now_ns)
{
    struct runner *runner = (struct runner *)((char *)timer - offsetof(struct runner, timer));
    struct world *world = &runner->world;
    uint64_t spent = now_ns - runner->since, next = now_ns + TICK;

    if (enough && runner->phase == MEASURING && now_ns < world->to_ns)
        world->to_ns = now_ns;
    switch (runner->phase) {
    case COMING:
        if (now_ns >= runner->last_call &&
            (world->open == world->clients_n || now_ns - runner->last_call > OPEN_WAIT))
            enter(runner, WARMING, now_ns);
        break;
    case WARMING:
        if ((double)spent >= world->options->warmup * 1e9)
            enter(runner, MEASURING, now_ns);
        break;
    case MEASURING:
        if (now_ns >= world->to_ns) /* what was due before counts */
            enter(runner, ENDING, now_ns);
        else if (world->to_ns - now_ns < TICK)
            next = world->to_ns;
        break;
    case ENDING:
        if (spent >= GRACE)
            enter(runner, LEAVING, now_ns);
        break;
    case LEAVING:
        if ((double)spent >= world->options->leave * 1e9)
            world->loop.stop = true;
        break;
    }
    loop_timer(&world->loop, timer, next);
}

static void raise_files(void)
{
    struct rlimit files;

    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static bool set_up(struct runner *runner, const struct options *options, int *port, char *why,
                   size_t why_size)
{
    struct world *world = &runner->world;

    world->options = options;
    world->random = 1;
    world->loop.epoll = world->listener.fd = -1;
    raise_files();
    if (!proc_pin(options->cpu)) {
        (void)snprintf(why, why_size, "cannot keep to core %d", options->cpu);
        return false;
    }
    if (options->tls) {
        (void)snprintf(runner->cert, sizeof(runner->cert), "/tmp/load-cert-%d.pem", (int)getpid());
        world->tls = tls_server_new(options->cert ? options->cert : runner->cert, why, why_size);
        if (!world->tls)
            return false;
    }
    *port = options->upstream_port;
    if (!pcm_frames_init(&world->up, options->up_bytes) ||
        !pcm_frames_init(&world->down, options->down_bytes) || !loop_init(&world->loop) ||
        !live_listen(world, port)) {
        (void)snprintf(why, why_size, "cannot listen, or out of memory");
        return false;
    }
    return true;
}

static void reset_counts(struct counts *counts)
{
    struct hist *hists[] = {&counts->up,      &counts->down,        &counts->late,
                            &counts->connect, &counts->open,        &counts->first_text,
                            &counts->turn,    &counts->interrupted, &counts->burst};

    for (size_t i = 0; i < sizeof(hists) / sizeof(hists[0]); i++)
        hist_reset(hists[i]);
}

static bool start_server(struct runner *runner, int port, char *why, size_t why_size)
{
    const struct options *options = runner->world.options;
    struct child_options child = {
        .command = options->server, .core = options->server_cpu, .preload = options->allocs};
    char upstream[64];

    (void)snprintf(upstream, sizeof(upstream), "http%s://127.0.0.1:%d", options->tls ? "s" : "",
                   port);
    child.upstream = upstream;
    if (options->allocs && !allocs_open(&runner->result->allocs)) {
        (void)snprintf(why, why_size, "cannot count allocations");
        return false;
    }
    if (options->tls)
        child.cert_file = options->cert ? options->cert : runner->cert;
    return child_start(&child, &runner->child, &runner->world.server, why, why_size);
}

static bool find_server(struct runner *runner, char *why, size_t why_size)
{
    const char *where = runner->world.options->connect_to, *colon = strrchr(where, ':');
    char host[64];
    size_t n = colon ? (size_t)(colon - where) : sizeof(host);

    runner->world.server.sin_family = AF_INET;
    if (n < sizeof(host)) {
        memcpy(host, where, n);
        host[n] = '\0';
        runner->world.server.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
        if (inet_pton(AF_INET, host, &runner->world.server.sin_addr) == 1)
            return true;
    }
    (void)snprintf(why, why_size, "--connect takes ADDRESS:PORT, not %s", where);
    return false;
}

/* All clients come, are measured, and go. */
static bool cycle(struct runner *runner, char *why, size_t why_size)
{
    struct world *world = &runner->world;
    uint64_t now = loop_now();

    clients_free(world);
    live_free_all(world);
    world->open = 0;
    world->loop.stop = false;
    runner->phase = COMING;
    if (!clients_new(world, now)) {
        (void)snprintf(why, why_size, "out of memory");
        return false;
    }
    world->sending = true;
    runner->last_call = clients_last_call(world, now);
    runner->timer.on_due = on_tick;
    runner->since = now;
    loop_timer(&world->loop, &runner->timer, now);
    loop_run(&world->loop);
    return true;
}

static bool measure(struct runner *runner, char *why, size_t why_size)
{
    struct world *world = &runner->world;
    struct result *result = runner->result;

    (void)signal(SIGTERM, on_enough);
    sample(runner, &result->empty);
    result->start_ns = runner->child.start_ns;
    for (unsigned i = 0; i < world->options->cycles; i++) {
        if (!cycle(runner, why, why_size))
            return false;
        sample(runner, &result->cycle[i]);
        result->lives_left = world->lives_open;
        live_close_all(world);
    }
    result->counts = world->counts;
    result->after = result->cycle[world->options->cycles - 1];
    return true;
}

bool run(const struct options *options, struct result *result, char *why, size_t why_size)
{
    struct runner *runner = calloc(1, sizeof(*runner));
    bool done = false;
    int port = 0;

    memset(result, 0, sizeof(*result));
    if (!runner) {
        (void)snprintf(why, why_size, "out of memory");
        return false;
    }
    runner->result = result;
    reset_counts(&runner->world.counts);
    if (set_up(runner, options, &port, why, why_size) &&
        (options->server ? start_server(runner, port, why, why_size)
                         : find_server(runner, why, why_size)))
        done = measure(runner, why, why_size);
    clients_close(&runner->world);
    live_close_all(&runner->world);
    child_stop(&runner->child);
    allocs_close(&result->allocs);
    loop_deinit(&runner->world.loop);
    clients_free(&runner->world);
    live_free_all(&runner->world);
    if (runner->world.listener.fd >= 0)
        close(runner->world.listener.fd);
    SSL_CTX_free(runner->world.tls);
    pcm_frames_deinit(&runner->world.up);
    pcm_frames_deinit(&runner->world.down);
    if (runner->cert[0])
        unlink(runner->cert);
    free(runner);
    return done;
}
