/* One question to one hook: what the session hears of it, however and whenever the hook answers. The hook runs on workers of
 * its own, the session on a shard, and whoever decides late is this thread. */
#include "session_kit.h"

#include <stdatomic.h>

#include "session/hook_call.h"

/* What the hook does when it is asked. */
enum manner { DECIDES, DECIDES_TWICE, DECIDES_THEN_FAILS, FAILS, KEEPS, BLOCKS };
struct script {
    enum manner manner;
    enum antiphon_verdict verdict;
    const char *text;
    size_t len; /* 0: of the text */
    sem_t asked, go_on;
    atomic_uint runs;
    struct antiphon_check *check; /* KEEPS, BLOCKS: the last one */
    char seen[256];
};
static struct script script;

static enum antiphon_status run(void *state, struct antiphon_check *check)
{
    struct script *own = state;
    enum manner manner = own->manner;
    size_t len = own->len ? own->len : own->text ? strlen(own->text) : 0;

    atomic_fetch_add(&own->runs, 1);
    own->check = check;
    snprintf(own->seen, sizeof(own->seen), "%s %s %s %s %s %.*s", check->app, check->user_id, check->session_id, check->agent,
             check->tool ? check->tool : "-", (int)check->text_len, check->text);
    if (manner == DECIDES || manner == DECIDES_TWICE || manner == DECIDES_THEN_FAILS)
        hook_call_decide(check, own->verdict, own->text, len);
    if (manner == DECIDES_TWICE)
        hook_call_decide(check, ANTIPHON_REFUSE, "second", 6);
    sem_post(&own->asked);
    while (manner == BLOCKS && sem_wait(&own->go_on))
        ;
    if (manner == BLOCKS)
        hook_call_decide(check, own->verdict, own->text, len);
    return manner == FAILS || manner == DECIDES_THEN_FAILS ? ANTIPHON_EUNAVAILABLE : ANTIPHON_OK;
}

/* What the session heard, on the shard; read by others after answers() or answer_came(). */
static struct {
    unsigned n;
    uint64_t number;
    enum antiphon_status status;
    enum antiphon_verdict verdict;
    char text[64];
    size_t len;
    sem_t came;
} heard;

static void on_answer(struct session *session, struct session_message *message)
{
    const struct hook_answer *answer = (const struct hook_answer *)message;

    assert_non_null(session);
    heard.n++;
    heard.number = answer->number;
    heard.status = answer->status;
    heard.verdict = answer->verdict;
    heard.len = answer->len;
    snprintf(heard.text, sizeof(heard.text), "%s", answer->text);
    sem_post(&heard.came);
}

static void take_handle(struct session *session, void *handle)
{
    *(uint64_t *)handle = session->handle;
}

static const struct registry_hook hook = {
    .plugin = "test", .hook = {.name = "hook", .run = run, .budget_ms = 100}, .state = &script};
static uint64_t session;
static unsigned user;

static int set_up(void **state)
{
    char path[64], number[16];

    (void)state;
    memset(&script, 0, sizeof(script));
    memset(&heard, 0, sizeof(heard));
    sem_init(&script.asked, 0, 0);
    sem_init(&script.go_on, 0, 0);
    sem_init(&heard.came, 0, 0);
    assert_int_equal(pool_new("hooks", 1, 64, &server.runtime.hooks), ANTIPHON_OK);
    snprintf(number, sizeof(number), "%u", ++user);
    snprintf(path, sizeof(path), "/ws/%u?is_audio=false", user);
    (void)kit_join(path, "");
    kit_look(number, take_handle, &session);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (server.runtime.hooks)
        assert_true(pool_free(server.runtime.hooks, KIT_WAIT_MS));
    server.runtime.hooks = NULL;
    kit_leave_all();
    kit_until_no_session();
    return 0;
}

static atomic_uint scolded;

static void on_log(void *ctx, enum antiphon_log_level level, const char *text)
{
    (void)ctx, (void)level;
    atomic_fetch_add(&scolded, strstr(text, "plugin=test hook=hook decided twice") != NULL);
}

static int start(void **state)
{
    (void)state;
    log_set_sink(on_log, NULL);
    kit_start(1);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    kit_stop();
    return 0;
}

