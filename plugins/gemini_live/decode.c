#include "decode.h"

#include <stdlib.h>
#include <string.h>

#include "b64.h"

#define OUTPUT_RATE 24000u /* what a mime type without a rate means */

/* One message on its way. */
struct pass {
    struct decode *decode;
    decode_emit_fn *emit;
    void *ctx;
    bool failed; /* out of memory */
};

static struct antiphon_event event_of(enum antiphon_event_type type)
{
    return (struct antiphon_event){.struct_size = sizeof(struct antiphon_event), .type = type};
}

static void emit_flag(struct pass *pass, enum antiphon_event_type type)
{
    struct antiphon_event event = event_of(type);
    pass->emit(pass->ctx, &event);
}

static void emit_json(struct pass *pass, enum antiphon_event_type type, const char *name,
                      struct value value)
{
    struct antiphon_event event = event_of(type);
    event.name = name;
    event.data = value.p;
    event.len = value.n;
    pass->emit(pass->ctx, &event);
}

/* ---- audio ----------------------------------------------------------------------------------- */

static void emit_pcm(struct pass *pass, const char *text, size_t len, size_t bytes, unsigned rate)
{
    struct decode *decode = pass->decode;
    unsigned char *pcm = malloc(bytes + 1);
    if (!pcm) {
        pass->failed = true;
        return;
    }
    size_t n = 0;
    if (decode->odd)
        pcm[n++] = decode->spare;
    n += b64_decode(text, len, pcm + n);
    decode->odd = n % 2 != 0;
    if (decode->odd)
        decode->spare = pcm[--n];
    struct antiphon_event event = event_of(ANTIPHON_EV_AUDIO);
    event.sample_rate = rate;
    event.encoding = ANTIPHON_RAW;
    event.data = pcm;
    event.len = n;
    if (n)
        pass->emit(pass->ctx, &event);
    free(pcm);
}

/* False: not base64. */
static bool emit_audio(struct pass *pass, const char *text, size_t len, unsigned rate)
{
    size_t bytes;
    enum b64_form form = b64_check(text, len, &bytes);
    if (form == B64_BAD)
        return false;
    if (bytes == 0)
        return true;
    if (form != B64_STANDARD || bytes % 2 != 0 || pass->decode->odd) {
        emit_pcm(pass, text, len, bytes, rate);
        return true;
    }
    struct antiphon_event event = event_of(ANTIPHON_EV_AUDIO);
    event.sample_rate = rate;
    event.encoding = ANTIPHON_BASE64;
    event.data = text;
    event.len = len;
    pass->emit(pass->ctx, &event);
    return true;
}

/* Beginning and end of a message with one chunk of audio, as the service lays it out
 * (pretty-printed) and as compact writers do. */
#define PRETTY_HEAD "{\n  \"serverContent\": {\n    \"modelTurn\": {\n      "
#define PRETTY_DATA                                                                                \
    "\"parts\": [\n        {\n          \"inlineData\": {\n"                                       \
    "            \"mimeType\": \"audio/pcm;rate=24000\",\n            \"data\": \""
#define PRETTY_TAIL  "\"\n          }\n        }\n      ]\n    }\n  }\n}\n"
#define COMPACT_HEAD "{\"serverContent\":{\"modelTurn\":{"
#define COMPACT_DATA "\"parts\":[{\"inlineData\":{\"mimeType\":\"audio/pcm;rate=24000\",\"data\":\""
#define COMPACT_TAIL "\"}}]}}}"

static const struct {
    const char *head, *tail;
    size_t head_len, tail_len;
} shapes[] = {
#define SHAPE(head, tail)                                                                          \
    {                                                                                              \
        head, tail, sizeof(head) - 1, sizeof(tail) - 1                                             \
    }
    SHAPE(PRETTY_HEAD PRETTY_DATA, PRETTY_TAIL),
    SHAPE(PRETTY_HEAD "\"role\": \"model\",\n      " PRETTY_DATA, PRETTY_TAIL),
    SHAPE(COMPACT_HEAD COMPACT_DATA, COMPACT_TAIL),
    SHAPE(COMPACT_HEAD "\"role\":\"model\"," COMPACT_DATA, COMPACT_TAIL),
#undef SHAPE
};

