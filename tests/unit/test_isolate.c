/* Plugins in processes of their own, good and bad. This program is also the runner: isolate starts /proc/self/exe. */
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "plugin/isolate.h"
#include "plugin/runner.h"
#include "plugin/sandbox.h"

#define WAIT_MS 20000

static const char *const dirs[] = {FIXTURE_PLUGINS_DIR, PLUGINS_DIR, NULL};

struct world {
    struct registry *registry;
    struct isolate *isolate;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const char *config; /* what plugins are given */
    char kept[64];      /* what they keep */
    /* the last result */
    unsigned results, progresses;
    enum antiphon_status status;
    char text[512];
    size_t len;
};

static void on_finish(void *ctx, struct antiphon_call *call, enum antiphon_status status, const char *text, size_t len)
{
    struct world *world = ctx;

    (void)call;
    pthread_mutex_lock(&world->lock);
    world->results++;
    world->status = status;
    world->len = len;
    (void)snprintf(world->text, sizeof(world->text), "%.*s", (int)(len < 500 ? len : 500), text);
    pthread_cond_broadcast(&world->changed);
    pthread_mutex_unlock(&world->lock);
}

static void on_progress(void *ctx, struct antiphon_call *call, const char *text, size_t len)
{
    struct world *world = ctx;

    (void)call, (void)text, (void)len;
    pthread_mutex_lock(&world->lock);
    world->progresses++;
    pthread_mutex_unlock(&world->lock);
}

static enum antiphon_status on_put(void *ctx, const char *plugin, const char *user_id, const char *key,
                                   const char *value, size_t len)
{
    struct world *world = ctx;

    assert_string_equal(plugin, "bad_init");
    assert_null(user_id);
    assert_string_equal(key, "key");
    (void)snprintf(world->kept, sizeof(world->kept), "%.*s", (int)len, value);
    return ANTIPHON_OK;
}

static enum antiphon_status on_get(void *ctx, const char *plugin, const char *user_id, const char *key, char *value,
                                   size_t size, size_t *len)
{
    const struct world *world = ctx;

    (void)plugin, (void)user_id, (void)key;
    *len = strlen(world->kept);
    (void)snprintf(value, size, "%s", world->kept);
    return ANTIPHON_OK;
}

static enum antiphon_status on_config(void *ctx, const char *plugin, const char *schema, char **json)
{
    const struct world *world = ctx;

    (void)plugin, (void)schema;
    *json = strdup(world->config);
    return *json ? ANTIPHON_OK : ANTIPHON_ENOMEM;
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    pthread_condattr_t attr;
    struct err err = {0};
    const struct host_services services = {.ctx = world,
                                           .finish = on_finish,
                                           .progress = on_progress,
                                           .store_put = on_put,
                                           .store_get = on_get};

    pthread_mutex_init(&world->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&world->changed, &attr);
    pthread_condattr_destroy(&attr);
    world->config = "{}";
    assert_int_equal(registry_new(&services, &world->registry), ANTIPHON_OK);
    const struct isolate_options options = {
        .program = "/proc/self/exe", .registry = world->registry, .services = &services, .config = on_config, .config_ctx = world};
    assert_int_equal(isolate_new(&options, &world->isolate, &err), ANTIPHON_OK);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    isolate_stop(world->isolate);
    registry_free(world->registry);
    isolate_free(world->isolate);
    pthread_cond_destroy(&world->changed);
    pthread_mutex_destroy(&world->lock);
    free(world);
    return 0;
}

static void load(struct world *world, const char *name)
{
    const struct isolate_limits limits = {.memory = (uint64_t)768 << 20};
    struct err err = {0};

    if (isolate_load(world->isolate, dirs, name, &limits, &err))
        fail_msg("%s", err.text);
}

