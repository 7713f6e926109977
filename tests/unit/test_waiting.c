/* What waits for the model: order, bounds, and that text is never dropped. */
#include "unit.h"

#include <stdio.h>

#include "session/waiting.h"

static struct waiting waiting;
static unsigned dropped;

static int set_up(void **state)
{
    (void)state;
    waiting = (struct waiting){0};
    dropped = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    waiting_deinit(&waiting);
    return 0;
}

static enum antiphon_status push(uint32_t type, const char *data, uint64_t note, size_t max)
{
    struct antiphon_event event = {.struct_size = sizeof(event), .type = type, .data = data,
                                   .len = data ? strlen(data) : 0};

    if (type == ANTIPHON_EV_AUDIO)
        event.encoding = ANTIPHON_BASE64;
    if (type == ANTIPHON_EV_IMAGE)
        event.name = "image/png";
    return waiting_push(&waiting, &event, note, max, &dropped);
}

static void take(uint32_t type, const char *data, uint64_t note)
{
    struct waiting_item *item = waiting_take(&waiting);

    assert_non_null(item);
    assert_int_equal(item->type, type);
    assert_int_equal(item->len, strlen(data));
    assert_memory_equal(item->data, data, item->len);
    assert_int_equal(item->note, note);
    assert_int_equal(item->encoding, type == ANTIPHON_EV_AUDIO ? ANTIPHON_BASE64 : ANTIPHON_RAW);
    if (type == ANTIPHON_EV_IMAGE)
        assert_string_equal(item->mime, "image/png");
    else
        assert_null(item->mime);
    free(item);
}

static void everything_comes_back_in_order(void **unused)
{
    (void)unused;
    assert_null(waiting_take(&waiting));
    assert_int_equal(push(ANTIPHON_EV_TEXT, "one", 1, 100), ANTIPHON_OK);
    assert_int_equal(push(ANTIPHON_EV_AUDIO, "AAAA", 0, 100), ANTIPHON_OK);
    assert_int_equal(push(ANTIPHON_EV_ACTIVITY_END, NULL, 0, 100), ANTIPHON_OK);
    assert_int_equal(push(ANTIPHON_EV_IMAGE, "png", 0, 100), ANTIPHON_OK);
    assert_int_equal(push(ANTIPHON_EV_TEXT, "", 2, 100), ANTIPHON_OK);
    take(ANTIPHON_EV_TEXT, "one", 1);
    take(ANTIPHON_EV_AUDIO, "AAAA", 0);
    assert_int_equal(push(ANTIPHON_EV_TEXT, "three", 3, 100), ANTIPHON_OK);
    take(ANTIPHON_EV_ACTIVITY_END, "", 0);
    take(ANTIPHON_EV_IMAGE, "png", 0);
    take(ANTIPHON_EV_TEXT, "", 2);
    take(ANTIPHON_EV_TEXT, "three", 3);
    assert_null(waiting_take(&waiting));
    assert_int_equal(waiting.text_bytes + waiting.audio_bytes + waiting.texts, 0);
    assert_int_equal(dropped, 0);
}

static void audio_drops_its_oldest_and_no_text(void **unused)
{
    (void)unused;
    assert_int_equal(push(ANTIPHON_EV_AUDIO, "11111111", 0, 20), ANTIPHON_OK);
    assert_int_equal(push(ANTIPHON_EV_TEXT, "a text that is longer than the audio may be", 7, 20), ANTIPHON_OK);
    assert_int_equal(push(ANTIPHON_EV_AUDIO, "22222222", 0, 20), ANTIPHON_OK);
    assert_int_equal(dropped, 0);
    assert_int_equal(push(ANTIPHON_EV_AUDIO, "33333333", 0, 20), ANTIPHON_OK);
    assert_int_equal(dropped, 1);
    /* one that is too long for itself takes all with it */
    assert_int_equal(push(ANTIPHON_EV_AUDIO, "44444444444444444444444444444444", 0, 20), ANTIPHON_OK);
    assert_int_equal(dropped, 4);
    take(ANTIPHON_EV_TEXT, "a text that is longer than the audio may be", 7);
    assert_null(waiting_take(&waiting));
    /* the tail is found again after everything was dropped */
    assert_int_equal(push(ANTIPHON_EV_AUDIO, "5555", 0, 20), ANTIPHON_OK);
    take(ANTIPHON_EV_AUDIO, "5555", 0);
}

