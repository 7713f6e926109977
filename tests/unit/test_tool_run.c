#include "unit.h"

#include <stdio.h>

#include "session/tool_run.h"

static struct antiphon_event call_event(const char *id, const char *name, uint32_t index,
                                        uint32_t count)
{
    return (struct antiphon_event){.struct_size = sizeof(struct antiphon_event),
                                   .type = ANTIPHON_EV_TOOL_CALL,
                                   .id = id,
                                   .name = name,
                                   .index = index,
                                   .count = count,
                                   .data = "{\"a\":1}--",
                                   .len = 7};
}

static struct tool_run *add(struct tool_runs *runs, const char *id, const char *name,
                            uint32_t index, uint32_t count)
{
    struct antiphon_event event = call_event(id, name, index, count);
    struct tool_run *run = NULL;

    assert_int_equal(tool_runs_add(runs, &event, &run), ANTIPHON_OK);
    assert_non_null(run);
    return run;
}

struct over {
    int count;
    enum tool_run_state last;
    char ids[256];
};

static void on_over(void *ctx, const struct tool_run *run)
{
    struct over *over = ctx;
    size_t at = strlen(over->ids);

    over->count++;
    over->last = run->state;
    if (run->state != TOOL_CANCELLED)
        assert_non_null(run->response);
    snprintf(over->ids + at, sizeof(over->ids) - at, "%s ", run->id);
}

static void expect_batch(struct tool_runs *runs, const char *json)
{
    struct buf out;

    buf_init(&out, 4u << 20);
    assert_true(tool_runs_take_batch(runs, &out, NULL, NULL));
    assert_int_equal(buf_status(&out), ANTIPHON_OK);
    assert_string_equal(buf_text(&out), json);
    buf_deinit(&out);
}

static void expect_none(struct tool_runs *runs)
{
    struct buf out;

    buf_init(&out, 4u << 20);
    assert_false(tool_runs_take_batch(runs, &out, NULL, NULL));
    assert_int_equal(out.len, 0);
    buf_deinit(&out);
}

/* ---- the machine: every state and every event ---------------------------------------------------
 */

enum event { START, ASK, FINISH_OK, FINISH_ERROR, ABORT, CANCEL, EVENTS };

static struct tool_run *in_state(struct tool_runs *runs, enum tool_run_state state)
{
    struct tool_run *run = add(runs, "x", "t", 0, 1);

    if (state == TOOL_ASKING)
        tool_run_ask(run, 4);
    else if (state != TOOL_REQUESTED)
        tool_run_start(run, NULL, 5);
    if (state == TOOL_DONE)
        assert_true(tool_run_finish(run, ANTIPHON_OK, "{\"was\":1}", 9));
    if (state == TOOL_FAILED)
        assert_true(tool_run_finish(run, ANTIPHON_EDENIED, "was", 3));
    if (state == TOOL_CANCELLED)
        assert_true(tool_run_cancel(run));
    assert_int_equal(run->state, state);
    return run;
}

static bool apply(struct tool_run *run, enum event event)
{
    switch (event) {
    case START:
        tool_run_start(run, run, 9);
        return run->deadline_ms == 9;
    case ASK:
        tool_run_ask(run, 8);
        return run->deadline_ms == 8;
    case ABORT:
        return tool_run_abort(run, "given up");
    case FINISH_OK:
        return tool_run_finish(run, ANTIPHON_OK, "2", 1);
    case FINISH_ERROR:
        return tool_run_finish(run, ANTIPHON_ETIMEOUT, NULL, 0);
    default:
        return tool_run_cancel(run);
    }
}