static bool wait_results(struct world *world, unsigned wanted, unsigned ms)
{
    uint64_t at = clock_now_ms() + ms;
    const struct timespec until = {(time_t)(at / 1000), (long)(at % 1000) * 1000000};
    int rc = 0;

    pthread_mutex_lock(&world->lock);
    while (world->results < wanted && !rc)
        rc = pthread_cond_timedwait(&world->changed, &world->lock, &until);
    bool there = world->results >= wanted;
    pthread_mutex_unlock(&world->lock);
    return there;
}

static struct antiphon_call call_of(const char *tool, const char *args, unsigned ms)
{
    return (struct antiphon_call){.struct_size = sizeof(struct antiphon_call),
                                  .tool = tool,
                                  .call_id = "id",
                                  .app = "app",
                                  .user_id = "user",
                                  .session_id = "session",
                                  .agent = "agent",
                                  .args = args,
                                  .args_len = strlen(args),
                                  .deadline_ms = clock_now_ms() + ms};
}

static void begin(struct world *world, struct antiphon_call *call)
{
    const struct registry_tool *tool = registry_tool(world->registry, call->tool);

    assert_non_null(tool);
    assert_int_equal(tool->tool.invoke(tool->state, call), ANTIPHON_OK);
}

/* One whole call; its result is in world. */
static void call(struct world *world, const char *name, const char *how, unsigned ms)
{
    char args[80];
    unsigned before = world->results;

    (void)snprintf(args, sizeof(args), "{\"how\":\"%s\"}", how);
    struct antiphon_call call = call_of(name, args, ms);
    begin(world, &call);
    if (!wait_results(world, before + 1, WAIT_MS))
        fail_msg("%s was never finished", how);
}

static int pid_of(struct world *world, const struct registry_tool *behave)
{
    struct antiphon_call call = call_of("behave", "{\"how\":\"\"}", 10000);
    unsigned before = world->results;
    int pid = 0;

    assert_int_equal(behave->tool.invoke(behave->state, &call), ANTIPHON_OK);
    assert_true(wait_results(world, before + 1, WAIT_MS));
    if (world->status)
        fail_msg("%s", world->text);
    assert_int_equal(sscanf(world->text, "{\"pid\":%d}", &pid), 1);
    return pid;
}

static int pid_of_plugin(struct world *world)
{
    return pid_of(world, registry_tool(world->registry, "behave"));
}

static void wait_gone(int pid)
{
    uint64_t until = clock_now_ms() + WAIT_MS;

    while (kill(pid, 0) == 0 && clock_now_ms() < until)
        usleep(10000);
    assert_int_equal(kill(pid, 0), -1);
}

struct seen {
    const char *name;
    struct isolate_report report;
    char reason[256];
};

static void see(void *ctx, const struct isolate_report *report)
{
    struct seen *seen = ctx;

    if (strcmp(report->name, seen->name) != 0)
        return;
    seen->report = *report;
    (void)snprintf(seen->reason, sizeof(seen->reason), "%s", report->reason);
}

static struct seen report_of(struct world *world, const char *name)
{
    struct seen seen = {.name = name};

    isolate_each(world->isolate, see, &seen);
    return seen;
}

/* ---- tests ---- */

static void test_a_tool_answers_from_another_process(void **state)
{
    struct world *world = *state;

    load(world, "hello");
    const struct registry_tool *tool = registry_tool(world->registry, "say_hello");
    assert_non_null(tool);
    assert_non_null(tool->schema);
    assert_int_equal(tool->tool.flags, ANTIPHON_TOOL_READ_ONLY);
    struct antiphon_call call = call_of("say_hello", "{\"name\":\"Ada\"}", 5000);
    begin(world, &call);
    assert_true(wait_results(world, 1, WAIT_MS));
    assert_int_equal(world->status, ANTIPHON_OK);
    assert_string_equal(world->text, "{\"greeting\":\"Hello.\",\"name\":\"Ada\"}");
    struct seen seen = report_of(world, "hello");
    assert_int_equal(seen.report.state, ISOLATE_OK);
    assert_int_equal(seen.report.generation, 1);
    assert_true(seen.report.pid > 0 && seen.report.pid != getpid());
}