static bool fast_audio(struct pass *pass, const char *data, size_t len)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t head = shapes[i].head_len, tail = shapes[i].tail_len;
        if (len >= head + tail && memcmp(data, shapes[i].head, head) == 0 &&
            memcmp(data + len - tail, shapes[i].tail, tail) == 0)
            return emit_audio(pass, data + head, len - head - tail, OUTPUT_RATE);
    }
    return false;
}

/* "audio/pcm;rate=16000" -> true, 16000. */
static bool pcm_rate(struct value mime, unsigned *rate)
{
    static const char pcm[] = "\"audio/pcm", key[] = "rate=";
    *rate = OUTPUT_RATE;
    if (!reader_is(mime, '"') || mime.n < sizeof pcm || memcmp(mime.p, pcm, sizeof pcm - 1) != 0)
        return false;
    const char *p = mime.p + sizeof pcm - 1, *end = mime.p + mime.n - 1;
    if (p < end && *p != ';')
        return false;
    unsigned n = 0;
    for (; (size_t)(end - p) > sizeof key - 1; p++)
        if (memcmp(p, key, sizeof key - 1) == 0) {
            for (p += sizeof key - 1; p < end && *p >= '0' && *p <= '9' && n < 1000000; p++)
                n = n * 10 + (unsigned)(*p - '0');
            break;
        }
    if (n >= 1000 && n <= 192000)
        *rate = n;
    return true;
}

static void inline_data(struct pass *pass, struct value blob)
{
    unsigned rate;
    struct value data = reader_get(blob, "data", NULL);
    if (!pcm_rate(reader_get(blob, "mimeType", "mime_type"), &rate) || !reader_is(data, '"')) {
        pass->decode->skipped++;
        return;
    }
    struct text text = {0}; /* a slash may have been written as \/ */
    bool escaped = memchr(data.p, '\\', data.n) != NULL;
    if (escaped && (!reader_string(data, &text) || text.failed))
        pass->failed = true;
    else if (!emit_audio(pass, escaped ? text.data : data.p + 1, escaped ? text.len : data.n - 2,
                         rate))
        pass->decode->skipped++;
    text_free(&text);
}

/* ---- content --------------------------------------------------------------------------------- */

static void emit_text(struct pass *pass, enum antiphon_event_type type, struct value string,
                      uint32_t flags)
{
    struct antiphon_event event = event_of(type);
    struct text text = {0};
    event.flags = flags;
    if (reader_string(string, &text)) {
        event.data = text.data;
        event.len = text.len;
    }
    if (text.failed)
        pass->failed = true;
    else if (event.len || (flags & ANTIPHON_FLAG_FINAL))
        pass->emit(pass->ctx, &event);
    text_free(&text);
}

static bool call_has_name(struct value call)
{
    struct value name = reader_get(call, "name", NULL);
    return reader_is(name, '"') && name.n > 2;
}

static void tool_call(struct pass *pass, struct value call, uint32_t index, uint32_t count)
{
    struct text id = {0}, name = {0};
    struct antiphon_event event = event_of(ANTIPHON_EV_TOOL_CALL);
    struct value args = reader_get(call, "args", NULL);
    if (!reader_is(args, '{'))
        args = (struct value){"{}", 2};
    if (reader_string(reader_get(call, "id", NULL), &id) && id.len)
        event.id = id.data;
    reader_string(reader_get(call, "name", NULL), &name);
    event.name = name.data;
    event.index = index;
    event.count = count;
    event.data = args.p;
    event.len = args.n;
    if (id.failed || name.failed)
        pass->failed = true;
    else
        pass->emit(pass->ctx, &event);
    text_free(&id);
    text_free(&name);
}