static void test_every_state_and_event(void **state)
{
    static const struct {
        enum tool_run_state next;
        bool happened;
        const char *answer; /* NULL: still open */
    } table[][EVENTS] = {
        [TOOL_REQUESTED] = {{TOOL_RUNNING, true, NULL},
                            {TOOL_ASKING, true, NULL},
                            {TOOL_DONE, true, "{\"result\":2}"},
                            {TOOL_FAILED, true, "{\"error\":\"timed out\"}"},
                            {TOOL_CANCELLED, true, "{\"error\":\"given up\"}"},
                            {TOOL_CANCELLED, true, ""}},
        [TOOL_ASKING] = {{TOOL_RUNNING, true, NULL},
                         {TOOL_ASKING, false, NULL},
                         {TOOL_DONE, true, "{\"result\":2}"},
                         {TOOL_FAILED, true, "{\"error\":\"timed out\"}"},
                         {TOOL_CANCELLED, true, "{\"error\":\"given up\"}"},
                         {TOOL_CANCELLED, true, ""}},
        [TOOL_RUNNING] = {{TOOL_RUNNING, false, NULL},
                          {TOOL_ASKING, true, NULL},
                          {TOOL_DONE, true, "{\"result\":2}"},
                          {TOOL_FAILED, true, "{\"error\":\"timed out\"}"},
                          {TOOL_CANCELLED, true, "{\"error\":\"given up\"}"},
                          {TOOL_CANCELLED, true, ""}},
        [TOOL_DONE] = {{TOOL_DONE, false, "{\"was\":1}"},
                       {TOOL_DONE, false, "{\"was\":1}"},
                       {TOOL_DONE, false, "{\"was\":1}"},
                       {TOOL_DONE, false, "{\"was\":1}"},
                       {TOOL_DONE, false, "{\"was\":1}"},
                       {TOOL_CANCELLED, false, ""}},
        [TOOL_FAILED] = {{TOOL_FAILED, false, "{\"error\":\"was\"}"},
                         {TOOL_FAILED, false, "{\"error\":\"was\"}"},
                         {TOOL_FAILED, false, "{\"error\":\"was\"}"},
                         {TOOL_FAILED, false, "{\"error\":\"was\"}"},
                         {TOOL_FAILED, false, "{\"error\":\"was\"}"},
                         {TOOL_CANCELLED, false, ""}},
        [TOOL_CANCELLED] = {{TOOL_CANCELLED, false, ""},
                            {TOOL_CANCELLED, false, ""},
                            {TOOL_CANCELLED, false, ""},
                            {TOOL_CANCELLED, false, ""},
                            {TOOL_CANCELLED, false, ""},
                            {TOOL_CANCELLED, false, ""}},
    };
    struct tool_runs runs = {0};
    char expected[128];

    (void)state;
    for (enum tool_run_state from = TOOL_REQUESTED; from <= TOOL_CANCELLED; from++) {
        for (enum event event = START; event < EVENTS; event++) {
            struct tool_run *run = in_state(&runs, from);
            assert_int_equal(apply(run, event), table[from][event].happened);
            assert_int_equal(run->state, table[from][event].next);
            assert_int_equal(tool_runs_open(&runs), table[from][event].answer == NULL);
            if (!table[from][event].answer) {
                expect_none(&runs);
                tool_run_cancel(run);
                expect_batch(&runs, "");
                continue;
            }
            snprintf(expected, sizeof(expected), "[{\"id\":\"x\",\"name\":\"t\",\"response\":%s}]",
                     table[from][event].answer);
            expect_batch(&runs, *table[from][event].answer ? expected : "");
        }
    }
    assert_int_equal(runs.n, 0);
    assert_false(tool_runs_open(&runs));
}

/* ---- adding
 * -------------------------------------------------------------------------------------- */

static void test_add(void **state)
{
    struct tool_runs runs = {0};
    struct tool_run *run = add(&runs, "id-1", "look", 0, 2);

    (void)state;
    assert_string_equal(run->id, "id-1");
    assert_string_equal(run->name, "look");
    assert_string_equal(run->args, "{\"a\":1}");
    assert_false(run->local_id);
    assert_int_equal(run->number, 1);
    struct tool_run *other = add(&runs, NULL, "look", 1, 2);
    assert_string_equal(other->id, "antiphon-2");
    assert_true(other->local_id);
    assert_int_equal(other->batch, run->batch);
    struct tool_run *third = add(&runs, "", "look", 0, 1);
    assert_string_equal(third->id, "antiphon-3");
    assert_int_not_equal(third->batch, run->batch);
    assert_ptr_equal(tool_runs_find(&runs, 2), other);
    assert_ptr_equal(tool_runs_find_id(&runs, "id-1"), run);
    assert_null(tool_runs_find(&runs, 4));
    assert_null(tool_runs_find(&runs, 0));
    assert_null(tool_runs_find_id(&runs, "id-2"));
    tool_runs_deinit(&runs);
    assert_int_equal(runs.n, 0);
}

static void test_add_without_arguments(void **state)
{
    struct tool_runs runs = {0};
    struct antiphon_event event = call_event("1", "look", 0, 0);
    struct tool_run *run;

    (void)state;
    event.data = NULL;
    event.len = 0;
    assert_int_equal(tool_runs_add(&runs, &event, &run), ANTIPHON_OK);
    assert_string_equal(run->args, "{}");
    tool_run_finish(run, ANTIPHON_OK, NULL, 0);
    expect_batch(&runs, "[{\"id\":\"1\",\"name\":\"look\",\"response\":{\"result\":null}}]");
}

