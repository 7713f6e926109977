/* Memory runs out at every point of what starts and asks plugins in processes of their own, in the server and in the process: one
 * allocation fails in each round. Nothing crashes or hangs; every load and every call ends with a result; and what comes
 * next works. This program is also the process. */
#include "unit.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "plugin/isolate.h"
#include "plugin/runner.h"

#define WAIT_MS    20000
#define CALL_MS    2000
#define SHARED_FD  200 /* of the process's countdown; inherited */
#define MAX_ROUNDS 2000

static const char *const dirs[] = {FIXTURE_PLUGINS_DIR, NULL};
static atomic_long *theirs; /* the countdown of the process */

static struct world {
    struct registry *registry;
    struct isolate *isolate;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned results;
    enum antiphon_status status;
    char text[256];
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- the server's part ---- */

static void came(enum antiphon_status status, const char *text, size_t len)
{
    pthread_mutex_lock(&world.lock);
    world.results++;
    world.status = status;
    (void)snprintf(world.text, sizeof(world.text), "%.*s", (int)(len < 250 ? len : 250), text ? text : "");
    pthread_cond_broadcast(&world.changed);
    pthread_mutex_unlock(&world.lock);
}

static void on_finish(void *ctx, struct antiphon_call *call, enum antiphon_status status, const char *text, size_t len)
{
    (void)ctx, (void)call;
    came(status, text, len);
}

static void on_decide(void *ctx, struct antiphon_check *check, enum antiphon_verdict verdict, const char *text, size_t len)
{
    (void)ctx, (void)check;
    came(verdict == ANTIPHON_REWRITE ? ANTIPHON_OK : ANTIPHON_EINTERNAL, text, len);
}

static enum antiphon_status on_state_get(void *ctx, const struct antiphon_call *call, const char *key, char *json,
                                         size_t size, size_t *len)
{
    (void)ctx, (void)call, (void)key;
    *len = (size_t)snprintf(json, size, "7");
    return ANTIPHON_OK;
}

static enum antiphon_status on_json(void *ctx, struct antiphon_call *call, const char *key, const char *json, size_t len)
{
    (void)ctx, (void)call, (void)key, (void)json, (void)len;
    return ANTIPHON_OK;
}

static enum antiphon_status on_receipt(void *ctx, struct antiphon_call *call, const char *json, size_t len)
{
    return on_json(ctx, call, "", json, len);
}

static enum antiphon_status on_publish(void *ctx, struct antiphon_call *call, const char *plugin, const char *name,
                                       const char *json, size_t len)
{
    (void)plugin;
    return on_json(ctx, call, name, json, len);
}

static enum antiphon_status on_put(void *ctx, const char *plugin, const char *user_id, const char *key,
                                   const char *value, size_t len)
{
    (void)ctx, (void)plugin, (void)user_id, (void)key, (void)value, (void)len;
    return ANTIPHON_OK;
}

static enum antiphon_status on_get(void *ctx, const char *plugin, const char *user_id, const char *key, char *value,
                                   size_t size, size_t *len)
{
    (void)ctx, (void)plugin, (void)user_id, (void)key;
    *len = (size_t)snprintf(value, size, "kept");
    return ANTIPHON_OK;
}

static enum antiphon_status on_find(void *ctx, const char *plugin, const struct antiphon_store_query *query,
                                    antiphon_row_fn *row, void *row_ctx)
{
    const struct antiphon_row one = {.struct_size = sizeof(one), .key = "k", .value = "v", .len = 1};

    (void)ctx, (void)plugin, (void)query;
    return row(row_ctx, &one) && row(row_ctx, &one) ? ANTIPHON_OK : ANTIPHON_EINTERNAL;
}

static enum antiphon_status on_http(void *ctx, const struct antiphon_http_request *request, antiphon_http_done_fn *done,
                                    void *done_ctx)
{
    const struct antiphon_http_response response = {.struct_size = sizeof(response),
                                                    .http_status = 200,
                                                    .headers = "",
                                                    .body = "fetched",
                                                    .body_len = 7};

    (void)ctx, (void)request;
    done(done_ctx, &response);
    return ANTIPHON_OK;
}

static enum antiphon_status on_config(void *ctx, const char *plugin, const char *schema, char **json)
{
    (void)ctx, (void)plugin, (void)schema;
    *json = strdup("{\"hooks\":true,\"token\":\"12\"}");
    return *json ? ANTIPHON_OK : ANTIPHON_ENOMEM;
}

static const struct host_services services = {.finish = on_finish,
                                              .decide = on_decide,
                                              .state_get = on_state_get,
                                              .state_set = on_json,
                                              .receipt = on_receipt,
                                              .publish = on_publish,
                                              .store_get = on_get,
                                              .store_put = on_put,
                                              .store_find = on_find,
                                              .http = on_http};

static enum antiphon_status new_isolate(struct isolate **isolate)
{
    const struct isolate_options options = {
        .program = "/proc/self/exe", .registry = world.registry, .services = &services, .config = on_config};
    struct err err = {0};

