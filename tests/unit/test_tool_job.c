/* One tool call on its way through the pool: exactly one result, whatever the tool does and whichever thread it does it
 * from. The session that the results go to is a real one, kept alive by a client. */
#include "session_kit.h"

#include <stdatomic.h>

#include "base/metrics.h"

static int client;
static uint64_t session;

static void take_handle(struct session *found, void *handle)
{
    *(uint64_t *)handle = session_handle(found);
}

static int set_up(void **state)
{
    (void)state;
    kit_start(2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_leave_all();
    kit_until_no_session();
    kit_stop();
    return 0;
}

/* ---- results, as they come to the session ----------------------------------------------------------------------- */

#define MAX_RESULTS 512

static struct {
    uint64_t number;
    bool progress;
    enum antiphon_status status;
    size_t len;
    char text[64];
} results[MAX_RESULTS];
static unsigned results_n; /* guarded by the kit's lock, as results */

static void on_result(struct session *found, struct session_message *message)
{
    const struct tool_result *result = (const struct tool_result *)message;

    assert_ptr_equal(sessions_shard(sessions_self()), shard_self());
    assert_int_equal(session_handle(found), session);
    kit_lock();
    if (results_n < MAX_RESULTS) {
        results[results_n].number = result->number;
        results[results_n].progress = result->progress;
        results[results_n].status = result->status;
        results[results_n].len = result->len;
        snprintf(results[results_n].text, sizeof(results[0].text), "%s", result->text);
    }
    results_n++;
    kit_unlock();
}

/* ---- starting, cancelling, giving up: on the session's shard --------------------------------------------------------- */

struct start {
    struct tool_job_options options;
    struct tool_job *job;
    enum antiphon_status status;
};

static void start_on_shard(struct shard *shard, void *arg)
{
    struct start *start = arg;

    start->options.shard = shard_index(shard);
    start->options.session = session;
    start->status = tool_job_start(&server.runtime, &start->options, on_result, &start->job);
}

static struct tool_job *start_job(const struct registry_tool *tool, uint64_t number, uint32_t deadline_ms)
{
    struct start start = {.options = {.tool = tool,
                                      .call_id = "call-7",
                                      .session_id = "s",
                                      .app = "app",
                                      .user_id = "u",
                                      .agent = "a",
                                      .args = "{\"x\":1}",
                                      .args_len = 7,
                                      .deadline_ms = clock_now_ms() + deadline_ms,
                                      .number = number}};

    kit_on(server.runtime.shards[0], start_on_shard, &start);
    assert_int_equal(start.status, ANTIPHON_OK);
    return start.job;
}

static void cancel_on_shard(struct shard *shard, void *job)
{
    (void)shard;
    tool_job_cancel(job);
}

static void release_on_shard(struct shard *shard, void *job)
{
    (void)shard;
    tool_job_release(job);
}

static void cancel(struct tool_job *job)
{
    kit_on(server.runtime.shards[0], cancel_on_shard, job);
}

static void release(struct tool_job *job)
{
    kit_on(server.runtime.shards[0], release_on_shard, job);
}

static void expect(unsigned n, uint64_t number, enum antiphon_status status, const char *text)
{
    KIT_WAIT(results_n >= n);
    assert_int_equal(results[n - 1].number, number);
    assert_int_equal(results[n - 1].status, status);
    assert_string_equal(results[n - 1].text, text);
    assert_false(results[n - 1].progress);
}

/* A round trip through the shard's inbox: what was posted before has arrived. */
static void nothing(struct shard *shard, void *arg)
{
    (void)shard, (void)arg;
}

static void settle(void)
{
    kit_on(server.runtime.shards[0], nothing, NULL);
}

/* The session on shard 0: sockets land where the kernel likes, so the session is claimed there first. */
static void begin(void)
{
    char id[64];
    unsigned owner;

    snprintf(id, sizeof(id), "echo-app/1/echo-app_1/");
    assert_int_equal(directory_claim(server.runtime.directory, id, 0, &owner), ANTIPHON_OK);
    client = kit_join("/ws/1", V1);
    kit_until(client, "\"state\":\"live\"");
    directory_release(server.runtime.directory, id);
    kit_look("1", take_handle, &session);
    kit_lock();
    results_n = 0;
    kit_unlock();
}

/* ---- tools -------------------------------------------------------------------------------------------------------------- */

static struct antiphon_call *held; /* under the kit's lock */
static unsigned entered;           /* likewise */

static enum antiphon_status answer(void *state, struct antiphon_call *call)
{
    assert_string_equal(call->tool, "tool");
    assert_string_equal(call->call_id, "call-7");
    assert_string_equal(call->session_id, "s");
    assert_string_equal(call->user_id, "u");
    assert_string_equal(call->app, "app");
    assert_string_equal(call->agent, "a");
    assert_int_equal(call->args_len, 7);
    assert_string_equal(call->args, "{\"x\":1}");
    tool_job_finish(call, ANTIPHON_OK, state ? state : "\"fine\"", state ? strlen(state) : 6);
    return ANTIPHON_OK;
}

static enum antiphon_status refuse(void *state, struct antiphon_call *call)
{
    (void)state, (void)call;
    return ANTIPHON_EDENIED;
}

static enum antiphon_status answer_twice(void *state, struct antiphon_call *call)
{
    (void)state;
    tool_job_finish(call, ANTIPHON_EINVAL, "first", 5);
    tool_job_finish(call, ANTIPHON_OK, "\"second\"", 8);
    tool_job_progress(call, "too late", 8);
    return ANTIPHON_OK;
}

static enum antiphon_status answer_and_refuse(void *state, struct antiphon_call *call)
{
    (void)state;
    tool_job_finish(call, ANTIPHON_OK, "\"first\"", 7);
    return ANTIPHON_EINTERNAL;
}

static enum antiphon_status answer_nothing(void *state, struct antiphon_call *call)
{
    (void)state;
    tool_job_finish(call, ANTIPHON_OK, NULL, 0);
    return ANTIPHON_OK;
}

static enum antiphon_status answer_too_much(void *state, struct antiphon_call *call)
{
    static char much[(1u << 20) + 1];

    (void)state;
    tool_job_finish(call, ANTIPHON_OK, much, sizeof(much));
    return ANTIPHON_OK;
}

static enum antiphon_status hold(void *state, struct antiphon_call *call)
{
    (void)state;
    kit_lock();
    held = call;
    entered++;
    kit_unlock();
    return ANTIPHON_OK;
}

static enum antiphon_status tell(void *state, struct antiphon_call *call)
{
    static char much[2 * TOOL_JOB_MAX_PROGRESS];

    (void)state;
    memset(much, 'x', sizeof(much));
    tool_job_progress(call, "half way", 8);
    tool_job_progress(call, much, sizeof(much));
    tool_job_finish(call, ANTIPHON_OK, "1", 1);
    return ANTIPHON_OK;
}

static uint64_t told_ms; /* how long it took, under the kit's lock */

static enum antiphon_status tell_and_tell(void *state, struct antiphon_call *call)
{
    uint64_t from = clock_now_ms();

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        tool_job_progress(call, "still at it", 11);
    kit_lock();
    told_ms = clock_now_ms() - from;
    kit_unlock();
    tool_job_finish(call, ANTIPHON_OK, "1", 1);
    return ANTIPHON_OK;
}

static atomic_uint cancels;

static void on_cancel(void *state, struct antiphon_call *call)
{
    (void)state;
    assert_true(tool_job_cancelled(call));
    atomic_fetch_add(&cancels, 1);
}

#define TOOL(fn) {.plugin = "test", .tool = {.struct_size = sizeof(struct antiphon_tool), .name = "tool", .invoke = fn}}

static struct antiphon_call *take_held(unsigned n)
{
    struct antiphon_call *call;

    KIT_WAIT(entered >= n && held);
    kit_lock();
    call = held;
    held = NULL;
    kit_unlock();
    return call;
}

static void forget_held(void)
{
    kit_lock();
    held = NULL;
    entered = 0;
    kit_unlock();
}

/* ---- tests ---------------------------------------------------------------------------------------------------------------- */

static void one_result_each(void **unused)
{
    static const struct registry_tool ok = TOOL(answer), no = TOOL(refuse), none = TOOL(answer_nothing),
                                      much = TOOL(answer_too_much);

    (void)unused;
    begin();
    release(start_job(&ok, 41, 5000));
    expect(1, 41, ANTIPHON_OK, "\"fine\"");
    release(start_job(&no, 42, 5000));
    expect(2, 42, ANTIPHON_EDENIED, status_name(ANTIPHON_EDENIED));
    release(start_job(&none, 43, 5000));
    expect(3, 43, ANTIPHON_OK, "null");
    release(start_job(&much, 44, 5000));
    expect(4, 44, ANTIPHON_ETOOBIG, "the result is larger than 1 MiB");
}

static void the_first_of_two_results_counts(void **unused)
{
    static const struct registry_tool twice = TOOL(answer_twice), both = TOOL(answer_and_refuse);

    (void)unused;
    begin();
    release(start_job(&twice, 1, 5000));
    expect(1, 1, ANTIPHON_EINVAL, "first");
    release(start_job(&both, 2, 5000));
    expect(2, 2, ANTIPHON_OK, "\"first\"");
    settle();
    assert_int_equal(results_n, 2);
}

static void progress_is_told_before_the_result(void **unused)
{
    static const struct registry_tool tool = TOOL(tell);

    (void)unused;
    begin();
    release(start_job(&tool, 5, 5000));
    KIT_WAIT(results_n == 3);
    assert_true(results[0].progress);
    assert_string_equal(results[0].text, "half way");
    assert_true(results[1].progress);
    assert_int_equal(results[1].len, TOOL_JOB_MAX_PROGRESS);
    assert_false(results[2].progress);
}

static bool has_finished(void)
{
    return results_n > 0 && !results[results_n - 1].progress;
}

static void a_flood_of_progress_is_cut(void **unused)
{
    static const struct registry_tool tool = TOOL(tell_and_tell);

    (void)unused;
    begin();
    release(start_job(&tool, 5, 20000));
    KIT_WAIT(has_finished());
    assert_true(results_n - 1 >= TOOL_JOB_MAX_SHOWN);
    assert_true(results_n - 1 <= TOOL_JOB_MAX_SHOWN * (told_ms / 1000 + 1));
}

static void a_call_is_open_until_it_is_finished(void **unused)
{
    static const struct registry_tool tool = TOOL(hold);
    unsigned before = tool_jobs_open();
    struct antiphon_call *call;
    struct tool_job *job;

    (void)unused;
    begin();
    forget_held();
    job = start_job(&tool, 1, 20000);
    call = take_held(1);
    assert_int_equal(tool_jobs_open(), before + 1);
    cancel(job);
    assert_int_equal(tool_jobs_open(), before + 1);
    tool_job_finish(call, ANTIPHON_OK, "1", 1);
    assert_int_equal(tool_jobs_open(), before);
}

/* ---- from other threads ---- */

#define FINISHERS 4

static pthread_barrier_t barrier;
static _Atomic(struct antiphon_call *) shared_call;

static void *finish_thread(void *arg)
{
    char text[16];
    struct antiphon_call *call;

    snprintf(text, sizeof(text), "%u", (unsigned)(uintptr_t)arg);
    for (;;) {
        pthread_barrier_wait(&barrier);
        call = atomic_load(&shared_call);
        if (!call)
            return NULL;
        tool_job_progress(call, text, 1);
        tool_job_finish(call, ANTIPHON_OK, text, 1);
        pthread_barrier_wait(&barrier);
    }
}

static void threads_race_to_finish(void **unused)
{
    static const struct registry_tool tool = TOOL(hold);
    pthread_t thread[FINISHERS];
    unsigned n = 0;

    (void)unused;
    begin();
    forget_held();
    pthread_barrier_init(&barrier, NULL, FINISHERS + 1);
    for (unsigned i = 0; i < FINISHERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, finish_thread, (void *)(uintptr_t)i), 0);
    for (unsigned round = 1; round <= 50; round++) {
        struct tool_job *job = start_job(&tool, round, 5000);
        atomic_store(&shared_call, take_held(round));
        pthread_barrier_wait(&barrier);
        if (round % 2)
            cancel(job); /* while they race */
        else
            release(job);
        pthread_barrier_wait(&barrier);
    }
    atomic_store(&shared_call, NULL);
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < FINISHERS; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&barrier);
    settle();
    /* one result for each that was not cancelled, at most one for each that was */
    kit_lock();
    unsigned of[51] = {0};
    for (unsigned i = 0; i < results_n && i < MAX_RESULTS; i++) {
        if (!results[i].progress)
            n = ++of[results[i].number] > n ? of[results[i].number] : n;
    }
    for (unsigned round = 2; round <= 50; round += 2)
        assert_int_equal(of[round], 1);
    assert_int_equal(n, 1);
    kit_unlock();
}