static void test_refused(void **state)
{
    struct tool_runs runs = {0};
    struct antiphon_event event = call_event("1", "look", 1, 3);
    struct tool_run *run = add(&runs, "1", "look", 0, 3), *none = NULL;

    (void)state;
    assert_int_equal(tool_runs_add(&runs, &event, &none), ANTIPHON_EEXISTS);
    event = call_event("2", NULL, 2, 3);
    assert_int_equal(tool_runs_add(&runs, &event, &none), ANTIPHON_EINVAL);
    assert_null(none);
    /* Both are refused, so that the batch has all it will ever have. */
    tool_run_finish(run, ANTIPHON_OK, "{}", 2);
    expect_batch(&runs, "[{\"id\":\"1\",\"name\":\"look\",\"response\":{}}]");
    run = add(&runs, "1", "look", 0, 1); /* an id that was answered is free again */
    assert_int_equal(run->number, 2);
    tool_runs_deinit(&runs);
}

static void test_bound(void **state)
{
    struct tool_runs runs = {0};
    struct antiphon_event event = call_event(NULL, "look", 64, 66);
    struct tool_run *run = NULL;
    struct over over = {0};
    struct buf out;

    (void)state;
    for (uint32_t i = 0; i < TOOL_RUN_MAX_OPEN; i++)
        tool_run_finish(add(&runs, NULL, "look", i, 66), ANTIPHON_OK, "1", 1);
    assert_int_equal(tool_runs_add(&runs, &event, &run), ANTIPHON_EBUSY);
    expect_none(&runs);
    event.index = 65;
    assert_int_equal(tool_runs_add(&runs, &event, &run), ANTIPHON_EBUSY);
    buf_init(&out, 65536);
    assert_true(tool_runs_take_batch(&runs, &out, on_over, &over));
    assert_int_equal(over.count, TOOL_RUN_MAX_OPEN);
    assert_int_equal(runs.n, 0);
    buf_deinit(&out);
    add(&runs, NULL, "look", 0, 1);
    tool_runs_deinit(&runs);
}

/* ---- batches
 * --------------------------------------------------------------------------------------- */

static void test_call_order(void **state)
{
    struct tool_runs runs = {0};
    struct over over = {0};
    struct buf out;

    (void)state;
    add(&runs, "a", "t", 0, 3);
    add(&runs, NULL, "u", 1, 3);
    add(&runs, "c", "v", 2, 3);
    tool_run_finish(tool_runs_find_id(&runs, "c"), ANTIPHON_OK, "[3]", 3);
    expect_none(&runs);
    tool_run_finish(tool_runs_find_id(&runs, "a"), ANTIPHON_OK, " {\"n\":12345678901234567890}\n",
                    28);
    expect_none(&runs);
    tool_run_finish(tool_runs_find(&runs, 2), ANTIPHON_EDENIED, "no \"entry\"", 10);
    buf_init(&out, 65536);
    assert_true(tool_runs_take_batch(&runs, &out, on_over, &over));
    assert_string_equal(
        buf_text(&out),
        "[{\"id\":\"a\",\"name\":\"t\",\"response\": {\"n\":12345678901234567890}\n},"
        "{\"name\":\"u\",\"response\":{\"error\":\"no \\\"entry\\\"\"}},"
        "{\"id\":\"c\",\"name\":\"v\",\"response\":{\"result\":[3]}}]");
    assert_string_equal(over.ids, "a antiphon-2 c ");
    buf_deinit(&out);
}

/* A call whose arguments are wrong is over before the next of its message was seen. */
static void test_batch_waits_for_all_of_its_message(void **state)
{
    struct tool_runs runs = {0};

    (void)state;
    tool_run_finish(add(&runs, "a", "t", 0, 2), ANTIPHON_EINVAL, "bad", 3);
    expect_none(&runs);
    tool_run_finish(add(&runs, "b", "t", 1, 2), ANTIPHON_OK, "true", 4);
    expect_batch(&runs, "[{\"id\":\"a\",\"name\":\"t\",\"response\":{\"error\":\"bad\"}},"
                        "{\"id\":\"b\",\"name\":\"t\",\"response\":{\"result\":true}}]");
}

