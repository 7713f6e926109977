/* A round of a loop that takes long says so, once, and in what; and what a round remembers of its steps. */
#include "unit.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/loop_watch.h"

static char said[LOG_MAX_LINE];
static unsigned lines;

static void on_line(void *ctx, enum antiphon_log_level level, const char *text)
{
    (void)ctx;
    assert_int_equal(level, ANTIPHON_WARN);
    (void)snprintf(said, sizeof(said), "%s", text);
    lines++;
}

/* By the clock that is measured with, however the machine is loaded. */
static void spend(uint64_t us)
{
    uint64_t until = clock_now_us() + us;
    struct timespec pause = {0, 1000000};

    while (clock_now_us() < until)
        nanosleep(&pause, NULL);
}

static void test_nothing(void **state)
{
    (void)state;
    assert_null(step_round_end());
}

static void test_longest(void **state)
{
    const struct step_round *round;
    char text[STEP_TEXT_SIZE];

    (void)state;
    step_begin(STEP_timer);
    step_begin(STEP_client_message);
    step_mark(STEP_plugin_send);
    spend(STEP_LONG_US);
    step_begin(STEP_posted);
    round = step_round_end();
    assert_non_null(round);
    assert_int_equal(round->callbacks, 3);
    assert_true(round->longest_us >= STEP_LONG_US && round->us >= round->longest_us);
    step_print(round, text);
    assert_string_equal(text, "a client's message > the model plugin's send()");
    assert_null(step_round_end());
    step_begin(STEP_timer);
    round = step_round_end();
    assert_int_equal(round->callbacks, 1); /* nothing is left of the last round */
}

/* The first steps and the last one are kept. */
static void test_long_trail(void **state)
{
    const struct step_round *round;
    char text[STEP_TEXT_SIZE];

    (void)state;
    step_begin(STEP_model_message);
    for (int i = 0; i < 20; i++)
        step_mark(STEP_event_audio);
    step_mark(STEP_event_turn);
    spend(STEP_LONG_US);
    round = step_round_end();
    assert_int_equal(round->trail_n, STEP_MAX_TRAIL);
    step_print(round, text);
    assert_memory_equal(text, "a model's message > audio of the model > ", 40);
    assert_string_equal(text + strlen(text) - 17, "the end of a turn");
}

static void test_arrival(void **state)
{
    uint64_t came, before = clock_now_us();

    (void)state;
    step_begin(STEP_client_message);
    came = step_arrival(STEP_client_message);
    assert_true(came >= before && came <= clock_now_us());
    step_mark(STEP_plugin_send);
    assert_true(step_arrival(STEP_client_message) == came);
    assert_true(step_arrival(STEP_model_message) == 0);
    step_begin(STEP_posted);
    assert_true(step_arrival(STEP_client_message) == 0);
    step_came(STEP_client_message, 17);
    assert_true(step_arrival(STEP_client_message) == 17);
    step_came(STEP_NONE, 0);
    assert_true(step_arrival(STEP_client_message) == 0);
    assert_non_null(step_round_end());
}

static void test_rule(void **state)
{
    struct loop_rule rule = {0};

    (void)state;
    assert_true(loop_rule_lag(&rule, 60000, 5000));
    loop_rule_said(&rule, 5000);
    assert_false(loop_rule_lag(&rule, 70000, 5001));
    assert_false(loop_rule_lag(&rule, 90000, 6000));
    assert_false(loop_rule_lag(&rule, 80000, 5000 + LOOP_WATCH_QUIET_MS - 1));
    assert_int_equal(rule.more, 3);
    assert_true(rule.worst_us == 90000);
    assert_true(loop_rule_lag(&rule, 60000, 5000 + LOOP_WATCH_QUIET_MS));
    assert_int_equal(rule.more, 3);
    loop_rule_said(&rule, 5000 + LOOP_WATCH_QUIET_MS);
    assert_int_equal(rule.more, 0);
}

static unsigned ticks;

static void on_timer(uv_timer_t *timer)
{
    step_begin(STEP_timer);
    step_mark(STEP_session_load);
    spend(LOOP_WATCH_LAG_US + 10000);
    if (++ticks == 3)
        uv_close((uv_handle_t *)timer, NULL);
}

static void test_loop(void **state)
{
    uint64_t stalls = metrics_get(METRIC_loop_stalls), rounds = metrics_observed(HISTOGRAM_loop_lag);
    struct loop_watch watch = {0};
    uv_timer_t timer;
    uv_loop_t loop;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    loop_watch_start(&watch, &loop, 7);
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, on_timer, 0, 1);
    uv_run(&loop, UV_RUN_DEFAULT); /* ends, although the watch is still there */
    loop_watch_stop(&watch);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_true(metrics_get(METRIC_loop_stalls) - stalls == 3);
    assert_true(metrics_observed(HISTOGRAM_loop_lag) - rounds == 3);
    assert_int_equal(lines, 1);
    assert_non_null(strstr(said, "shard=7 lagged "));
    assert_non_null(strstr(said, " ms callbacks=1, the longest "));
    assert_non_null(strstr(said, " ms: a timer > a session's stored history"));
    assert_int_equal(watch.rule.more, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing), cmocka_unit_test(test_longest), cmocka_unit_test(test_long_trail),
        cmocka_unit_test(test_arrival), cmocka_unit_test(test_rule),    cmocka_unit_test(test_loop),
    };

    log_set_sink(on_line, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
