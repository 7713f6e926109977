/* roundtrip - what a call of a tool costs, from handing it over to its result: by a direct call, on a worker of the server's
 * pool (isolation: thread) and in a process of the plugin's own, which the same worker asks (isolation: process). The three
 * take turns in one run, one call at a time; the tool does nothing. This program is also the plugin's process. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pool.h"
#include "plugin/isolate.h"
#include "plugin/runner.h"

#define TURNS      10
#define CALLS      2000 /* in a turn */
#define QUICK      50
#define PATIENCE_S 20

enum way { DIRECT, THREAD, PROCESS, WAYS };

static struct measured {
    double us[TURNS * CALLS];
    size_t n;
} measured[WAYS];

/* The call that is under way; one at a time. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t came;
    struct pool_job job;
    struct antiphon_call call;
    const struct registry_tool *tool;
    bool done;
    enum antiphon_status status;
} now = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_finish(void *ctx, struct antiphon_call *call, enum antiphon_status status, const char *text, size_t len)
{
    (void)ctx, (void)call, (void)text, (void)len;
    pthread_mutex_lock(&now.lock);
    now.status = status;
    now.done = true;
    pthread_cond_signal(&now.came);
    pthread_mutex_unlock(&now.lock);
}

static void invoke(struct pool_job *job, bool dropped)
{
    (void)job, (void)dropped;
    if (now.tool->tool.invoke(now.tool->state, &now.call))
        on_finish(NULL, &now.call, ANTIPHON_EINTERNAL, "", 0);
}

static bool wait_done(void)
{
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&now.lock);
    while (!now.done && !rc)
        rc = pthread_cond_timedwait(&now.came, &now.lock, &until);
    bool well = now.done && now.status == ANTIPHON_OK;
    pthread_mutex_unlock(&now.lock);
    return well;
}

static double clock_us(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* pool NULL: called directly. */
static bool call(const struct registry_tool *tool, struct pool *pool, struct measured *to)
{
    double begun = clock_us();

    now.tool = tool;
    now.done = false;
    now.call = (struct antiphon_call){.struct_size = sizeof(now.call),
                                      .tool = "nothing",
                                      .call_id = "call",
                                      .app = "bench",
                                      .user_id = "user",
                                      .session_id = "session",
                                      .agent = "agent",
                                      .args = "{}",
                                      .args_len = 2,
                                      .deadline_ms = clock_now_ms() + 1000u * PATIENCE_S};
    now.job = (struct pool_job){.run = invoke};
    if (!pool)
        invoke(&now.job, false);
    else if (pool_submit(pool, &now.job))
        return false;
    if (!wait_done())
        return false;
    to->us[to->n++] = clock_us() - begun;
    return true;
}

static int by_size(const void *a, const void *b)
{
    double one = *(const double *)a, two = *(const double *)b;

    return (one > two) - (one < two);
}

static double percentile(struct measured *of, unsigned percent)
{
    return of->us[(of->n - 1) * percent / 100];
}

static void report(bool json)
{
    static const char *const names[WAYS] = {"a direct call", "a worker of the server", "a process of its own"};

    for (unsigned i = 0; i < WAYS; i++)
        qsort(measured[i].us, measured[i].n, sizeof(measured[i].us[0]), by_size);
    double direct = percentile(&measured[DIRECT], 50), thread = percentile(&measured[THREAD], 50),
           process = percentile(&measured[PROCESS], 50);
    if (json) {
        printf("{\"direct_us\":%.3f,\"thread_us\":%.2f,\"thread_p99_us\":%.2f,\"process_us\":%.2f,"
               "\"process_p99_us\":%.2f,\"ratio\":%.2f}\n",
               direct, thread, percentile(&measured[THREAD], 99), process, percentile(&measured[PROCESS], 99),
               process / thread);
        return;
    }
    printf("A call of a tool that does nothing, microseconds (median, 99th percentile of %zu):\n", measured[0].n);
    for (unsigned i = 0; i < WAYS; i++)
        printf("  %-24s %8.2f %8.2f\n", names[i], percentile(&measured[i], 50), percentile(&measured[i], 99));
    printf("  a process takes %.1f times as long as a worker, %.1f us more\n", process / thread, process - thread);
}

static bool measure(const struct registry_tool *here, const struct registry_tool *there, struct pool *pool,
                    unsigned calls)
{
    struct measured *warm = &measured[DIRECT];
    bool well = true;

    for (unsigned i = 0; i < 100 && well; i++)
        well = call(here, NULL, warm) && call(here, pool, warm) && call(there, pool, warm);
    warm->n = 0;
    for (unsigned turn = 0; turn < TURNS && well; turn++) {
        for (unsigned i = 0; i < calls && well; i++)
            well = call(here, NULL, &measured[DIRECT]);
        for (unsigned i = 0; i < calls && well; i++)
            well = call(here, pool, &measured[THREAD]);
        for (unsigned i = 0; i < calls && well; i++)
            well = call(there, pool, &measured[PROCESS]);
    }
    return well;
}

/* Both kinds of the same plugin, in registries of their own. */
static bool run(unsigned calls, bool json)
{
    static const char *const dirs[] = {NOTHING_DIR, NULL};
    const struct host_services services = {.finish = on_finish};
    struct registry *here = NULL, *there = NULL;
    struct isolate *isolate = NULL;
    struct pool *pool = NULL;
    struct err err = {0};
    bool well = false;

    if (registry_new(&services, &here) || registry_new(&services, &there) || pool_new("tools", 4, 100, &pool))
        goto out;
    const struct isolate_options options = {.program = "/proc/self/exe", .registry = there, .services = &services};
    if (isolate_new(&options, &isolate, &err) || registry_load(here, dirs, "nothing", NULL, NULL, &err) ||
        isolate_load(isolate, dirs, "nothing", NULL, &err))
        goto out;
    well = measure(registry_tool(here, "nothing"), registry_tool(there, "nothing"), pool, calls);
    if (well)
        report(json);
out:
    if (!well)
        fprintf(stderr, "roundtrip: %s\n", err.text[0] ? err.text : "a call failed");
    isolate_stop(isolate);
    if (pool)
        (void)pool_free(pool, 1000);
    registry_free(there);
    registry_free(here);
    isolate_free(isolate);
    return well;
}

int main(int argc, char **argv)
{
    pthread_condattr_t attr;
    unsigned calls = CALLS;
    bool json = false;

    if (argc == 2 && strcmp(argv[1], "runner") == 0)
        return runner_main();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            calls = QUICK;
        } else if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else {
            fprintf(stderr, "usage: roundtrip [--quick] [--json]\n");
            return 2;
        }
    }
    log_set_level(ANTIPHON_WARN);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&now.came, &attr);
    pthread_condattr_destroy(&attr);
    return run(calls, json) ? 0 : 1;
}