static enum antiphon_status ask(uint32_t point, uint64_t number, struct hook_call **call)
{
    char app[] = "app", asked_user[] = "ann", id[] = "s1", agent[] = "echo", tool[] = "pay", text[] = "What now?";
    struct antiphon_check check = {.point = point, .app = app, .user_id = asked_user, .session_id = id, .agent = agent,
                                   .tool = point == ANTIPHON_HOOK_USER_TEXT ? NULL : tool, .text = text,
                                   .text_len = sizeof(text) - 1};
    struct hook_call_options options = {.hook = &hook, .check = &check, .session = session, .number = number,
                                        .on_answer = on_answer};
    enum antiphon_status status = hook_call_start(&server.runtime, &options, call);

    memset(text, 'x', sizeof(text)); /* the caller's again */
    memset(agent, 'x', sizeof(agent));
    return status;
}

static void wait_for(sem_t *sem)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += KIT_WAIT_MS / 1000;
    while (sem_timedwait(sem, &until)) {
        if (errno != EINTR)
            fail_msg("nothing came");
    }
}

static void nothing(struct shard *shard, void *unused)
{
    (void)shard, (void)unused;
}

/* How many answers there are once everything that was posted so far has been dealt with. */
static unsigned answers(void)
{
    kit_on(server.runtime.shards[0], nothing, NULL);
    return heard.n;
}

/* Nothing runs on the hooks' workers any more. */
static void end_workers(void)
{
    assert_true(pool_free(server.runtime.hooks, KIT_WAIT_MS));
    server.runtime.hooks = NULL;
}

static void check_verdict(uint32_t point, enum antiphon_verdict verdict, const char *text, size_t len,
                          enum antiphon_status status, const char *told)
{
    static uint64_t number = 100;
    unsigned before = answers();
    struct hook_call *call = NULL;

    script.verdict = verdict;
    script.text = text;
    script.len = len;
    assert_int_equal(ask(point, ++number, &call), ANTIPHON_OK);
    wait_for(&heard.came);
    assert_int_equal(answers(), before + 1);
    assert_int_equal(heard.number, number);
    assert_int_equal(heard.status, status);
    assert_int_equal(heard.verdict, status ? ANTIPHON_PASS : verdict);
    assert_string_equal(heard.text, told);
    hook_call_release(call);
}