static void test_message_that_was_cut_short(void **state)
{
    struct tool_runs runs = {0};

    (void)state;
    tool_run_finish(add(&runs, "a", "t", 0, 2), ANTIPHON_OK, "1", 1);
    tool_run_finish(add(&runs, "b", "t", 0, 2), ANTIPHON_OK, "2", 1);
    expect_batch(&runs, "[{\"id\":\"a\",\"name\":\"t\",\"response\":{\"result\":1}}]");
    expect_none(&runs);
    /* Nobody wants it any more: it need not wait for the rest. */
    assert_false(tool_run_cancel(tool_runs_find_id(&runs, "b")));
    expect_batch(&runs, "");
    /* The rest comes after all. */
    tool_run_finish(add(&runs, "c", "t", 1, 2), ANTIPHON_OK, "3", 1);
    expect_batch(&runs, "[{\"id\":\"c\",\"name\":\"t\",\"response\":{\"result\":3}}]");
    /* A message that does not begin at 0. */
    tool_run_finish(add(&runs, "d", "t", 4, 2), ANTIPHON_OK, "4", 1);
    expect_batch(&runs, "[{\"id\":\"d\",\"name\":\"t\",\"response\":{\"result\":4}}]");
}

static void test_two_batches(void **state)
{
    struct tool_runs runs = {0};

    (void)state;
    add(&runs, "a", "t", 0, 1);
    add(&runs, "b", "t", 0, 2);
    add(&runs, "c", "t", 1, 2);
    tool_run_finish(tool_runs_find_id(&runs, "b"), ANTIPHON_OK, "2", 1);
    tool_run_finish(tool_runs_find_id(&runs, "c"), ANTIPHON_OK, "3", 1);
    expect_batch(&runs, "[{\"id\":\"b\",\"name\":\"t\",\"response\":{\"result\":2}},"
                        "{\"id\":\"c\",\"name\":\"t\",\"response\":{\"result\":3}}]");
    expect_none(&runs);
    assert_int_equal(runs.n, 1);
    assert_string_equal(tool_runs_find(&runs, 1)->id, "a");
    tool_run_finish(tool_runs_find(&runs, 1), ANTIPHON_OK, "1", 1);
    expect_batch(&runs, "[{\"id\":\"a\",\"name\":\"t\",\"response\":{\"result\":1}}]");
}

static void test_cancelled_calls_are_left_out(void **state)
{
    struct tool_runs runs = {0};

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        add(&runs, i == 0 ? "a" : i == 1 ? "b" : "c", "t", i, 3);
    assert_true(tool_run_cancel(tool_runs_find_id(&runs, "a")));
    assert_true(tool_run_finish(tool_runs_find_id(&runs, "c"), ANTIPHON_OK, "3", 1));
    assert_false(tool_run_cancel(tool_runs_find_id(&runs, "c")));
    tool_run_finish(tool_runs_find_id(&runs, "b"), ANTIPHON_OK, "2", 1);
    expect_batch(&runs, "[{\"id\":\"b\",\"name\":\"t\",\"response\":{\"result\":2}}]");
    expect_none(&runs);
}

/* The model waits for what it did not take back itself. */
static void test_aborted_calls_are_answered(void **state)
{
    struct tool_runs runs = {0};
    struct tool_run *run = add(&runs, "a", "t", 0, 2);

    (void)state;
    tool_run_start(run, NULL, 5);
    assert_true(tool_run_abort(run, "the user \"stopped\""));
    assert_false(tool_run_open(run));
    assert_false(tool_run_finish(run, ANTIPHON_OK, "1", 1));
    add(&runs, "b", "t", 1, 2);
    expect_none(&runs);
    tool_run_finish(tool_runs_find_id(&runs, "b"), ANTIPHON_OK, "2", 1);
    expect_batch(&runs, "[{\"id\":\"a\",\"name\":\"t\",\"response\":{\"error\":\"the user \\\"stopped\\\"\"}},"
                        "{\"id\":\"b\",\"name\":\"t\",\"response\":{\"result\":2}}]");
    /* It takes it back after all. */
    run = add(&runs, "c", "t", 0, 1);
    assert_true(tool_run_abort(run, "no"));
    assert_false(tool_run_cancel(run));
    expect_batch(&runs, "");
}