    return isolate_new(&options, isolate, &err);
}

static int set_up(void **state)
{
    (void)state;
    atomic_store(theirs, -1);
    assert_int_equal(registry_new(&services, &world.registry), ANTIPHON_OK);
    assert_int_equal(new_isolate(&world.isolate), ANTIPHON_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    isolate_stop(world.isolate);
    registry_free(world.registry);
    isolate_free(world.isolate);
    return 0;
}

/* ---- loading, calling ---- */

static bool wait_result(unsigned wanted)
{
    uint64_t at = clock_now_ms() + WAIT_MS;
    const struct timespec until = {(time_t)(at / 1000), (long)(at % 1000) * 1000000};
    int rc = 0;

    pthread_mutex_lock(&world.lock);
    while (world.results < wanted && !rc)
        rc = pthread_cond_timedwait(&world.changed, &world.lock, &until);
    bool there = world.results >= wanted;
    pthread_mutex_unlock(&world.lock);
    return there;
}

static enum antiphon_status call(const char *name, const char *args)
{
    struct antiphon_call call = {.struct_size = sizeof(call),
                                 .tool = name,
                                 .call_id = "id",
                                 .app = "app",
                                 .user_id = "user",
                                 .session_id = "session",
                                 .agent = "agent",
                                 .args = args,
                                 .args_len = strlen(args),
                                 .deadline_ms = clock_now_ms() + CALL_MS};
    const struct registry_tool *tool = registry_tool(world.registry, name);
    unsigned before = world.results;

    assert_non_null(tool);
    assert_int_equal(tool->tool.invoke(tool->state, &call), ANTIPHON_OK);
    if (!wait_result(before + 1))
        fail_msg("%s was never finished", name);
    return world.status;
}

/* The hook of typed text; begins with an answer, or cannot begin. */
static enum antiphon_status check(const char *text)
{
    struct antiphon_check check = {.struct_size = sizeof(check),
                                   .point = ANTIPHON_HOOK_USER_TEXT,
                                   .app = "app",
                                   .user_id = "user",
                                   .session_id = "session",
                                   .agent = "agent",
                                   .text = text,
                                   .text_len = strlen(text),
                                   .deadline_ms = clock_now_ms() + CALL_MS};
    const struct registry_hook *hooks;
    unsigned before = world.results;

    assert_int_equal(registry_hooks(world.registry, &hooks), 2);
    enum antiphon_status status = hooks[0].hook.run(hooks[0].state, &check);
    if (status)
        return status;
    if (!wait_result(before + 1))
        fail_msg("a check was never decided");
    return world.status;
}

static enum antiphon_status ask(const char *name, const char *args)
{
    return name ? call(name, args) : check(args);
}

static void load(const char *name)
{
    struct err err = {0};

    if (isolate_load(world.isolate, dirs, name, NULL, &err))
        fail_msg("%s", err.text);
}

static void see(void *ctx, const struct isolate_report *report)
{
    if (strcmp(report->name, "abi_probe") == 0)
        *(unsigned *)ctx += report->restarts + (report->state != ISOLATE_OK);
}

/* Whether its process has died since it was loaded. */
static bool has_died(void)
{
    unsigned times = 0;

    isolate_each(world.isolate, see, &times);
    return times > 0;
}

/* Lets an allocation fail, here or in the process. */
static void fail_at(bool there, unsigned n)
{
    if (there)
        atomic_store(theirs, (long)n);
    else
        alloc_fail_at(n);
}

static bool has_failed(bool there)
{
    return there ? atomic_exchange(theirs, -1) < 0 : alloc_has_failed();
}

/* ---- tests ---- */

static void test_start(void **state)
{
    struct isolate *isolate = NULL;
    unsigned n;

    (void)state;
    for (n = 0; n < MAX_ROUNDS; n++) {
        alloc_fail_at(n);
        enum antiphon_status status = new_isolate(&isolate);
        if (!alloc_has_failed())
            break;
        assert_int_equal(status, ANTIPHON_ENOMEM);
    }
    assert_true(n > 1);
    isolate_free(isolate);
}

static void load_rounds(bool there)
{
    unsigned n, failed = 0;

    for (n = 0; n < MAX_ROUNDS; n++) {
        struct err err = {0};
        fail_at(there, n);
        enum antiphon_status status = isolate_load(world.isolate, dirs, "hello", NULL, &err);
        bool came_to_it = has_failed(there);
        failed += status != ANTIPHON_OK;
        if (status && (strstr(err.text, "signal") || !err.text[0]))
            fail_msg("allocation %u: %s", n, err.text);
        if (!came_to_it) {
            assert_int_equal(status, ANTIPHON_OK);
            break;
        }
        if (registry_tool(world.registry, "say_hello")) /* this version or an earlier one */
            assert_int_equal(call("say_hello", "{\"name\":\"Ada\"}"), ANTIPHON_OK);
    }
    print_message("%u allocations, %u of them fatal\n", n, failed);
    assert_true(failed > 20);
    assert_int_equal(call("say_hello", "{\"name\":\"Ada\"}"), ANTIPHON_OK);
}

static void test_load(void **state)
{
    (void)state;
    load_rounds(false);
}

static void test_load_in_the_process(void **state)
{
    (void)state;
    load_rounds(true);
}

static void ask_rounds(bool there)
{
    static const struct {
        const char *tool, *args, *text;
    } ways[] = {{"probe_who", "{}", NULL},
                {"probe_state", "{\"key\":\"k\",\"value\":1}", "{\"status\":0,\"value\":7}"},
                {"probe_store", "{\"key\":\"k\",\"value\":\"v\"}", "{\"status\":0,\"value\":\"kept\"}"},
                {"probe_find", "{\"text\":\"x\"}", "[\"k\",\"k\"]"},
                {"probe_fetch", "{\"url\":\"http://a/\"}", "{\"status\":0,\"http\":200,\"body\":\"fetched\"}"},
                {"probe_publish", "{\"n\":1}", "{\"status\":0}"},
                {"probe_act", "{\"name\":\"a\"}", "{\"status\":0}"},
                {"probe_steps", "{\"n\":2}", "\"there\""},
                {NULL, "swordfish", "*****"}};

    load("abi_probe");
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        unsigned n, fatal = 0, died = 0;
        for (n = 0; n < MAX_ROUNDS; n++) {
            fail_at(there, n);
            uint64_t begun = clock_now_ms();
            enum antiphon_status status = ask(ways[i].tool, ways[i].args);
            uint64_t took = clock_now_ms() - begun;
            bool came_to_it = has_failed(there);
            fatal += status != ANTIPHON_OK;
            if (strstr(world.text, "signal 11") || strstr(world.text, "signal 6"))
                fail_msg("allocation %u: %s", n, world.text);
            if (took >= CALL_MS)
                fail_msg("allocation %u: %s waited for its deadline", n, ways[i].args);
            if (!came_to_it)
                break;
            if (has_died()) {
                died++;
                load("abi_probe"); /* its deaths count from nothing */
            }
        }
        if (world.status)
            fail_msg("nothing failed, yet %s answers: %s", ways[i].args, world.text);
        if (ways[i].text)
            assert_string_equal(world.text, ways[i].text);
        print_message("%s: %u allocations, %u fatal, %u cost the process\n", ways[i].tool ? ways[i].tool : "a check", n,
                      fatal, died);
        assert_true(n > 0);
    }
}

static void test_calls(void **state)
{
    (void)state;
    ask_rounds(false);
}

static void test_calls_in_the_process(void **state)
{
    (void)state;
    ask_rounds(true);
}

static void share(bool make)
{
    if (make) {
        int fd = memfd_create("countdown", 0);
        assert_int_equal(dup2(fd, SHARED_FD), SHARED_FD);
        close(fd);
        assert_int_equal(ftruncate(SHARED_FD, sizeof(*theirs)), 0);
    }
    void *memory = mmap(NULL, sizeof(*theirs), PROT_READ | PROT_WRITE, MAP_SHARED, SHARED_FD, 0);
    if (memory == MAP_FAILED)
        exit(3);
    theirs = memory;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_start), TEST(test_load), TEST(test_load_in_the_process), TEST(test_calls), TEST(test_calls_in_the_process),
    };
    pthread_condattr_t attr;

    alloc_hook_cjson();
    share(argc == 1);
    if (argc == 2 && strcmp(argv[1], "runner") == 0) {
        alloc_share(theirs);
        return runner_main();
    }
    log_set_level(ANTIPHON_ERROR + 1);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&world.changed, &attr);
    pthread_condattr_destroy(&attr);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