static void test_what_ends_the_process_is_one_error(void **state)
{
    static const struct {
        const char *how, *said;
    } ways[] = {{"segfault", "was killed by signal 11 (Segmentation fault)"},
                {"abort", "was killed by signal 6 (Aborted)"},
                {"exit", "called exit(0)"},
                {"quit", "called exit(3)"},
                {"babble", "broke the protocol: a packet of 10 bytes that does not fit"},
                {"close_all", "lost its connection to the server"}};
    struct world *world = *state;
    char text[200];

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        load(world, "bad_calls"); /* a new generation, whose deaths count from nothing */
        int before = pid_of_plugin(world);
        call(world, "misbehave", ways[i].how, 10000);
        assert_int_equal(world->status, ANTIPHON_EINTERNAL);
        (void)snprintf(text, sizeof(text), "the plugin bad_calls failed: its process %s", ways[i].said);
        assert_string_equal(world->text, text);
        assert_int_not_equal(pid_of_plugin(world), before);
    }
}

static void test_what_takes_too_much_is_ended(void **state)
{
    static const struct {
        const char *how, *said;
    } ways[] = {{"loop", "did not finish a call by its deadline"},
                {"hang", "did not finish a call by its deadline"},
                {"never", "did not finish a call by its deadline"},
                {"stop", "did not finish a call by its deadline"},
                {"flood", "floods its output"},
                {"progress", "floods the server with messages"}};
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        load(world, "bad_calls");
        (void)pid_of_plugin(world);
        bool late = i < 4;
        call(world, "misbehave", ways[i].how, late ? 200 : 30000);
        assert_int_equal(world->status, ANTIPHON_EINTERNAL);
        assert_non_null(strstr(world->text, ways[i].said));
        (void)pid_of_plugin(world);
    }
}

static void test_memory_is_limited(void **state)
{
    struct world *world = *state;

    load(world, "bad_calls");
    call(world, "misbehave", "memory", 20000);
    assert_int_equal(world->status, ANTIPHON_EINTERNAL);
    if (sandbox_watches_memory())
        assert_non_null(strstr(world->text, "uses more than 768 MiB of memory"));
    else
        assert_non_null(strstr(world->text, "Aborted")); /* the fixture does so when it gets no more */
}

static void test_a_busy_thread_without_a_call_is_ended(void **state)
{
    struct world *world = *state;

    if (!getenv("ANTIPHON_LONG") || !*getenv("ANTIPHON_LONG"))
        skip(); /* the window is ten seconds */
    load(world, "bad_calls");
    call(world, "misbehave", "spin", 5000);
    uint64_t until = clock_now_ms() + 40000;
    while (report_of(world, "bad_calls").report.restarts == 0 && clock_now_ms() < until)
        usleep(100000);
    assert_int_equal(report_of(world, "bad_calls").report.restarts, 1);
}

static void test_the_sandbox_refuses(void **state)
{
    static const struct {
        const char *how, *said;
    } ways[] = {{"fork", "EPERM"},        {"exec", "EPERM"},       {"socket", "EPERM"},
                {"kill_server", "EPERM"}, {"trace", "EPERM"},      {"raise_limit", "EPERM"},
                {"read_file", "EACCES"},  {"write_file", "EACCES"}};
    struct world *world = *state;
    char text[64];

    load(world, "bad_calls");
    int before = pid_of_plugin(world);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (strcmp(ways[i].said, "EACCES") == 0 && sandbox_landlock_version() == 0)
            continue;
        call(world, "misbehave", ways[i].how, 5000);
        (void)snprintf(text, sizeof(text), "{\"errno\":\"%s\"}", ways[i].said);
        assert_string_equal(world->text, text);
    }
    assert_int_equal(pid_of_plugin(world), before); /* none of it cost the process */
}