static void content_part(struct pass *pass, struct value part)
{
    struct value value = reader_get(part, "text", NULL);
    if (reader_is(value, '"'))
        emit_text(pass, ANTIPHON_EV_TEXT, value,
                  reader_is_true(reader_get(part, "thought", NULL)) ? ANTIPHON_FLAG_THOUGHT : 0);
    value = reader_get(part, "inlineData", "inline_data");
    if (reader_is(value, '{'))
        inline_data(pass, value);
    value = reader_get(part, "executableCode", "executable_code");
    if (reader_is(value, '{'))
        emit_json(pass, ANTIPHON_EV_CODE, "executableCode", value);
    value = reader_get(part, "codeExecutionResult", "code_execution_result");
    if (reader_is(value, '{'))
        emit_json(pass, ANTIPHON_EV_CODE, "codeExecutionResult", value);
    /* Beside a toolCall with the same id, or instead of one. */
    value = reader_get(part, "functionCall", "function_call");
    if (reader_is(value, '{') && call_has_name(value))
        tool_call(pass, value, 0, 1);
}

static void transcript(struct pass *pass, enum antiphon_event_type type, struct value value)
{
    if (!reader_is(value, '{'))
        return;
    bool final = reader_is_true(reader_get(value, "finished", NULL)) ||
                 (type == ANTIPHON_EV_INPUT_TRANSCRIPT && pass->decode->whole_input);
    struct value text = reader_get(value, "text", NULL);
    if (reader_is(text, '"') || final)
        emit_text(pass, type, text, final ? ANTIPHON_FLAG_FINAL : 0);
}

static void server_content(struct pass *pass, struct value content)
{
    struct value parts = reader_get(reader_get(content, "modelTurn", "model_turn"), "parts", NULL);
    struct value part;
    if (reader_is(parts, '[')) {
        struct reader r = reader_open(parts);
        while (reader_element(&r, &part))
            content_part(pass, part);
    }
    transcript(pass, ANTIPHON_EV_INPUT_TRANSCRIPT,
               reader_get(content, "inputTranscription", "input_transcription"));
    transcript(pass, ANTIPHON_EV_OUTPUT_TRANSCRIPT,
               reader_get(content, "outputTranscription", "output_transcription"));
    struct value grounding = reader_get(content, "groundingMetadata", "grounding_metadata");
    if (reader_is(grounding, '{'))
        emit_json(pass, ANTIPHON_EV_GROUNDING, NULL, grounding);
}

static void turn_flags(struct pass *pass, struct value content)
{
    if (reader_is_true(reader_get(content, "generationComplete", "generation_complete")))
        emit_flag(pass, ANTIPHON_EV_GENERATION_COMPLETE);
    if (reader_is_true(reader_get(content, "interrupted", NULL))) {
        pass->decode->odd = false;
        emit_flag(pass, ANTIPHON_EV_INTERRUPTED);
    }
    struct value status = reader_get(content, "interactionStatus", "interaction_status");
    bool going_on = reader_is(status, '"') &&
                    reader_equals((struct value){status.p + 1, status.n - 2}, "IN_PROGRESS");
    if (!reader_is_true(reader_get(content, "turnComplete", "turn_complete")) || going_on)
        return;
    pass->decode->odd = false;
    struct text reason = {0};
    struct antiphon_event event = event_of(ANTIPHON_EV_TURN_COMPLETE);
    if (reader_string(reader_get(content, "turnCompleteReason", "turn_complete_reason"), &reason) &&
        reason.len)
        event.name = reason.data;
    if (reason.failed)
        pass->failed = true;
    else
        pass->emit(pass->ctx, &event);
    text_free(&reason);
}

/* ---- tools ----------------------------------------------------------------------------------- */

static void tool_calls(struct pass *pass, struct value message)
{
    struct value calls = reader_get(message, "functionCalls", "function_calls"), call;
    if (!reader_is(calls, '['))
        return;
    uint32_t count = 0, index = 0;
    struct reader r = reader_open(calls);
    while (count < DECODE_MAX_CALLS && reader_element(&r, &call))
        count += call_has_name(call);
    r = reader_open(calls);
    while (index < count && reader_element(&r, &call)) {
        if (call_has_name(call))
            tool_call(pass, call, index++, count);
        else
            pass->decode->skipped++;
    }
}