static void verdicts(void **state)
{
    const uint32_t said = ANTIPHON_HOOK_USER_TEXT, before = ANTIPHON_HOOK_BEFORE_TOOL, after = ANTIPHON_HOOK_AFTER_TOOL;
    const enum antiphon_status bad = ANTIPHON_EPROTOCOL;
    char *large = calloc(1, HOOK_CALL_MAX_BYTES + 2);

    (void)state;
    check_verdict(said, ANTIPHON_PASS, "is not told", 0, ANTIPHON_OK, "");
    assert_string_equal(script.seen, "app ann s1 echo - What now?");
    check_verdict(said, ANTIPHON_REWRITE, "차", 0, ANTIPHON_OK, "차");
    check_verdict(said, ANTIPHON_REFUSE, "No.", 2, ANTIPHON_OK, "No");
    check_verdict(said, ANTIPHON_ANSWER, "{}", 0, bad, "");
    check_verdict(said, ANTIPHON_REWRITE, "\xff", 0, bad, "");
    check_verdict(said, ANTIPHON_REWRITE, "a\0b", 3, bad, "");
    check_verdict(said, (enum antiphon_verdict)9, "x", 0, bad, "");
    check_verdict(before, ANTIPHON_REWRITE, "{\"a\":1}", 0, ANTIPHON_OK, "{\"a\":1}");
    assert_string_equal(script.seen, "app ann s1 echo pay What now?");
    check_verdict(before, ANTIPHON_REWRITE, "[1]", 0, bad, "");
    check_verdict(before, ANTIPHON_ANSWER, "[1]", 0, ANTIPHON_OK, "[1]");
    check_verdict(before, ANTIPHON_ANSWER, "[1", 0, bad, "");
    check_verdict(before, ANTIPHON_REFUSE, "[1", 0, ANTIPHON_OK, "[1");
    check_verdict(after, ANTIPHON_REWRITE, "{}", 0, ANTIPHON_OK, "{}");
    check_verdict(after, ANTIPHON_ANSWER, "{}", 0, bad, "");
    assert_non_null(large);
    memset(large, 'a', HOOK_CALL_MAX_BYTES + 1);
    check_verdict(said, ANTIPHON_REFUSE, large, HOOK_CALL_MAX_BYTES + 1, bad, "");
    check_verdict(said, ANTIPHON_REFUSE, large, HOOK_CALL_MAX_BYTES, ANTIPHON_OK,
                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    assert_int_equal(heard.len, HOOK_CALL_MAX_BYTES);
    free(large);
}

static void who_decides_twice_is_heard_once(void **state)
{
    struct hook_call *call = NULL;

    (void)state;
    atomic_store(&scolded, 0);
    script.manner = DECIDES_TWICE;
    check_verdict(ANTIPHON_HOOK_USER_TEXT, ANTIPHON_REWRITE, "first", 0, ANTIPHON_OK, "first");
    wait_for(&script.asked); /* it has said it twice by now; heard was the first */
    assert_int_equal(scolded, 1);
    script.manner = DECIDES_THEN_FAILS;
    check_verdict(ANTIPHON_HOOK_USER_TEXT, ANTIPHON_REWRITE, "first", 0, ANTIPHON_OK, "first");
    /* Again after the question is over and its memory given back: as often as it likes. */
    script.manner = KEEPS;
    assert_int_equal(ask(ANTIPHON_HOOK_USER_TEXT, 7, &call), ANTIPHON_OK);
    wait_for(&script.asked); /* of the one that failed */
    wait_for(&script.asked);
    hook_call_decide(script.check, ANTIPHON_PASS, NULL, 0);
    wait_for(&heard.came);
    hook_call_release(call);
    end_workers();
    for (unsigned i = 0; i < 3; i++)
        hook_call_decide(script.check, ANTIPHON_REFUSE, "late", 4);
    assert_int_equal(scolded, 4);
    assert_int_equal(answers(), 3);
    assert_int_equal(heard.number, 7);
    assert_int_equal(heard.verdict, ANTIPHON_PASS);
}

static void failures(void **state)
{
    struct hook_call *call = NULL;

    (void)state;
    script.manner = FAILS;
    assert_int_equal(ask(ANTIPHON_HOOK_USER_TEXT, 3, &call), ANTIPHON_OK);
    wait_for(&heard.came);
    assert_int_equal(heard.status, ANTIPHON_EUNAVAILABLE);
    end_workers();
    /* It said that it would not. */
    hook_call_decide(script.check, ANTIPHON_REFUSE, "after all", 9);
    assert_int_equal(answers(), 1);
    hook_call_release(call);
}

/* The budget is over, or the session has ended: the question is given back, and only then comes the decision. */
static void what_comes_late_is_not_heard(void **state)
{
    struct hook_call *call = NULL;

    (void)state;
    script.manner = KEEPS;
    assert_int_equal(ask(ANTIPHON_HOOK_USER_TEXT, 1, &call), ANTIPHON_OK);
    wait_for(&script.asked);
    hook_call_release(call);
    hook_call_decide(script.check, ANTIPHON_REFUSE, "late", 4);
    assert_int_equal(answers(), 0);
    /* With a session that is gone, whoever forgot to give it back. */
    assert_int_equal(ask(ANTIPHON_HOOK_USER_TEXT, 2, &call), ANTIPHON_OK);
    wait_for(&script.asked);
    kit_leave_all();
    kit_until_no_session();
    hook_call_decide(script.check, ANTIPHON_REFUSE, "late", 4);
    assert_int_equal(answers(), 0);
    hook_call_release(call);
}

/* Both at once, on three threads: heard once or not at all, and nothing is freed too early. */
static void decision_and_end_race(void **state)
{
    unsigned n = 0;

    (void)state;
    script.text = "x";
    script.manner = DECIDES_TWICE;
    for (uint64_t i = 0; i < 500; i++) {
        struct hook_call *call = NULL;
        enum antiphon_status status = ask(ANTIPHON_HOOK_USER_TEXT, i, &call);
        if (i % 16 == 15 && !status)
            wait_for(&heard.came);
        n += !status;
        hook_call_release(call);
    }
    end_workers();
    assert_true(answers() <= n && answers() > 0);
    assert_true(script.runs <= n);
}

static void nobody_waits_for_who_was_not_asked_yet(void **state)
{
    struct hook_call *first = NULL, *second = NULL;

    (void)state;
    script.manner = BLOCKS;
    assert_int_equal(ask(ANTIPHON_HOOK_USER_TEXT, 1, &first), ANTIPHON_OK);
    wait_for(&script.asked);
    assert_int_equal(ask(ANTIPHON_HOOK_USER_TEXT, 2, &second), ANTIPHON_OK);
    hook_call_release(second);
    sem_post(&script.go_on);
    wait_for(&heard.came);
    hook_call_release(first);
    end_workers();
    assert_int_equal(answers(), 1);
    assert_int_equal(heard.number, 1);
    assert_int_equal(script.runs, 1);
}

static void who_only_watches_is_asked_all_the_same(void **state)
{
    struct antiphon_check check = {.point = ANTIPHON_HOOK_USER_TEXT, .app = "a", .user_id = "u", .session_id = "s", .agent = "g",
                                   .text = "t", .text_len = 1};
    struct hook_call_options options = {.hook = &hook, .check = &check, .session = session};

    (void)state;
    script.verdict = ANTIPHON_REFUSE;
    script.text = "nobody asked";
    assert_int_equal(hook_call_start(&server.runtime, &options, NULL), ANTIPHON_OK);
    wait_for(&script.asked);
    end_workers();
    assert_int_equal(answers(), 0);
    assert_string_equal(script.seen, "a u s g - t");
}

/* A hook that never decides gets no more than its share of questions, and its share again once it does. */
static void check_bound(void)
{
    struct antiphon_check *open[HOOK_CALL_MAX_OPEN];
    struct hook_call *call = NULL;
    unsigned before = answers();

    script.manner = KEEPS;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < HOOK_CALL_MAX_OPEN; i++) {
            assert_int_equal(ask(ANTIPHON_HOOK_USER_TEXT, i, &call), ANTIPHON_OK);
            wait_for(&script.asked);
            open[i] = script.check;
            hook_call_release(call); /* in vain: the hook has not answered yet */
        }
        call = NULL;
        assert_int_equal(ask(ANTIPHON_HOOK_USER_TEXT, 99, &call), ANTIPHON_EBUSY);
        assert_null(call);
        for (unsigned i = 0; i < HOOK_CALL_MAX_OPEN; i++)
            hook_call_decide(open[i], ANTIPHON_PASS, NULL, 0);
    }
    assert_int_equal(answers(), before);
}