static void test_what_a_process_survives(void **state)
{
    static const struct {
        const char *how, *text;
    } ways[] = {{"write_closed", "{\"errno\":\"EBADF\"}"},
                {"change", "{\"errno\":\"none\"}"},
                {"outlive", "true"},
                {"other_thread", "true"},
                {"from_signal", "true"},
                {"late", "true"},
                {"log", "true"},
                {"not_json", "this is {no JSON"}, /* the conversation's part refuses these two */
                {"not_utf8", "\"\xff\xfe\""}};
    struct world *world = *state;

    load(world, "bad_calls");
    int before = pid_of_plugin(world);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        call(world, "misbehave", ways[i].how, strcmp(ways[i].how, "late") == 0 ? 200 : 5000);
        assert_int_equal(world->status, ANTIPHON_OK);
        assert_string_equal(world->text, ways[i].text);
    }
    call(world, "misbehave", "huge", 10000);
    assert_int_equal(world->status, ANTIPHON_ETOOBIG);
    assert_int_equal(pid_of_plugin(world), before);
}

static void test_only_the_first_finish_counts(void **state)
{
    static const char *const ways[] = {"twice", "and_error", "twice_later"};
    struct world *world = *state;

    load(world, "bad_calls");
    int before = pid_of_plugin(world);
    for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        call(world, "misbehave", ways[i], 5000);
        assert_string_equal(world->text, "1");
        assert_int_equal(pid_of_plugin(world), before); /* its answer comes behind a second result, if there were one */
        assert_int_equal(world->results, 3 + 2 * i);
    }
}

static void test_cancel_reaches_the_process(void **state)
{
    struct world *world = *state;

    load(world, "bad_calls");
    struct antiphon_call call = call_of("misbehave", "{\"how\":\"after_cancel\"}", 10000);
    begin(world, &call);
    assert_false(wait_results(world, 1, 100));
    const struct registry_tool *tool = registry_tool(world->registry, "misbehave");
    tool->tool.cancel(tool->state, &call);
    assert_true(wait_results(world, 1, WAIT_MS));
    assert_string_equal(world->text, "true");
}

/* Other calls of the process get an error, and those that come meanwhile wait for the new one. */
static void test_calls_beside_one_that_crashes(void **state)
{
    struct world *world = *state;
    struct antiphon_call calls[6];

    load(world, "bad_calls");
    for (unsigned i = 0; i < 5; i++) {
        calls[i] = call_of("misbehave", "{\"how\":\"hang\"}", 10000);
        begin(world, &calls[i]);
    }
    calls[5] = call_of("misbehave", "{\"how\":\"abort\"}", 10000);
    begin(world, &calls[5]);
    assert_true(wait_results(world, 6, WAIT_MS));
    assert_int_equal(world->status, ANTIPHON_EINTERNAL);
    (void)pid_of_plugin(world);
}

static void test_a_crash_loop_backs_off(void **state)
{
    struct world *world = *state;

    load(world, "bad_calls");
    call(world, "misbehave", "abort", 5000);
    assert_int_equal(world->status, ANTIPHON_EINTERNAL);
    (void)pid_of_plugin(world); /* started again at once */
    call(world, "misbehave", "abort", 5000);
    call(world, "behave", "", 5000);
    assert_int_equal(world->status, ANTIPHON_EUNAVAILABLE);
    assert_string_equal(world->text, "the plugin bad_calls crashes again and again and will be started anew in 1 s; do "
                                     "not try again before");
    struct seen seen = report_of(world, "bad_calls");
    assert_int_equal(seen.report.state, ISOLATE_BACKING_OFF);
    assert_string_equal(seen.reason, "was killed by signal 6 (Aborted)");
    uint64_t until = clock_now_ms() + WAIT_MS;
    while (report_of(world, "bad_calls").report.state != ISOLATE_OK && clock_now_ms() < until)
        usleep(10000);
    seen = report_of(world, "bad_calls");
    assert_int_equal(seen.report.state, ISOLATE_OK);
    assert_int_equal(seen.report.restarts, 2);
}