static void a_cancelled_call_tells_nothing_more(void **unused)
{
    static const struct registry_tool tool = {
        .plugin = "test",
        .tool = {.struct_size = sizeof(struct antiphon_tool), .name = "tool", .invoke = hold, .cancel = on_cancel}};
    struct antiphon_call *call;
    struct tool_job *job;

    (void)unused;
    begin();
    forget_held();
    atomic_store(&cancels, 0);
    job = start_job(&tool, 1, 5000);
    call = take_held(1);
    assert_false(tool_job_cancelled(call));
    cancel(job);
    assert_true(tool_job_cancelled(call));
    assert_int_equal(atomic_load(&cancels), 1);
    tool_job_progress(call, "late", 4);
    tool_job_finish(call, ANTIPHON_OK, "1", 1);
    settle();
    assert_int_equal(results_n, 0);
}

/* What runs past everything: the session is gone when the result comes. */
static void the_session_may_be_gone(void **unused)
{
    static const struct registry_tool tool = TOOL(hold);
    struct antiphon_call *call;
    struct tool_job *job;

    (void)unused;
    begin();
    forget_held();
    job = start_job(&tool, 1, 5000);
    call = take_held(1);
    release(job);
    kit_leave(client);
    kit_until_no_session();
    tool_job_finish(call, ANTIPHON_OK, "1", 1);
    settle();
    assert_int_equal(results_n, 0);
}