static void tool_cancellations(struct pass *pass, struct value message)
{
    struct value ids = reader_get(message, "ids", NULL), id;
    if (!reader_is(ids, '['))
        return;
    struct reader r = reader_open(ids);
    while (reader_element(&r, &id)) {
        struct text text = {0};
        struct antiphon_event event = event_of(ANTIPHON_EV_TOOL_CANCEL);
        if (reader_string(id, &text) && text.len && !text.failed) {
            event.id = text.data;
            pass->emit(pass->ctx, &event);
        }
        pass->failed |= text.failed;
        text_free(&text);
    }
}

/* ---- the rest -------------------------------------------------------------------------------- */

/* The service's names for the answer's tokens are not those of stored events. */
static void usage(struct pass *pass, struct value metadata)
{
    static const char *const renamed[][2] = {
        {"responseTokenCount", "candidatesTokenCount"},
        {"response_token_count", "candidatesTokenCount"},
        {"responseTokensDetails", "candidatesTokensDetails"},
        {"response_tokens_details", "candidatesTokensDetails"},
    };
    struct text text = {0};
    struct value key, value;
    struct reader r = reader_open(metadata);
    const char *comma = "{";
    while (reader_member(&r, &key, &value)) {
        const char *name = NULL;
        for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
            if (reader_equals(key, renamed[i][0]))
                name = renamed[i][1];
        text_puts(&text, comma);
        text_puts(&text, "\"");
        text_add(&text, name ? name : key.p, name ? strlen(name) : key.n);
        text_puts(&text, "\":");
        text_add(&text, value.p, value.n);
        comma = ",";
    }
    if (*comma == ',') {
        text_puts(&text, "}");
        if (!text.failed)
            emit_json(pass, ANTIPHON_EV_USAGE, NULL, (struct value){text.data, text.len});
        pass->failed |= text.failed;
    }
    text_free(&text);
}

static void voice_activity(struct pass *pass, struct value type)
{
    struct antiphon_event event = event_of(ANTIPHON_EV_VOICE_ACTIVITY);
    if (!reader_is(type, '"'))
        return;
    struct value name = {type.p + 1, type.n - 2};
    if (reader_equals(name, "ACTIVITY_START") || reader_equals(name, "VAD_SIGNAL_TYPE_SOS"))
        event.name = "ACTIVITY_START";
    else if (reader_equals(name, "ACTIVITY_END") || reader_equals(name, "VAD_SIGNAL_TYPE_EOS"))
        event.name = "ACTIVITY_END";
    else
        return;
    pass->emit(pass->ctx, &event);
}

static void resumption(struct pass *pass, struct value update)
{
    struct text handle = {0};
    struct antiphon_event event = event_of(ANTIPHON_EV_RESUMPTION);
    bool named = reader_string(reader_get(update, "newHandle", "new_handle"), &handle);
    if (named && handle.len && reader_is_true(reader_get(update, "resumable", NULL))) {
        event.flags = ANTIPHON_FLAG_RESUMABLE;
        event.data = handle.data;
        event.len = handle.len;
    }
    if (handle.failed)
        pass->failed = true;
    else
        pass->emit(pass->ctx, &event);
    text_free(&handle);
}

static void find_error(struct value message, struct decode_error *error)
{
    struct value body = reader_get(message, "error", NULL);
    if (!reader_is(body, '{') && !reader_is(body, '"') &&
        reader_is(reader_get(message, "message", NULL), '"'))
        body = message;
    int64_t code = 0;
    bool coded = reader_int(reader_get(body, "code", NULL), &code);
    if (!reader_is(body, '"') && !(reader_is(body, '{') && (coded || body.p != message.p)))
        return;
    struct text text = {0};
    if (!reader_string(reader_get(body, "message", NULL), &text))
        (void)reader_string(body, &text);
    error->found = true;
    error->code = code > 0 && code < 10000 ? (int)code : 0;
    size_t n = text.failed ? 0 : text.len;
    if (n > sizeof error->message - 1)
        n = sizeof error->message - 1;
    if (n)
        memcpy(error->message, text.data, n);
    error->message[n] = '\0';
    text_free(&text);
}