static void test_what_goes_wrong_at_the_start(void **state)
{
    static const struct {
        const char *config, *said;
    } ways[] = {
        {"{\"how\":\"crash\"}", "plugin bad_init: init: its process was killed by signal 6 (Aborted)"},
        {"{\"how\":\"exit\"}", "plugin bad_init: init: its process called exit(3)"},
        {"{\"how\":\"after_two\"}", "plugin bad_init: init: it did not like the weather"},
        {"{\"how\":\"self_test\"}", "plugin bad_init: self_test: one and one is three"}};
    struct world *world = *state;
    struct err err = {0};

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        world->config = ways[i].config;
        assert_int_not_equal(isolate_load(world->isolate, dirs, "bad_init", NULL, &err), ANTIPHON_OK);
        assert_string_equal(err.text, ways[i].said);
        assert_null(registry_tool(world->registry, "init_one"));
        assert_int_equal(report_of(world, "bad_init").report.state, ISOLATE_BROKEN);
    }
    world->config = "{\"how\":\"keep\"}"; /* and then it works, and may use the host from its init() on */
    load(world, "bad_init");
    call(world, "init_two", "", 5000);
    assert_string_equal(world->text, "true");
    assert_string_equal(world->kept, "value");
}

static void test_what_is_no_plugin(void **state)
{
    static const struct {
        const char *name, *said;
    } ways[] = {{"nothing", "plugin nothing: find: "},
                {"not_elf", "plugin not_elf: elf: "},
                {"no_symbol", "plugin no_symbol: symbol: "},
                {"short_struct", "plugin short_struct: struct: "},
                {"undefined_symbol", "plugin undefined_symbol: open: "},
                {"wrong_name", "plugin wrong_name: "},
                {"other_abi", "plugin other_abi: manifest: "},
                {"bad_schema", "plugin bad_schema: register: "},
                {"echo_model", "plugin echo_model: register: model "}};
    struct world *world = *state;
    struct err err = {0};

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        assert_int_not_equal(isolate_load(world->isolate, dirs, ways[i].name, NULL, &err), ANTIPHON_OK);
        assert_int_equal(strncmp(err.text, ways[i].said, strlen(ways[i].said)), 0);
        assert_null(strchr(err.text, '\n'));
        struct seen seen = report_of(world, ways[i].name);
        assert_int_equal(seen.report.state, ISOLATE_BROKEN);
    }
}

static void test_a_new_generation_takes_over(void **state)
{
    struct world *world = *state;

    load(world, "bad_calls");
    const struct registry_tool *old = registry_hold_tool(world->registry, "behave");
    int first = pid_of_plugin(world);
    load(world, "bad_calls");
    const struct registry_tool *new = registry_tool(world->registry, "behave");
    assert_ptr_not_equal(old, new);
    assert_int_not_equal(pid_of_plugin(world), first);
    assert_int_equal(report_of(world, "bad_calls").report.generation, 2);
    assert_int_equal(pid_of(world, old), first); /* whoever holds the old one still reaches it */
    /* one that fails changes nothing */
    struct err err = {0};
    assert_int_not_equal(isolate_load(world->isolate, (const char *const[]){FIXTURES_DIR, NULL}, "bad_calls", NULL, &err),
                         ANTIPHON_OK);
    assert_ptr_equal(registry_tool(world->registry, "behave"), new);
    /* and ends with the last that holds it */
    registry_hold_again(old);
    registry_release_tool(old);
    assert_false(registry_is_unused(world->registry, old->state));
    assert_int_equal(pid_of(world, old), first);
    registry_release_tool(old);
    assert_true(registry_is_unused(world->registry, old->state));
    assert_false(registry_is_unused(world->registry, new->state));
    wait_gone(first);
    struct antiphon_call call = call_of("behave", "{}", 5000);
    unsigned before = world->results;
    assert_int_equal(old->tool.invoke(old->state, &call), ANTIPHON_OK);
    assert_true(wait_results(world, before + 1, WAIT_MS));
    assert_string_equal(world->text, "the plugin bad_calls has ended");
}