/* ---- never two at once ---- */

static atomic_int inside, most;

static void *leave_later(void *call)
{
    atomic_fetch_sub(&inside, 1);
    tool_job_finish(call, ANTIPHON_OK, "1", 1);
    return NULL;
}

static enum antiphon_status alone(void *state, struct antiphon_call *call)
{
    int now = atomic_fetch_add(&inside, 1) + 1, before = atomic_load(&most);
    pthread_t thread;
    pthread_attr_t attr;

    (void)state;
    while (now > before && !atomic_compare_exchange_weak(&most, &before, now))
        continue;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    /* it is inside until it has finished, which another thread does after this has returned */
    if (pthread_create(&thread, &attr, leave_later, call))
        leave_later(call);
    pthread_attr_destroy(&attr);
    return ANTIPHON_OK;
}

static const struct registry_tool exclusive = {
    .plugin = "test",
    .tool = {.struct_size = sizeof(struct antiphon_tool), .flags = ANTIPHON_TOOL_EXCLUSIVE, .name = "tool", .invoke = alone}};

static void exclusive_tools_run_one_by_one(void **unused)
{
    struct tool_job *job[40];

    (void)unused;
    begin();
    atomic_store(&most, 0);
    for (unsigned i = 0; i < 40; i++)
        job[i] = start_job(&exclusive, i + 1, 20000);
    KIT_WAIT(results_n == 40);
    for (unsigned i = 0; i < 40; i++)
        release(job[i]);
    assert_int_equal(atomic_load(&most), 1);
}

