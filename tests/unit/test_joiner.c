/* Joining tiny frames: no byte is lost or moved, long frames are left alone, memory comes once. */
#include "unit.h"

#include "base/base64.h"
#include "session/joiner.h"

#define WANT 640 /* 20 ms */

static struct joiner joiner;
static struct buf scratch;

static int set_up(void **state)
{
    (void)state;
    joiner = (struct joiner){.want = WANT};
    buf_init(&scratch, 65536);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    joiner_deinit(&joiner);
    buf_deinit(&scratch);
    return 0;
}

/* A frame of n bytes that go on counting from first. */
static struct client_input frame(size_t n, unsigned first, bool base64)
{
    static char data[4096];
    unsigned char pcm[2048];
    struct client_input input = {.type = CLIENT_AUDIO, .encoding = ANTIPHON_RAW, .data = data, .len = n, .pcm_bytes = n};

    for (size_t i = 0; i < n; i++)
        pcm[i] = (unsigned char)(first + i);
    memcpy(data, pcm, n);
    if (base64) {
        base64_encode(pcm, n, data);
        input.encoding = ANTIPHON_BASE64;
        input.len = base64_encoded_len(n);
    }
    return input;
}

static bool add(size_t n, unsigned first, bool base64, uint64_t now_ms)
{
    struct client_input input = frame(n, first, base64);

    return joiner_add(&joiner, &input, now_ms);
}

/* What is taken counts from 0 on. */
static void expect(size_t n, bool base64)
{
    struct antiphon_event event = {.struct_size = sizeof(event), .type = ANTIPHON_EV_AUDIO};
    unsigned char pcm[4096];
    size_t len = 0;

    assert_true(joiner_take(&joiner, &scratch, &event));
    assert_int_equal(event.encoding, base64 ? ANTIPHON_BASE64 : ANTIPHON_RAW);
    if (base64) {
        assert_int_equal(base64_decode(event.data, event.len, pcm, &len), ANTIPHON_OK);
    } else {
        len = event.len;
        memcpy(pcm, event.data, len);
    }
    assert_int_equal(len, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(pcm[i], i & 255);
    assert_false(joiner_take(&joiner, &scratch, &event));
}

static void three_of_256_bytes_become_one(void **unused)
{
    (void)unused;
    for (int base64 = 0; base64 < 2; base64++) {
        for (int round = 0; round < 3; round++) {
            assert_true(add(256, 0, base64, 1000));
            assert_false(joiner_full(&joiner));
            assert_true(add(256, 256, base64, 1008));
            assert_false(joiner_full(&joiner));
            assert_true(add(256, 512, base64, 1016));
            assert_true(joiner_full(&joiner));
            assert_int_equal(joiner.since_ms, 1000);
            expect(768, base64);
        }
    }
}

static void what_is_there_can_go_at_any_time(void **unused)
{
    (void)unused;
    assert_true(add(2, 0, true, 5));
    expect(2, true);
    assert_true(add(100, 0, true, 7));
    assert_true(add(100, 100, false, 9)); /* it goes as the last one came */
    assert_int_equal(joiner.since_ms, 7);
    expect(200, false);
}

static void long_frames_are_not_touched(void **unused)
{
    (void)unused;
    assert_false(add(WANT, 0, true, 1));
    assert_false(add(1280, 0, true, 1));
    assert_null(joiner.pcm);
    assert_true(add(WANT - 2, 0, true, 1));
    assert_false(add(WANT, 0, true, 1)); /* whoever has it lets the held go first */
    expect(WANT - 2, true);
}

static void it_never_holds_more_than_it_has_room_for(void **unused)
{
    (void)unused;
    assert_true(add(WANT - 2, 0, false, 1));
    assert_true(add(WANT - 2, WANT - 2, false, 1));
    assert_false(add(2, 0, false, 1));
    expect(2 * WANT - 4, false);
}

static void nothing_is_joined_when_it_is_off(void **unused)
{
    (void)unused;
    joiner.want = 0;
    assert_false(add(2, 0, true, 1));
}

static void without_memory_frames_go_as_they_are(void **unused)
{
    (void)unused;
    alloc_fail_at(0);
    assert_false(add(256, 0, true, 1));
    assert_true(alloc_has_failed());
    assert_true(add(256, 0, true, 1));
    expect(256, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(three_of_256_bytes_become_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_there_can_go_at_any_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_frames_are_not_touched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_never_holds_more_than_it_has_room_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_joined_when_it_is_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory_frames_go_as_they_are, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