static void test_apart(void **state)
{
    struct tool_runs runs = {.apart = true};

    (void)state;
    add(&runs, "a", "t", 0, 2);
    add(&runs, "b", "t", 1, 2)->scheduling = "SILENT";
    tool_run_finish(tool_runs_find_id(&runs, "b"), ANTIPHON_OK, "2", 1);
    expect_batch(&runs, "[{\"id\":\"b\",\"name\":\"t\",\"response\":{\"result\":2},\"scheduling\":\"SILENT\"}]");
    expect_none(&runs);
    tool_run_finish(tool_runs_find_id(&runs, "a"), ANTIPHON_OK, "1", 1);
    expect_batch(&runs, "[{\"id\":\"a\",\"name\":\"t\",\"response\":{\"result\":1}}]");
    tool_runs_deinit(&runs);
    assert_true(runs.apart);
}

static void test_deadlines(void **state)
{
    struct tool_runs runs = {0};

    (void)state;
    add(&runs, "a", "t", 0, 4);
    add(&runs, "b", "t", 1, 4);
    add(&runs, "c", "t", 2, 4);
    add(&runs, "d", "t", 3, 4);
    assert_int_equal(tool_runs_deadline(&runs), 0);
    tool_run_start(tool_runs_find_id(&runs, "a"), NULL, 300);
    tool_run_start(tool_runs_find_id(&runs, "b"), NULL, 200);
    tool_run_start(tool_runs_find_id(&runs, "c"), NULL, 0);
    assert_int_equal(tool_runs_deadline(&runs), 200);
    tool_run_ask(tool_runs_find_id(&runs, "d"), 100);
    assert_int_equal(tool_runs_deadline(&runs), 100);
    tool_run_cancel(tool_runs_find_id(&runs, "d"));
    tool_run_finish(tool_runs_find_id(&runs, "b"), ANTIPHON_ETIMEOUT, NULL, 0);
    assert_int_equal(tool_runs_deadline(&runs), 300);
    tool_run_cancel(tool_runs_find_id(&runs, "a"));
    assert_int_equal(tool_runs_deadline(&runs), 0);
    assert_true(tool_runs_open(&runs));
    tool_runs_deinit(&runs);
}

/* ---- results
 * ---------------------------------------------------------------------------------------- */

static void expect_response(enum antiphon_status status, const char *text, size_t len,
                            enum tool_run_state then, const char *response)
{
    struct tool_runs runs = {0};
    struct tool_run *run = add(&runs, "1", "t", 0, 1);

    assert_true(tool_run_finish(run, status, text, len));
    assert_int_equal(run->state, then);
    assert_string_equal(run->response, response);
    tool_runs_deinit(&runs);
}