static void audio_alone_can_be_dropped(void **unused)
{
    (void)unused;
    assert_int_equal(push(ANTIPHON_EV_AUDIO, "1111", 0, 100), ANTIPHON_OK);
    assert_int_equal(push(ANTIPHON_EV_TEXT, "stays", 1, 100), ANTIPHON_OK);
    assert_int_equal(push(ANTIPHON_EV_IMAGE, "2222", 0, 100), ANTIPHON_OK);
    waiting_drop_audio(&waiting);
    assert_int_equal(waiting.audio_bytes, 0);
    assert_int_equal(push(ANTIPHON_EV_TEXT, "behind", 2, 100), ANTIPHON_OK);
    take(ANTIPHON_EV_TEXT, "stays", 1);
    take(ANTIPHON_EV_TEXT, "behind", 2);
}

static void text_is_refused_when_full(void **unused)
{
    static char big[WAITING_MAX_TEXT_BYTES];

    (void)unused;
    memset(big, 'x', sizeof(big) - 1);
    assert_int_equal(push(ANTIPHON_EV_TEXT, big, 1, 100), ANTIPHON_OK);
    assert_int_equal(push(ANTIPHON_EV_TEXT, "y", 2, 100), ANTIPHON_OK);
    assert_int_equal(push(ANTIPHON_EV_TEXT, "z", 3, 100), ANTIPHON_EBUSY);
    assert_int_equal(push(ANTIPHON_EV_AUDIO, "AAAA", 0, 100), ANTIPHON_OK);
    take(ANTIPHON_EV_TEXT, big, 1);
    assert_int_equal(push(ANTIPHON_EV_TEXT, "z", 3, 100), ANTIPHON_OK);
    take(ANTIPHON_EV_TEXT, "y", 2);
    take(ANTIPHON_EV_AUDIO, "AAAA", 0);
    take(ANTIPHON_EV_TEXT, "z", 3);
}

static void count_text(void *ctx, uint64_t note)
{
    *(uint64_t *)ctx += note;
}

static void texts_and_signals_are_counted(void **unused)
{
    uint64_t sum = 0, want = 0;

    (void)unused;
    for (unsigned i = 0; i < WAITING_MAX_TEXTS; i++) {
        assert_int_equal(push(i % 2 ? ANTIPHON_EV_TEXT : ANTIPHON_EV_ACTIVITY_START, "", i + 1, 100), ANTIPHON_OK);
        want += i % 2 ? i + 1 : 0;
    }
    assert_int_equal(push(ANTIPHON_EV_TEXT, "", 1, 100), ANTIPHON_EBUSY);
    assert_int_equal(push(ANTIPHON_EV_AUDIO_END, NULL, 1, 100), ANTIPHON_EBUSY);
    waiting_each_text(&waiting, count_text, &sum);
    assert_int_equal(sum, want);
}

static void memory_runs_out(void **unused)
{
    enum antiphon_status status;

    (void)unused;
    for (unsigned n = 0; alloc_fail_at(n), status = push(ANTIPHON_EV_TEXT, "one", 1, 100), alloc_has_failed(); n++)
        assert_int_equal(status, ANTIPHON_ENOMEM);
    assert_int_equal(status, ANTIPHON_OK);
    assert_int_equal(waiting.texts, 1);
    take(ANTIPHON_EV_TEXT, "one", 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_comes_back_in_order), TEST(audio_drops_its_oldest_and_no_text),
        TEST(audio_alone_can_be_dropped),     TEST(text_is_refused_when_full),
        TEST(texts_and_signals_are_counted),  TEST(memory_runs_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