static void an_exclusive_tool_that_hangs_holds_up_others_until_their_deadline(void **unused)
{
    static const struct registry_tool stuck = {
        .plugin = "test",
        .tool = {.struct_size = sizeof(struct antiphon_tool), .flags = ANTIPHON_TOOL_EXCLUSIVE, .name = "tool", .invoke = hold}};
    struct antiphon_call *call;
    struct tool_job *first, *second;

    (void)unused;
    begin();
    forget_held();
    first = start_job(&stuck, 1, 20000);
    call = take_held(1);
    second = start_job(&stuck, 2, 50);
    expect(1, 2, ANTIPHON_ETIMEOUT, "the tool was busy with another call until the deadline");
    release(second);
    tool_job_finish(call, ANTIPHON_OK, "1", 1);
    expect(2, 1, ANTIPHON_OK, "1");
    release(first);
    /* and it is free again */
    release(start_job(&stuck, 3, 20000));
    tool_job_finish(take_held(2), ANTIPHON_OK, "2", 1);
    expect(3, 3, ANTIPHON_OK, "2");
}

/* ---- the pool ---- */

static enum antiphon_status block(void *state, struct antiphon_call *call)
{
    kit_lock();
    entered++;
    kit_unlock();
    while (sem_wait(state))
        continue;
    tool_job_finish(call, ANTIPHON_OK, "1", 1);
    return ANTIPHON_OK;
}

