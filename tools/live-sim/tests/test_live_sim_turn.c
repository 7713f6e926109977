/* Answers as timed steps: what is said, when, and how it ends. */
#include "turn.h"

#include "voice.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void text_goes_out_word_by_word(void **state)
{
    static const char *const expected[] = {"You ", "said: ", "a\xE3\x80\x80", "b\t", " ", "c"};
    struct turn turn = {0};
    struct turn_style style = {0};
    (void)state;
    turn_say(&turn, style,
             "You said: a\xE3\x80\x80"
             "b\t c",
             0);
    turn_finish(&turn, style);
    assert_int_equal(turn.count, 6 + 2);
    for (size_t i = 0; i < 6; i++) {
        const cJSON *parts = json_at(turn.steps[i].message, "serverContent.modelTurn.parts");
        assert_string_equal(json_text(parts->child, "text"), expected[i]);
        assert_int_equal(turn.steps[i].delay_ms, i ? 5 : 0);
    }
    assert_true(json_true(turn.steps[6].message, "serverContent.generationComplete"));
    assert_true(json_true(turn.steps[7].message, "serverContent.turnComplete"));
    assert_int_equal(turn.steps[7].flags, TURN_REMEMBER | TURN_USAGE | TURN_UPDATE | TURN_OVER);
    assert_string_equal(turn.said, "You said: a\xE3\x80\x80"
                                   "b\t c");
    turn_clear(&turn);
}

static void speech_ends_when_it_has_been_played(void **state)
{
    struct turn turn = {0};
    struct turn_style style = {.audio = true, .transcribe = true, .real_pace = true};
    uint32_t sent = 0;
    (void)state;
    turn_say(&turn, style, "one two three four five", 0);
    for (size_t i = 0; i < turn.count; i++)
        sent += turn.steps[i].delay_ms;
    assert_true(sent <= turn.audio_ms / 2); /* ahead of playback */
    turn_finish(&turn, style);
    assert_true(turn.spent_ms >= turn.audio_ms);
    turn_clear(&turn);
}

static void bundles_hold_everything(void **state)
{
    struct turn turn = {0};
    struct turn_style style = {.audio = true, .transcribe = true, .bundle = true};
    (void)state;
    turn_say(&turn, style, "hi", 0);
    turn_finish(&turn, style);
    assert_int_equal(turn.count, 2);
    assert_non_null(json_at(turn.steps[0].message, "serverContent.modelTurn"));
    assert_string_equal(json_text(turn.steps[0].message, "serverContent.outputTranscription.text"),
                        "hi");
    assert_true(json_true(turn.steps[1].message, "serverContent.generationComplete"));
    assert_true(json_true(turn.steps[1].message, "serverContent.turnComplete"));
    turn_clear(&turn);
}

static void a_word_sounds_the_same_every_time(void **state)
{
    struct bytes first = {0}, second = {0};
    (void)state;
    voice_word(&first, "hello", 0, VOICE_WORD_MS);
    voice_word(&second, "hello", 0, VOICE_WORD_MS);
    assert_int_equal(first.len, 9600);
    assert_memory_equal(first.data, second.data, first.len);
    bytes_free(&first);
    bytes_free(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_goes_out_word_by_word),
        cmocka_unit_test(speech_ends_when_it_has_been_played),
        cmocka_unit_test(bundles_hold_everything),
        cmocka_unit_test(a_word_sounds_the_same_every_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