static void open_questions_are_bounded(void **state)
{
    (void)state;
    check_bound();
}

static void the_end_of_the_workers_is_told(void **state)
{
    struct hook_call *first = NULL, *second = NULL, *third = NULL;
    struct pool *pool = server.runtime.hooks;

    (void)state;
    script.manner = BLOCKS;
    assert_int_equal(ask(ANTIPHON_HOOK_USER_TEXT, 1, &first), ANTIPHON_OK);
    wait_for(&script.asked);
    assert_int_equal(ask(ANTIPHON_HOOK_USER_TEXT, 2, &second), ANTIPHON_OK);
    assert_int_equal(ask(ANTIPHON_HOOK_USER_TEXT, 3, &third), ANTIPHON_OK);
    server.runtime.hooks = NULL;
    assert_false(pool_free(pool, 0)); /* the first is still there, and stays behind */
    wait_for(&heard.came);
    wait_for(&heard.came);
    assert_int_equal(heard.status, ANTIPHON_ECANCELLED);
    sem_post(&script.go_on);
    wait_for(&heard.came);
    assert_int_equal(heard.status, ANTIPHON_OK);
    assert_int_equal(answers(), 3);
    hook_call_release(first);
    hook_call_release(second);
    hook_call_release(third);
}

static void without_memory(void **state)
{
    bool failed = true;

    (void)state;
    script.manner = DECIDES;
    hook_call_release(NULL);
    for (unsigned n = 0; failed; n++) {
        struct hook_call *call = NULL;
        alloc_fail_at(n);
        enum antiphon_status status = ask(ANTIPHON_HOOK_USER_TEXT, n, &call);
        failed = alloc_has_failed();
        if (status)
            assert_null(call);
        hook_call_release(call);
    }
    end_workers();
    while (sem_trywait(&script.asked) == 0)
        ;
    assert_int_equal(pool_new("hooks", 1, 64, &server.runtime.hooks), ANTIPHON_OK);
    check_bound(); /* none of them is counted as open for ever */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(verdicts),
        T(who_decides_twice_is_heard_once),
        T(failures),
        T(what_comes_late_is_not_heard),
        T(decision_and_end_race),
        T(nobody_waits_for_who_was_not_asked_yet),
        T(who_only_watches_is_asked_all_the_same),
        T(open_questions_are_bounded),
        T(the_end_of_the_workers_is_told),
        T(without_memory),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