static void a_full_pool_is_said(void **unused)
{
    static sem_t gate;
    static const struct registry_tool tool = {
        .plugin = "test", .tool = {.struct_size = sizeof(struct antiphon_tool), .name = "tool", .invoke = block}, .state = &gate};
    struct tool_job *job[104];
    struct start start = {.options = {.tool = &tool, .call_id = "", .session_id = "", .app = "", .user_id = "", .agent = "", .args = "{}",
                                      .args_len = 2, .deadline_ms = clock_now_ms() + 20000, .number = 999}};

    (void)unused;
    begin();
    forget_held();
    sem_init(&gate, 0, 0);
    for (unsigned i = 0; i < 4; i++)
        job[i] = start_job(&tool, i + 1, 20000);
    KIT_WAIT(entered == 4);
    for (unsigned i = 4; i < 104; i++)
        job[i] = start_job(&tool, i + 1, 20000);
    kit_on(server.runtime.shards[0], start_on_shard, &start);
    assert_int_equal(start.status, ANTIPHON_EBUSY);
    /* one that waits is taken back: it never runs */
    cancel(job[103]);
    for (unsigned i = 0; i < 104; i++)
        sem_post(&gate);
    KIT_WAIT(results_n == 103);
    for (unsigned i = 0; i < 103; i++)
        release(job[i]);
    assert_int_equal(entered, 103);
    sem_destroy(&gate);
}

static void memory_runs_out(void **unused)
{
    static const struct registry_tool tool = TOOL(answer);
    struct start start = {.options = {.tool = &tool, .call_id = "call-7", .session_id = "s",
                                      .app = "app", .user_id = "u", .agent = "a",
                                      .args = "{\"x\":1}", .args_len = 7, .deadline_ms = clock_now_ms() + 20000}};

    (void)unused;
    begin();
    for (unsigned n = 0;; n++) {
        alloc_fail_at(n);
        kit_on(server.runtime.shards[0], start_on_shard, &start);
        if (!start.status)
            break;
        assert_true(alloc_has_failed());
        assert_int_equal(start.status, ANTIPHON_ENOMEM);
        assert_true(n < 2);
    }
    /* The result itself may have been what did not find room: its deadline is for that. */
    if (!alloc_has_failed())
        expect(1, 0, ANTIPHON_OK, "\"fine\"");
    release(start.job);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_result_each),
        TEST(the_first_of_two_results_counts),
        TEST(progress_is_told_before_the_result),
        TEST(a_flood_of_progress_is_cut),
        TEST(a_call_is_open_until_it_is_finished),
        TEST(threads_race_to_finish),
        TEST(a_cancelled_call_tells_nothing_more),
        TEST(the_session_may_be_gone),
        TEST(exclusive_tools_run_one_by_one),
        TEST(an_exclusive_tool_that_hangs_holds_up_others_until_their_deadline),
        TEST(a_full_pool_is_said),
        TEST(memory_runs_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