static void test_results(void **state)
{
    static const struct {
        enum antiphon_status status;
        const char *text, *response;
        enum tool_run_state state;
    } rows[] = {
        {ANTIPHON_OK, "{\"a\":[1,2]}", "{\"a\":[1,2]}", TOOL_DONE},
        {ANTIPHON_OK, "{}", "{}", TOOL_DONE},
        {ANTIPHON_OK, "\"plain Seoul\"", "{\"result\":\"plain Seoul\"}", TOOL_DONE},
        {ANTIPHON_OK, "null", "{\"result\":null}", TOOL_DONE},
        {ANTIPHON_OK, "", "{\"result\":null}", TOOL_DONE},
        {ANTIPHON_OK, "9007199254740993", "{\"result\":9007199254740993}", TOOL_DONE},
        {ANTIPHON_OK, "[{}]", "{\"result\":[{}]}", TOOL_DONE},
        {ANTIPHON_OK, "{oops",
         "{\"error\":\"the tool's result cannot be read: invalid JSON at byte 1: a name in quotes "
         "is missing\"}",
         TOOL_FAILED},
        {ANTIPHON_EINTERNAL, "boom in Seoul", "{\"error\":\"boom in Seoul\"}", TOOL_FAILED},
        {ANTIPHON_EINTERNAL, "a\n\"b\" \xFF", "{\"error\":\"a\\n\\\"b\\\" \xEF\xBF\xBD\"}",
         TOOL_FAILED},
        {ANTIPHON_ECANCELLED, "", "{\"error\":\"cancelled\"}", TOOL_FAILED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_response(rows[i].status, rows[i].text, strlen(rows[i].text), rows[i].state,
                        rows[i].response);
    expect_response(ANTIPHON_EDENIED, "cut\0here", 8, TOOL_FAILED, "{\"error\":\"cut\"}");
    expect_response(ANTIPHON_OK, NULL, 0, TOOL_DONE, "{\"result\":null}");
}

static void test_result_size(void **state)
{
    size_t most = TOOL_RUN_MAX_RESULT_BYTES;
    char *text = malloc(most + 1), *expected = malloc(most + 16);

    (void)state;
    assert_true(text && expected);
    memset(text, 'x', most + 1);
    text[0] = text[most - 1] = '"';
    snprintf(expected, most + 16, "{\"result\":%.*s}", (int)most, text);
    expect_response(ANTIPHON_OK, text, most, TOOL_DONE, expected);
    expect_response(ANTIPHON_OK, text, most + 1, TOOL_FAILED,
                    "{\"error\":\"the result has 1048577 bytes, at most 1048576 are allowed\"}");
    snprintf(expected, most, "{\"error\":\"%.*s\"}", TOOL_RUN_MAX_ERROR_BYTES - 1, text + 1);
    /* Cut in the middle of a letter: the whole letter goes. */
    memcpy(text + TOOL_RUN_MAX_ERROR_BYTES, "\xEA\xB0\x80", 3);
    expect_response(ANTIPHON_EINTERNAL, text + 1, most - 2, TOOL_FAILED, expected);
    free(text);
    free(expected);
}

static void test_results_that_do_not_fit_together(void **state)
{
    struct tool_runs runs = {0};
    struct over over = {0};
    char text[900];
    struct buf out;

    (void)state;
    memset(text, '1', sizeof(text));
    tool_run_finish(add(&runs, "a", "t", 0, 3), ANTIPHON_OK, text, 60);
    tool_run_finish(add(&runs, "b", "t", 1, 3), ANTIPHON_OK, text, 63);
    tool_run_finish(add(&runs, "c", "t", 2, 3), ANTIPHON_OK, "{\"ok\":true}", 11);
    buf_init(&out, 250);
    buf_puts(&out, "before ");
    assert_true(tool_runs_take_batch(&runs, &out, on_over, &over));
    assert_int_equal(buf_status(&out), ANTIPHON_OK);
    assert_int_equal(strncmp(buf_text(&out), "before [{\"id\":\"a\"", 17), 0);
    assert_non_null(strstr(buf_text(&out), "{\"id\":\"b\",\"name\":\"t\",\"response\":"
                                           "{\"error\":\"the result is too long\"}}"));
    assert_non_null(strstr(buf_text(&out), "{\"ok\":true}"));
    buf_deinit(&out);

    tool_run_finish(add(&runs, "a", "t", 0, 1), ANTIPHON_OK, text, 60);
    buf_init(&out, 20);
    assert_true(tool_runs_take_batch(&runs, &out, on_over, &over));
    assert_int_equal(buf_status(&out), ANTIPHON_ETOOBIG);
    assert_int_equal(out.len, 0);
    assert_int_equal(over.count, 4);
    assert_int_equal(over.last, TOOL_FAILED);
    assert_int_equal(runs.n, 0);
    buf_deinit(&out);
}

/* ---- memory
 * ----------------------------------------------------------------------------------------- */

static void test_no_memory(void **state)
{
    struct antiphon_event event = call_event("1", "t", 0, 1);
    struct tool_runs runs = {0};
    struct tool_run *run = NULL;
    enum antiphon_status status;

    (void)state;
    for (unsigned n = 0;
         alloc_fail_at(n), status = tool_runs_add(&runs, &event, &run), alloc_has_failed(); n++) {
        assert_int_equal(status, ANTIPHON_ENOMEM);
        assert_int_equal(runs.n, 0);
        expect_none(&runs);
    }
    assert_int_equal(status, ANTIPHON_OK);
    alloc_fail_at(0);
    assert_true(tool_run_finish(run, ANTIPHON_EDENIED, "no", 2));
    assert_true(alloc_has_failed());
    assert_int_equal(run->state, TOOL_FAILED);
    expect_batch(&runs,
                 "[{\"id\":\"1\",\"name\":\"t\",\"response\":{\"error\":\"there was no memory "
                 "for the result\"}}]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_state_and_event),
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_add_without_arguments),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_call_order),
        cmocka_unit_test(test_batch_waits_for_all_of_its_message),
        cmocka_unit_test(test_message_that_was_cut_short),
        cmocka_unit_test(test_two_batches),
        cmocka_unit_test(test_cancelled_calls_are_left_out),
        cmocka_unit_test(test_aborted_calls_are_answered),
        cmocka_unit_test(test_apart),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_result_size),
        cmocka_unit_test(test_results_that_do_not_fit_together),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
