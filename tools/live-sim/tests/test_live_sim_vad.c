/* Voice detection gives the same speech however the samples are cut. */
#include "vad.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct vad_config usual = {.threshold = 600, .start_ms = 40, .silence_ms = 500};

static void add_samples(struct bytes *pcm, int value, uint32_t ms)
{
    for (uint32_t i = 0; i < ms * 16; i++) {
        int sample = i & 1 ? value : -value;
        char two[2] = {(char)(sample & 0xFF), (char)(sample >> 8 & 0xFF)};
        bytes_add(pcm, two, 2);
    }
}

/* The events of pcm fed in chunks of that size, as letters. */
static void feed(struct vad *vad, const struct bytes *pcm, size_t chunk, char *events)
{
    for (size_t from = 0; from < pcm->len; from += chunk) {
        size_t len = pcm->len - from < chunk ? pcm->len - from : chunk, at = 0;
        while (at < len) {
            enum vad_event event;
            at += vad_feed(vad, 16000, pcm->data + from + at, len - at, &event);
            if (event != VAD_NONE)
                *events++ = event == VAD_START ? 'S' : 'E';
        }
    }
    *events = 0;
}

static void any_split_hears_the_same(void **state)
{
    struct bytes pcm = {0};
    (void)state;
    add_samples(&pcm, 0, 200);
    add_samples(&pcm, 5000, 900);
    add_samples(&pcm, 0, 300); /* a breath */
    add_samples(&pcm, 5000, 300);
    add_samples(&pcm, 0, 600);
    for (size_t chunk = 1; chunk < 1300; chunk += 37) {
        struct vad vad;
        char events[16];
        vad_init(&vad, usual);
        feed(&vad, &pcm, chunk, events);
        assert_string_equal(events, "SE");
        assert_int_equal(vad.heard_ms, 1500);
    }
    bytes_free(&pcm);
}

static void clicks_and_noise_are_not_speech(void **state)
{
    struct bytes pcm = {0};
    struct vad vad;
    char events[16];
    (void)state;
    for (int i = 0; i < 20; i++) {
        add_samples(&pcm, 20000, 20);
        add_samples(&pcm, 0, 30);
    }
    add_samples(&pcm, 500, 2000);
    vad_init(&vad, usual);
    feed(&vad, &pcm, 640, events);
    assert_string_equal(events, "");
    bytes_free(&pcm);
}

static void flush_ends_speech_once(void **state)
{
    struct bytes pcm = {0};
    struct vad vad;
    char events[16];
    (void)state;
    add_samples(&pcm, 5000, 400);
    vad_init(&vad, usual);
    feed(&vad, &pcm, 640, events);
    assert_string_equal(events, "S");
    assert_true(vad_flush(&vad));
    assert_int_equal(vad.heard_ms, 400);
    assert_false(vad_flush(&vad));
    bytes_free(&pcm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split_hears_the_same),
        cmocka_unit_test(clicks_and_noise_are_not_speech),
        cmocka_unit_test(flush_ends_speech_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
