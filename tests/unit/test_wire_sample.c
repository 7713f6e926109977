#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "../wire_frames.h"
#include "base/base64.h"
#include "base/json.h"
#include "frontend/wire_sample.h"

static const struct frame_context plain = {.turn = 3, .seq = 9, .audio = CLIENT_AUDIO_BASE64};

/* ---- from the client ----------------------------------------------------------------------------
 */

static void expect_input(const char *message, enum client_input_type type,
                         enum antiphon_encoding encoding, const char *data, size_t pcm,
                         bool spliced)
{
    struct wire_input in;

    wire_input_parse(&in, &wire_sample, false, message, strlen(message));
    if (in.status)
        fail_msg("%s: %s (%s)", message, in.fault.code, in.fault.message);
    assert_int_equal(in.input.type, type);
    assert_int_equal(in.input.encoding, encoding);
    assert_int_equal(in.input.len, strlen(data));
    assert_memory_equal(in.input.data, data, strlen(data));
    assert_int_equal(in.input.pcm_bytes, pcm);
    assert_int_equal(in.input.spliced, spliced);
    wire_input_free(&in);
}

static void text_is_taken(void **state)
{
    static const struct {
        const char *message, *data;
    } rows[] = {
        {"{\"mime_type\":\"text/plain\",\"data\":\"hello\"}", "hello"},
        {"{\"mime_type\": \"text/plain\", \"data\": \"\\uc548\\ub155\"}", "안녕"},
        {"{\"data\":\"hi\",\"mime_type\":\"text/plain\"}", "hi"},
        {"{\"mime_type\":\"text/plain\",\"data\":\"hi\",\"role\":\"user\",\"x\":null}", "hi"},
        {"{\"mime_type\":\"text/plain\",\"data\":\"\"}", ""},
        {" \n{\"mime_type\":\"text/plain\",\"data\":\"a\\\"b\\\\c\\n\"}\n", "a\"b\\c\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_input(rows[i].message, CLIENT_TEXT, ANTIPHON_RAW, rows[i].data, 0, false);
}

static void audio_is_taken_in_every_spelling(void **state)
{
    static const struct {
        const char *message, *data;
        size_t pcm;
        bool spliced;
    } rows[] = {
        {"{\"mime_type\":\"audio/pcm\",\"data\":\"+/8AAA==\"}", "+/8AAA==", 4, true},
        {"{\"mime_type\": \"audio/pcm\", \"data\": \"+/8AAA==\"}", "+/8AAA==", 4, true},
        {"{\"data\":\"+/8AAA==\",\"mime_type\":\"audio/pcm\"}", "+/8AAA==", 4, true},
        {"{\"data\": \"+/8AAA==\", \"mime_type\": \"audio/pcm\"}", "+/8AAA==", 4, true},
        {"{\"mime_type\":\"audio/pcm;rate=16000\",\"data\":\"+/8AAA==\"}", "+/8AAA==", 4, true},
        {"{\"mime_type\":\"audio/pcm; rate=16000\",\"data\":\"+/8AAA==\"}", "+/8AAA==", 4, false},
        /* URL-safe alphabet, padding left out: rewritten to the standard form */
        {"{\"mime_type\":\"audio/pcm\",\"data\":\"-_8AAA==\"}", "+/8AAA==", 4, true},
        {"{\"mime_type\":\"audio/pcm\",\"data\":\"-_8AAA\"}", "+/8AAA==", 4, true},
        {"{\"mime_type\":\"audio/pcm\",\"data\":\"+/8AAA\"}", "+/8AAA==", 4, true},
        {"{\"mime_type\":\"audio/pcm\",\"data\":\"\"}", "", 0, true},
        /* legal JSON that is not one of the spellings */
        {"{\"mime_type\":\"audio/pcm\",\"data\":\"+\\/8AAA==\"}", "+/8AAA==", 4, false},
        {"{\"mime_type\":\"audio/pcm\",\"data\":\"-_8AAA\",\"extra\":[1]}", "+/8AAA==", 4, false},
        {"{ \"mime_type\":\"audio/pcm\",\"data\":\"+/8AAA==\"}", "+/8AAA==", 4, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_input(rows[i].message, CLIENT_AUDIO, ANTIPHON_BASE64, rows[i].data, rows[i].pcm,
                     rows[i].spliced);
}

static void spliced_audio_is_not_copied(void **state)
{
    static const char message[] = "{\"mime_type\":\"audio/pcm\",\"data\":\"AAAAAAAA\"}";
    struct wire_input in;

    (void)state;
    wire_input_parse(&in, &wire_sample, false, message, sizeof(message) - 1);
    assert_int_equal(in.status, ANTIPHON_OK);
    assert_ptr_equal(in.input.data,
                     in.message + strlen("{\"mime_type\":\"audio/pcm\",\"data\":\""));
    assert_int_equal(in.scratch.cap, 0);
    wire_input_free(&in);
}

static void the_recorded_frame_is_spliced(void **state)
{
    char message[16384];
    FILE *file = fopen(FIXTURES_DIR "/wire/seed/full-frames/client-in-text.txt", "r");
    struct wire_input in;

    (void)state;
    assert_non_null(file);
    size_t len = fread(message, 1, sizeof(message), file);
    fclose(file);
    while (len > 0 && message[len - 1] == '\n')
        len--;
    wire_input_parse(&in, &wire_sample, false, message, len);
    assert_int_equal(in.status, ANTIPHON_OK);
    assert_int_equal(in.input.type, CLIENT_AUDIO);
    assert_true(in.input.spliced);
    assert_true(in.input.pcm_bytes > 1000);
    wire_input_free(&in);
}

static void expect_fault(bool binary, const char *message, size_t len, const char *code)
{
    struct wire_input in;

    wire_input_parse(&in, &wire_sample, binary, message, len);
    if (in.status != ANTIPHON_EINVAL)
        fail_msg("taken, but should be %s: %.80s", code, message);
    assert_string_equal(in.fault.code, code);
    assert_true(in.fault.message[0] != '\0');
    assert_true(in.fault.hint && in.fault.hint[0] != '\0');
    wire_input_free(&in);
}

static void bad_frames_are_told_apart(void **state)
{
    static const struct {
        const char *message, *code;
    } rows[] = {
        {"{\"mime_type\": nope", "bad_json"},
        {"", "bad_json"},
        {"hello", "bad_json"},
        {"{\"mime_type\":\"text/plain\",\"data\":\"\xff\"}", "bad_json"},
        {"{\"mime_type\":\"text/plain\",\"data\":\"a\"} x", "bad_json"},
        {"[1,2]", "bad_frame"},
        {"5", "bad_frame"},
        {"null", "bad_frame"},
        {"{}", "bad_frame"},
        {"{\"data\":\"hi\"}", "bad_frame"},
        {"{\"mime_type\":5,\"data\":\"hi\"}", "bad_frame"},
        {"{\"type\":\"stop\"}", "bad_frame"},
        {"{\"mime_type\":\"image/png\",\"data\":\"AAAA\"}", "bad_mime"},
        {"{\"mime_type\":\"image/jpeg\",\"data\":\"AAAA\"}", "bad_mime"},
        {"{\"mime_type\":\"audio/pcm;rate=24000\",\"data\":\"AAAA\"}", "bad_mime"},
        {"{\"mime_type\":\"audio/pcmu\",\"data\":\"AAAA\"}", "bad_mime"},
        {"{\"mime_type\":\"audio/pcm;\",\"data\":\"AAAA\"}", "bad_mime"},
        {"{\"mime_type\":\"text/plain\"}", "bad_data"},
        {"{\"mime_type\":\"text/plain\",\"data\":5}", "bad_data"},
        {"{\"mime_type\":\"text/plain\",\"data\":null}", "bad_data"},
        {"{\"mime_type\":\"audio/pcm\",\"data\":[]}", "bad_data"},
        {"{\"mime_type\":\"audio/pcm\",\"data\":\"a\"}", "bad_data"},
        {"{\"mime_type\":\"audio/pcm\",\"data\":\"AA==\\n!!AAAA\"}", "bad_data"},
        {"{\"mime_type\":\"audio/pcm\",\"data\":\"AA!A\"}", "bad_data"},
        {"{\"mime_type\":\"audio/pcm\",\"data\":\"+_8AAA==\"}", "bad_data"},
        {"{\"mime_type\":\"audio/pcm\",\"data\":\"AAAA\"}", "bad_audio"},
        {"{\"mime_type\": \"audio/pcm\", \"data\": \"AA==\"}", "bad_audio"},
        {"{\"data\":\"AA==\", \"mime_type\":\"audio/pcm\"}", "bad_audio"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_fault(false, rows[i].message, strlen(rows[i].message), rows[i].code);
}

static void binary_frames_are_refused(void **state)
{
    static const char message[] = "{\"mime_type\":\"text/plain\",\"data\":\"hi\"}";

    (void)state;
    expect_fault(true, message, sizeof(message) - 1, "bad_frame");
    expect_fault(true, "", 0, "bad_frame");
}

static void nesting_is_refused(void **state)
{
    static char deep[16384];
    static const char head[] = "{\"mime_type\":\"text/plain\",\"data\":\"hi\",\"x\":";
    size_t n = sizeof(head) - 1;

    (void)state;
    memcpy(deep, head, n);
    memset(deep + n, '[', 5000);
    memset(deep + n + 5000, ']', 5000);
    deep[n + 10000] = '}';
    expect_fault(false, deep, n + 10001, "too_deep");
    expect_fault(false, deep, n + 5000, "too_deep");
}

static void too_many_values_are_refused(void **state)
{
    struct buf many;

    (void)state;
    buf_init(&many, 1 << 20);
    buf_puts(&many, "{\"mime_type\":\"text/plain\",\"data\":\"[[[[\",\"x\":[0");
    for (int i = 0; i < JSON_MAX_TOKENS; i++)
        buf_puts(&many, ",0");
    buf_puts(&many, "]}");
    expect_fault(false, many.data, many.len, "too_large");
    buf_deinit(&many);
}

static void a_fault_never_echoes_content(void **state)
{
    static const char *const secrets[] = {
        "{\"mime_type\":\"S3CRET\",\"data\":\"S3CRET\"}",
        "{\"mime_type\":\"text/plain\",\"data\":S3CRET}",
        "S3CRET",
        "{\"mime_type\":\"audio/pcm\",\"data\":\"S3CRET!\"}",
        "{\"S3CRET\":\"S3CRET\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        struct wire_input in;
        wire_input_parse(&in, &wire_sample, false, secrets[i], strlen(secrets[i]));
        assert_int_equal(in.status, ANTIPHON_EINVAL);
        assert_null(strstr(in.fault.message, "S3CRET"));
        wire_input_free(&in);
    }
}

static void a_full_scratch_is_a_fault(void **state)
{
    static const char message[] = "{\"mime_type\":\"text/plain\",\"data\":\"hello\"}";
    struct client_input input;
    struct client_fault fault;
    struct buf scratch;

    (void)state;
    buf_init(&scratch, 2);
    assert_int_equal(
        wire_sample.parse(false, message, sizeof(message) - 1, &scratch, &input, &fault),
        ANTIPHON_ETOOBIG);
    assert_string_equal(fault.code, "too_large");
    buf_deinit(&scratch);
}

/* ---- to the client ------------------------------------------------------------------------------
 */

static void expect_frames(const struct antiphon_event *event, const struct frame_context *context,
                          const char *const *want, size_t n)
{
    struct wire_frames frames;

    wire_frames_encode(&frames, &wire_sample, event, context);
    assert_int_equal(frames.n, n);
    for (size_t i = 0; i < n; i++) {
        cJSON *tree = NULL;
        assert_string_equal(frames.frame[i].data, want[i]);
        assert_false(frames.frame[i].binary);
        assert_int_equal(json_parse(frames.frame[i].data, frames.frame[i].len, NULL, &tree, NULL),
                         ANTIPHON_OK);
        cJSON_Delete(tree);
    }
    wire_frames_free(&frames);
}

static struct antiphon_event event_of(unsigned type, const char *data, uint32_t flags)
{
    struct antiphon_event event = EVENT_INIT(type);

    event.data = data;
    event.len = data ? strlen(data) : 0;
    event.flags = flags;
    return event;
}

static void events_become_the_samples_frames(void **state)
{
    static const struct {
        unsigned type;
        uint32_t flags;
        const char *data, *want;
    } rows[] = {
        {ANTIPHON_EV_TEXT, 0, "Hel", "{\"mime_type\":\"text/plain\",\"data\":\"Hel\"}"},
        {ANTIPHON_EV_TEXT, 0, "안\"\n", "{\"mime_type\":\"text/plain\",\"data\":\"안\\\"\\n\"}"},
        {ANTIPHON_EV_TEXT, ANTIPHON_FLAG_THOUGHT, "hm", NULL},
        {ANTIPHON_EV_TEXT, 0, "", NULL},
        {ANTIPHON_EV_OUTPUT_TRANSCRIPT, 0, " Hi",
         "{\"mime_type\":\"text/plain\",\"data\":\" Hi\",\"is_transcript\":true}"},
        {ANTIPHON_EV_OUTPUT_TRANSCRIPT, ANTIPHON_FLAG_FINAL, "", NULL},
        {ANTIPHON_EV_INPUT_TRANSCRIPT, 0, "me", NULL},
        {ANTIPHON_EV_TURN_COMPLETE, 0, NULL, "{\"turn_complete\":true,\"interrupted\":null}"},
        {ANTIPHON_EV_INTERRUPTED, 0, NULL, "{\"turn_complete\":null,\"interrupted\":true}"},
        {ANTIPHON_EV_GENERATION_COMPLETE, 0, NULL, NULL},
        {ANTIPHON_EV_GROUNDING, 0, "{}", NULL},
        {ANTIPHON_EV_USAGE, 0, "{}", NULL},
        {ANTIPHON_EV_CODE, 0, "{}", NULL},
        {ANTIPHON_EV_TOOL_CALL, 0, "{}", NULL},
        {ANTIPHON_EV_VOICE_ACTIVITY, 0, NULL, NULL},
        {ANTIPHON_EV_RESUMPTION, 0, "handle", NULL},
        {ANTIPHON_EV_GO_AWAY, 0, NULL, NULL},
        {ANTIPHON_EV_READY, 0, NULL, NULL},
        {EVENT_HELLO, 0, "{}", NULL},
        {EVENT_HISTORY, 0, "[]", NULL},
        {EVENT_STATE, 0, NULL, NULL},
        {EVENT_TAKEN_OVER, 0, NULL, NULL},
        {EVENT_ACTIVE, 0, NULL, NULL},
        {EVENT_TOOL, 0, NULL, NULL},
        {EVENT_USER_TEXT, 0, "x", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct antiphon_event event = event_of(rows[i].type, rows[i].data, rows[i].flags);
        expect_frames(&event, &plain, &rows[i].want, rows[i].want ? 1 : 0);
    }
}

static void audio_goes_down_as_base64(void **state)
{
    static const char *const want[] = {"{\"mime_type\":\"audio/pcm\",\"data\":\"+/8=\"}"};
    static const uint8_t pcm[] = {0xFB, 0xFF};
    const struct frame_context off = {.audio = CLIENT_AUDIO_OFF},
                               binary = {.audio = CLIENT_AUDIO_BINARY};
    struct antiphon_event event = event_of(ANTIPHON_EV_AUDIO, "+/8=", 0);
    struct wire_frames frames;

    (void)state;
    event.encoding = ANTIPHON_BASE64;
    event.sample_rate = 24000;
    expect_frames(&event, &plain, want, 1);
    expect_frames(&event, &binary, want, 1);
    expect_frames(&event, &off, NULL, 0);
    wire_frames_encode(&frames, &wire_sample, &event, &plain);
    assert_int_equal(frames.frame[0].kind, FRAME_AUDIO);
    assert_int_equal(frames.frame[0].parts, 3);
    assert_ptr_equal(frames.frame[0].second, event.data);
    wire_frames_free(&frames);
    event.encoding = ANTIPHON_RAW;
    event.data = pcm;
    event.len = 2;
    expect_frames(&event, &plain, want, 1);
    event.len = 0;
    expect_frames(&event, &plain, NULL, 0);
}

static void errors_are_said_when_the_talk_ends(void **state)
{
    static const char *const want[] = {
        ("{\"error\":{\"code\":\"quota\",\"message\":\"The quota is used up.\",\"hint\":\"Wait a "
         "minute.\",\"retryable\":true}}"),
        "{\"mime_type\":\"text/plain\",\"data\":\"The quota is used up. Wait a minute.\"}",
        "{\"turn_complete\":true,\"interrupted\":null}"};
    static const char *const bare[] = {
        "{\"error\":{\"code\":\"internal\",\"message\":\"\",\"hint\":\"\",\"retryable\":false}}",
        "{\"turn_complete\":true,\"interrupted\":null}"};
    struct antiphon_event event =
        event_of(EVENT_ERROR, "The quota is used up.", EVENT_FLAG_RETRYABLE);

    (void)state;
    event.name = "quota";
    event.detail = "Wait a minute.";
    expect_frames(&event, &plain, want, 1);
    event.flags |= EVENT_FLAG_ENDS_TALK;
    expect_frames(&event, &plain, want, 3);
    event = event_of(EVENT_ERROR, NULL, EVENT_FLAG_ENDS_TALK);
    expect_frames(&event, &plain, bare, 2);
}

static void a_full_scratch_leaves_the_frame_out(void **state)
{
    struct antiphon_event event = event_of(ANTIPHON_EV_TEXT, "hello", 0);
    struct wire_frames frames = {0};
    struct buf scratch;

    (void)state;
    buf_init(&scratch, 4);
    wire_sample.encode(&event, &plain, &scratch, wire_frames_add, &frames);
    assert_int_equal(frames.n, 0);
    buf_deinit(&scratch);
}

static void it_is_what_the_session_expects(void **state)
{
    (void)state;
    assert_string_equal(wire_sample.subprotocol, "");
    assert_false(wire_sample.wants_hello);
    assert_false(wire_sample.shows_errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_taken),
        cmocka_unit_test(audio_is_taken_in_every_spelling),
        cmocka_unit_test(spliced_audio_is_not_copied),
        cmocka_unit_test(the_recorded_frame_is_spliced),
        cmocka_unit_test(bad_frames_are_told_apart),
        cmocka_unit_test(binary_frames_are_refused),
        cmocka_unit_test(nesting_is_refused),
        cmocka_unit_test(too_many_values_are_refused),
        cmocka_unit_test(a_fault_never_echoes_content),
        cmocka_unit_test(a_full_scratch_is_a_fault),
        cmocka_unit_test(events_become_the_samples_frames),
        cmocka_unit_test(audio_goes_down_as_base64),
        cmocka_unit_test(errors_are_said_when_the_talk_ends),
        cmocka_unit_test(a_full_scratch_leaves_the_frame_out),
        cmocka_unit_test(it_is_what_the_session_expects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