static void test_a_call_under_way_outlives_who_held_it(void **state)
{
    struct world *world = *state;

    load(world, "bad_calls");
    int first = pid_of_plugin(world);
    const struct registry_tool *old = registry_tool(world->registry, "misbehave");
    struct antiphon_call call = call_of("misbehave", "{\"how\":\"after_cancel\"}", 10000);
    begin(world, &call);
    load(world, "bad_calls");
    assert_false(wait_results(world, 2, 600)); /* more than two looks at what is unused */
    assert_int_equal(kill(first, 0), 0);
    old->tool.cancel(old->state, &call);
    assert_true(wait_results(world, 2, WAIT_MS));
    assert_string_equal(world->text, "true");
    wait_gone(first);
}

/* More generations that conversations hold than may have a process. */
static void test_old_generations_are_bounded(void **state)
{
    enum { N = ISOLATE_MAX_OLD + 3 };
    struct world *world = *state;
    const struct registry_tool *tools[N];
    int pids[N], again;

    for (unsigned i = 0; i < N; i++) {
        load(world, "bad_calls");
        tools[i] = registry_hold_tool(world->registry, "behave");
        pids[i] = pid_of(world, tools[i]);
    }
    for (unsigned i = 0; i < N - 1 - ISOLATE_MAX_OLD; i++)
        wait_gone(pids[i]);
    for (unsigned i = N - 1 - ISOLATE_MAX_OLD; i < N; i++)
        assert_int_equal(pid_of(world, tools[i]), pids[i]);
    again = pid_of(world, tools[0]); /* started once more for who still holds it */
    assert_int_not_equal(again, pids[0]);
    wait_gone(again);
    assert_int_equal(pid_of_plugin(world), pids[N - 1]);
    for (unsigned i = 0; i < N; i++)
        registry_release_tool(tools[i]);
    for (unsigned i = 0; i < N - 1; i++)
        wait_gone(pids[i]);
    assert_int_equal(pid_of_plugin(world), pids[N - 1]);
}

/* As many calls in a short time as may be asked for are no flood of messages. */
static void test_many_round_trips(void **state)
{
    enum { N = ISOLATE_MAX_MESSAGES + 1000 };
    struct world *world = *state;

    load(world, "bad_calls");
    (void)pid_of_plugin(world);
    unsigned before = world->results;
    uint64_t start = clock_now_us();
    for (unsigned i = 0; i < N; i++) {
        struct antiphon_call call = call_of("behave", "{}", 10000);
        begin(world, &call);
        assert_true(wait_results(world, before + i + 1, WAIT_MS));
    }
    print_message("a call in another process: %.1f us\n", (double)(clock_now_us() - start) / N);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_tool_answers_from_another_process),
        TEST(test_what_ends_the_process_is_one_error),
        TEST(test_what_takes_too_much_is_ended),
        TEST(test_memory_is_limited),
        TEST(test_a_busy_thread_without_a_call_is_ended),
        TEST(test_the_sandbox_refuses),
        TEST(test_what_a_process_survives),
        TEST(test_only_the_first_finish_counts),
        TEST(test_cancel_reaches_the_process),
        TEST(test_calls_beside_one_that_crashes),
        TEST(test_a_crash_loop_backs_off),
        TEST(test_what_goes_wrong_at_the_start),
        TEST(test_what_is_no_plugin),
        TEST(test_a_new_generation_takes_over),
        TEST(test_a_call_under_way_outlives_who_held_it),
        TEST(test_old_generations_are_bounded),
        TEST(test_many_round_trips),
    };

    if (argc == 2 && strcmp(argv[1], "runner") == 0)
        return runner_main();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
