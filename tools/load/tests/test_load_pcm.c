#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "find.h"
#include "pcm.h"

#define FRAMES 40

struct seen {
    uint64_t n;
    bool in_order;
};

static void on_frame(void *ctx, const struct stamp *stamp)
{
    struct seen *seen = ctx;

    seen->in_order = (!seen->n || seen->in_order) && stamp->stream == 7 && stamp->seq == seen->n &&
                     stamp->due_ns == 1000 + stamp->seq;
    seen->n++;
}

static unsigned char *stream_of(const struct pcm_frames *frames)
{
    unsigned char *all = malloc(FRAMES * frames->bytes);

    assert_non_null(all);
    for (uint64_t i = 0; i < FRAMES; i++) {
        struct stamp stamp = {7, i, 1000 + i};
        pcm_raw(frames, &stamp, all + i * frames->bytes);
    }
    return all;
}

/* However the stream is cut, each frame is found once and every byte is looked at. */
static void test_raw_in_pieces_of_any_size(void **state)
{
    struct pcm_frames frames;

    (void)state;
    assert_true(pcm_frames_init(&frames, 256));
    unsigned char *all = stream_of(&frames);
    for (size_t piece = 1; piece < 700; piece += 13) {
        struct pcm_reader reader = {.frames = &frames, .verify = true};
        struct seen seen = {0};
        for (size_t at = 0; at < FRAMES * frames.bytes; at += piece) {
            size_t left = FRAMES * frames.bytes - at;
            pcm_read_raw(&reader, all + at, left < piece ? left : piece, on_frame, &seen);
        }
        assert_int_equal(seen.n, FRAMES);
        assert_true(seen.in_order);
        assert_int_equal(reader.broken, 0);
    }
    free(all);
    pcm_frames_deinit(&frames);
}

static void test_text_frame_by_frame(void **state)
{
    static const size_t sizes[] = {26, 256, 640, 1280, 1920};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct pcm_frames frames;
        assert_true(pcm_frames_init(&frames, sizes[i]));
        struct pcm_reader reader = {.frames = &frames, .verify = true};
        struct seen seen = {0};
        char *text = malloc(frames.chars);
        assert_non_null(text);
        for (uint64_t seq = 0; seq < FRAMES; seq++) {
            struct stamp stamp = {7, seq, 1000 + seq};
            pcm_text(&frames, &stamp, text);
            pcm_read_text(&reader, text, frames.chars, on_frame, &seen);
        }
        assert_int_equal(seen.n, FRAMES);
        assert_true(seen.in_order);
        assert_int_equal(reader.broken, 0);
        assert_int_equal(reader.bytes, FRAMES * sizes[i]);
        free(text);
        pcm_frames_deinit(&frames);
    }
}

static void test_damage_is_seen(void **state)
{
    struct pcm_frames frames;

    (void)state;
    assert_true(pcm_frames_init(&frames, 256));
    unsigned char *all = stream_of(&frames);
    struct pcm_reader reader = {.frames = &frames, .verify = true};
    struct seen seen = {0};
    all[3 * 256 + 200] ^= 1; /* noise of the fourth */
    all[5 * 256] ^= 1;       /* magic of the sixth */
    pcm_read_raw(&reader, all, FRAMES * 256, on_frame, &seen);
    assert_int_equal(reader.broken, 2);
    assert_int_equal(seen.n, FRAMES - 1);
    reader = (struct pcm_reader){.frames = &frames};
    pcm_read_text(&reader, "!!!!", 4, on_frame, &seen);
    assert_int_equal(reader.broken, 1);
    free(all);
    pcm_frames_deinit(&frames);
}

static void test_impossible_lengths(void **state)
{
    struct pcm_frames frames;

    (void)state;
    assert_false(pcm_frames_init(&frames, STAMP_BYTES));
    assert_false(pcm_frames_init(&frames, 255));
    assert_false(pcm_frames_init(&frames, PCM_MAX_BYTES + 2));
}

static void test_hex_stamps(void **state)
{
    struct stamp stamp = {9, 3, 123456789012345}, got = {0};
    char text[100] = "turn ";

    (void)state;
    stamp_hex(&stamp, text + 5);
    assert_true(stamp_from_hex(text, strlen(text), &got));
    assert_memory_equal(&got.seq, &stamp.seq, sizeof(got.seq));
    assert_int_equal(got.stream, 9);
    assert_true(got.due_ns == stamp.due_ns);
    assert_false(stamp_from_hex(text, strlen(text) - 1, &got));
    assert_false(stamp_from_hex("hello", 5, &got));
}

static void test_find(void **state)
{
    static const char text[] =
        "{\"kind\": \"data\", \"data\" : \"a\\\"b\\\\\", \"ok\":true, \"no\": false}";
    struct span value;

    (void)state;
    assert_true(find_string(text, sizeof(text) - 1, 100, "data", &value));
    assert_int_equal(value.len, 6);
    assert_memory_equal(value.data, "a\\\"b\\\\", 6);
    assert_false(find_string(text, sizeof(text) - 1, 10, "data", &value));
    assert_false(find_string(text, sizeof(text) - 1, 100, "ok", &value));
    assert_true(find_true(text, sizeof(text) - 1, "ok"));
    assert_false(find_true(text, sizeof(text) - 1, "no"));
    assert_false(find_true(text, sizeof(text) - 1, "kind"));
    assert_false(find_string("{\"data\":\"x", 10, 100, "data", &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raw_in_pieces_of_any_size),
        cmocka_unit_test(test_text_frame_by_frame),
        cmocka_unit_test(test_damage_is_seen),
        cmocka_unit_test(test_impossible_lengths),
        cmocka_unit_test(test_hex_stamps),
        cmocka_unit_test(test_find),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
