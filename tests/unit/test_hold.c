/* Frames that wait for a commit, and those behind them. */
#include "unit.h"

#include "session/hold.h"

static struct hold hold;
static unsigned dropped;

static int set_up(void **state)
{
    (void)state;
    hold = (struct hold){0};
    dropped = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hold_deinit(&hold);
    assert_false(hold_active(&hold));
    return 0;
}

static enum antiphon_status push(uint64_t ticket, enum frame_kind kind, const char *text)
{
    size_t len = strlen(text);
    const struct antiphon_span parts[] = {{text, len / 2}, {NULL, 0}, {text + len / 2, len - len / 2}};

    return hold_push(&hold, ticket, kind, kind == FRAME_AUDIO, parts, 3, 20, &dropped);
}

static void hold_one(uint64_t ticket, enum frame_kind kind, const char *text)
{
    assert_int_equal(push(ticket, kind, text), ANTIPHON_OK);
}

static void take(enum frame_kind kind, const char *text)
{
    struct hold_item *item = hold_take(&hold);

    assert_non_null(item);
    assert_int_equal(item->kind, kind);
    assert_int_equal(item->binary, kind == FRAME_AUDIO);
    assert_int_equal(item->len, strlen(text));
    assert_memory_equal(item->data, text, item->len);
    free(item);
}

static void what_comes_behind_waits_too(void **unused)
{
    (void)unused;
    assert_false(hold_active(&hold));
    assert_null(hold_take(&hold));
    hold_one(1, FRAME_CONTROL, "complete");
    hold_one(0, FRAME_AUDIO, "audio");
    hold_one(0, FRAME_CONTROL, "");
    assert_true(hold_active(&hold));
    assert_null(hold_take(&hold));
    hold_release(&hold, 2);
    assert_null(hold_take(&hold));
    hold_release(&hold, 1);
    take(FRAME_CONTROL, "complete");
    take(FRAME_AUDIO, "audio");
    take(FRAME_CONTROL, "");
    assert_null(hold_take(&hold));
    assert_false(hold_active(&hold));
}

static void a_second_commit_holds_its_own(void **unused)
{
    (void)unused;
    hold_one(1, FRAME_CONTROL, "first");
    hold_one(0, FRAME_CONTROL, "between");
    hold_one(2, FRAME_CONTROL, "second");
    hold_one(2, FRAME_CONTROL, "second again"); /* one event may be several frames */
    hold_one(0, FRAME_CONTROL, "behind");
    hold_release(&hold, 1);
    take(FRAME_CONTROL, "first");
    take(FRAME_CONTROL, "between");
    assert_null(hold_take(&hold));
    hold_release(&hold, 2);
    take(FRAME_CONTROL, "second");
    take(FRAME_CONTROL, "second again");
    take(FRAME_CONTROL, "behind");
}

static void a_later_commit_may_come_first(void **unused)
{
    (void)unused;
    hold_one(1, FRAME_CONTROL, "first");
    hold_one(2, FRAME_CONTROL, "second");
    hold_release(&hold, 2);
    assert_null(hold_take(&hold));
    hold_release(&hold, 1);
    take(FRAME_CONTROL, "first");
    take(FRAME_CONTROL, "second");
}

static void audio_drops_its_oldest(void **unused)
{
    (void)unused;
    hold_one(1, FRAME_CONTROL, "a control frame that is longer than the bound");
    hold_one(0, FRAME_AUDIO, "1111111111");
    hold_one(0, FRAME_AUDIO, "2222222222");
    assert_int_equal(dropped, 0);
    hold_one(0, FRAME_AUDIO, "3");
    assert_int_equal(dropped, 1);
    hold_one(0, FRAME_CONTROL, "behind");
    hold_release(&hold, 1);
    take(FRAME_CONTROL, "a control frame that is longer than the bound");
    take(FRAME_AUDIO, "2222222222");
    take(FRAME_AUDIO, "3");
    take(FRAME_CONTROL, "behind");
    assert_int_equal(hold.audio_bytes, 0);
}

static void an_interruption_drops_audio_alone(void **unused)
{
    (void)unused;
    assert_int_equal(hold_drop_audio(&hold), 0);
    hold_one(1, FRAME_CONTROL, "complete");
    hold_one(0, FRAME_AUDIO, "1");
    hold_one(0, FRAME_CONTROL, "text");
    hold_one(0, FRAME_AUDIO, "2");
    assert_int_equal(hold_drop_audio(&hold), 2);
    hold_one(0, FRAME_CONTROL, "interrupted");
    hold_release(&hold, 1);
    take(FRAME_CONTROL, "complete");
    take(FRAME_CONTROL, "text");
    take(FRAME_CONTROL, "interrupted");
}

static void memory_runs_out(void **unused)
{
    enum antiphon_status status;

    (void)unused;
    for (unsigned n = 0; alloc_fail_at(n), status = push(1, FRAME_CONTROL, "x"), alloc_has_failed(); n++) {
        assert_int_equal(status, ANTIPHON_ENOMEM);
        assert_false(hold_active(&hold));
    }
    assert_int_equal(status, ANTIPHON_OK);
    assert_true(hold_active(&hold));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void of_two_frames_for_a_ticket_one_goes(void **unused)
{
    (void)unused;
    for (int saved = 0; saved < 2; saved++) {
        hold_one(1 | HOLD_IF_LOST, FRAME_CONTROL, "lost");
        hold_one(1, FRAME_CONTROL, "saved");
        hold_one(0, FRAME_CONTROL, "behind");
        hold_one(2, FRAME_CONTROL, "next");
        hold_discard(&hold, saved ? 1 | HOLD_IF_LOST : 1);
        hold_release(&hold, saved ? 1 : 1 | HOLD_IF_LOST);
        take(FRAME_CONTROL, saved ? "saved" : "lost");
        take(FRAME_CONTROL, "behind");
        assert_null(hold_take(&hold));
        hold_discard(&hold, 2);
        assert_false(hold_active(&hold));
    }
    hold_one(0, FRAME_CONTROL, "the end is where it should be");
    take(FRAME_CONTROL, "the end is where it should be");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_comes_behind_waits_too), TEST(a_second_commit_holds_its_own), TEST(a_later_commit_may_come_first),
        TEST(audio_drops_its_oldest),      TEST(an_interruption_drops_audio_alone), TEST(memory_runs_out),
        TEST(of_two_frames_for_a_ticket_one_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