enum key {
    SETUP_COMPLETE,
    SERVER_CONTENT,
    TOOL_CALL,
    TOOL_CANCEL,
    VOICE,
    VOICE_SIGNAL,
    USAGE,
    RESUMPTION,
    GO_AWAY,
    KEYS
};
static const char *const keys[KEYS][2] = {
    [SETUP_COMPLETE] = {"setupComplete", "setup_complete"},
    [SERVER_CONTENT] = {"serverContent", "server_content"},
    [TOOL_CALL] = {"toolCall", "tool_call"},
    [TOOL_CANCEL] = {"toolCallCancellation", "tool_call_cancellation"},
    [VOICE] = {"voiceActivity", "voice_activity"},
    [VOICE_SIGNAL] = {"voiceActivityDetectionSignal", "voice_activity_detection_signal"},
    [USAGE] = {"usageMetadata", "usage_metadata"},
    [RESUMPTION] = {"sessionResumptionUpdate", "session_resumption_update"},
    [GO_AWAY] = {"goAway", "go_away"},
};

static void read_keys(struct value message, struct value found[KEYS])
{
    struct value key, value;
    struct reader r = reader_open(message);
    while (reader_member(&r, &key, &value))
        for (int i = 0; i < KEYS; i++)
            if (!found[i].p && !reader_is_null(value) &&
                (reader_equals(key, keys[i][0]) || reader_equals(key, keys[i][1])))
                found[i] = value;
}

static void whole_message(struct pass *pass, const struct value v[KEYS])
{
    if (v[SETUP_COMPLETE].p)
        emit_flag(pass, ANTIPHON_EV_READY);
    server_content(pass, v[SERVER_CONTENT]);
    tool_calls(pass, v[TOOL_CALL]);
    tool_cancellations(pass, v[TOOL_CANCEL]);
    struct value type = reader_get(v[VOICE], "type", NULL);
    if (!type.p)
        type = reader_get(v[VOICE], "voiceActivityType", "voice_activity_type");
    voice_activity(pass, type);
    voice_activity(pass, reader_get(v[VOICE_SIGNAL], "vadSignalType", "vad_signal_type"));
    if (reader_is(v[USAGE], '{'))
        usage(pass, v[USAGE]);
    turn_flags(pass, v[SERVER_CONTENT]);
    if (reader_is(v[RESUMPTION], '{'))
        resumption(pass, v[RESUMPTION]);
    if (v[GO_AWAY].p) {
        struct antiphon_event event = event_of(ANTIPHON_EV_GO_AWAY);
        event.time_ms = reader_duration_ms(reader_get(v[GO_AWAY], "timeLeft", "time_left"));
        pass->emit(pass->ctx, &event);
    }
}

enum antiphon_status decode_message(struct decode *decode, const char *data, size_t len,
                                    decode_emit_fn *emit, void *ctx, struct decode_error *error,
                                    size_t *where)
{
    struct pass pass = {decode, emit, ctx, false};
    struct value message, found[KEYS] = {{NULL, 0}};
    error->found = false;
    *where = 0;
    if (len > DECODE_MAX_BYTES)
        return ANTIPHON_ETOOBIG;
    if (fast_audio(&pass, data, len))
        return pass.failed ? ANTIPHON_ENOMEM : ANTIPHON_OK;
    if (!reader_check(data, len, &message, where) || !reader_is(message, '{'))
        return ANTIPHON_EPROTOCOL;
    read_keys(message, found);
    bool known = false;
    for (int i = 0; i < KEYS; i++)
        known |= found[i].p != NULL;
    if (known)
        whole_message(&pass, found);
    else
        find_error(message, error);
    return pass.failed ? ANTIPHON_ENOMEM : ANTIPHON_OK;
}
