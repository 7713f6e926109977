#include "frontend/wire_v1.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "frontend/frame_input.h"
#include "frontend/frame_output.h"
#include "base/banned.h"

#define MAX_EXACT 9007199254740991.0 /* 2^53 - 1: what JSON numbers of a browser hold */

static const char type_hint[] = "types: stop, activity_start, activity_end, audio_end, played, confirm; "
                                "text, audio and images have a mime_type instead";

/* ---- from the client ----------------------------------------------------------------------------
 */

static bool whole_number(const cJSON *item, uint64_t *number)
{
    if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble > MAX_EXACT)
        return false;
    *number = (uint64_t)item->valuedouble;
    return true;
}

static enum antiphon_status parse_played(const cJSON *tree, struct client_input *input,
                                         struct client_fault *fault)
{
    uint64_t ms;

    if (!whole_number(json_get(tree, "turn"), &input->turn) ||
        !whole_number(json_get(tree, "ms"), &ms))
        return frame_input_refuse(fault, "bad_frame",
                                  "send {\"type\":\"played\",\"turn\":3,\"ms\":1200}",
                                  "played needs the numbers turn and ms, not negative");
    input->played_ms = (int64_t)ms;
    return ANTIPHON_OK;
}

static enum antiphon_status parse_confirm(const cJSON *tree, struct buf *scratch, struct client_input *input,
                                          struct client_fault *fault)
{
    const char *nonce = json_get_string(tree, "nonce");
    const cJSON *allow = json_get(tree, "allow");

    if (!nonce || nonce[0] == '\0' || !cJSON_IsBool(allow))
        return frame_input_refuse(fault, "bad_frame",
                                  "send {\"type\":\"confirm\",\"nonce\":\"...\",\"allow\":true}",
                                  "confirm needs the question's nonce, and allow as true or false");
    enum antiphon_status status = buf_puts(scratch, nonce);
    if (status)
        return frame_input_refuse(fault, "too_large", "send the nonce of the question", "the nonce is too long");
    input->data = scratch->data;
    input->len = scratch->len;
    input->allow = cJSON_IsTrue(allow);
    return ANTIPHON_OK;
}

static enum antiphon_status parse_typed(const cJSON *tree, struct buf *scratch, struct client_input *input,
                                        struct client_fault *fault)
{
    static const struct {
        const char *name;
        enum client_input_type type;
    } types[] = {
        {"stop", CLIENT_STOP},
        {"activity_start", CLIENT_ACTIVITY_START},
        {"activity_end", CLIENT_ACTIVITY_END},
        {"audio_end", CLIENT_AUDIO_END},
        {"played", CLIENT_PLAYED},
        {"confirm", CLIENT_CONFIRM},
    };
    const char *name = json_get_string(tree, "type");

    if (!name)
        return frame_input_refuse(fault, "bad_frame", type_hint,
                                  json_get(tree, "type") ? "type is not a string"
                                                         : "neither mime_type nor type is there");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(name, types[i].name) != 0)
            continue;
        input->type = types[i].type;
        if (input->type == CLIENT_CONFIRM)
            return parse_confirm(tree, scratch, input, fault);
        return input->type == CLIENT_PLAYED ? parse_played(tree, input, fault) : ANTIPHON_OK;
    }
    return frame_input_refuse(fault, "bad_frame", type_hint, "this type is not known");
}

static enum antiphon_status parse(bool binary, const char *data, size_t len, struct buf *scratch,
                                  struct client_input *input, struct client_fault *fault)
{
    enum antiphon_status status;
    cJSON *tree = NULL;
    bool taken;

    *input = (struct client_input){0};
    *fault = (struct client_fault){0};
    if (binary)
        return frame_input_pcm(data, len, input, fault);
    status = frame_input_splice(data, len, scratch, input, fault, &taken);
    if (taken)
        return status;
    status = frame_input_object(data, len, &tree, fault);
    if (!status) {
        status = json_get(tree, "mime_type")
                     ? frame_input_media(tree, FRAME_INPUT_IMAGES, scratch, input, fault)
                     : parse_typed(tree, scratch, input, fault);
    }
    cJSON_Delete(tree);
    return status;
}

/* ---- to the client ------------------------------------------------------------------------------
 */

/* One event on its way to one client. */
struct frame {
    struct frame_output output;
    const struct antiphon_event *event;
    const struct frame_context *context;
    char tail[96];
};

/* What every frame ends with; the longest type is "turn_complete". */
static void set_tail(struct frame *frame, const char *type)
{
    snprintf(frame->tail, sizeof(frame->tail),
             ",\"type\":\"%s\",\"turn\":%" PRIu64 ",\"seq\":%" PRIu64, type, frame->context->turn,
             frame->context->seq);
    frame->output.tail = frame->tail;
}

/* {"name":"text" ...} */
static void encode_string(struct frame *frame, const char *name, const char *text, size_t len)
{
    struct buf *scratch = frame->output.scratch;

    set_tail(frame, name);
    buf_reset(scratch);
    buf_printf(scratch, "{\"%s\":", name);
    buf_json_string(scratch, text, len);
    buf_puts(scratch, frame->tail);
    buf_puts(scratch, "}");
    frame_output_flush(&frame->output);
}

static void encode_text(struct frame *frame)
{
    const struct antiphon_event *event = frame->event;

    if (event->len == 0)
        return;
    if (event->flags & ANTIPHON_FLAG_THOUGHT) {
        encode_string(frame, "thought", event->data, event->len);
        return;
    }
    set_tail(frame, "text");
    frame_output_text(&frame->output, event->data, event->len, ",\"role\":\"model\"");
}

static void encode_transcript(struct frame *frame, const char *role)
{
    char more[64];
    bool final = (frame->event->flags & ANTIPHON_FLAG_FINAL) != 0;

    if (frame->event->len == 0 && !final)
        return;
    snprintf(more, sizeof(more), ",\"is_transcript\":true,\"role\":\"%s\",\"final\":%s", role,
             final ? "true" : "false");
    set_tail(frame, "transcript");
    frame_output_text(&frame->output, frame->event->data, frame->event->len, more);
}

static void encode_binary_audio(struct frame *frame)
{
    const struct antiphon_event *event = frame->event;
    struct buf *scratch = frame->output.scratch;
    uint32_t turn = (uint32_t)frame->context->turn;
    const uint8_t header[WIRE_V1_AUDIO_HEADER_BYTES] = {
        WIRE_V1_BINARY_VERSION, WIRE_V1_KIND_AUDIO,   0, 0, (uint8_t)turn, (uint8_t)(turn >> 8),
        (uint8_t)(turn >> 16),  (uint8_t)(turn >> 24)};
    struct antiphon_span parts[2] = {{header, sizeof(header)}, {event->data, event->len}};

    buf_reset(scratch);
    if (event->encoding == ANTIPHON_BASE64) {
        size_t decoded = 0;
        if (base64_check(event->data, event->len, &decoded) == BASE64_BAD ||
            buf_reserve(scratch, decoded) ||
            base64_decode(event->data, event->len, scratch->data, &scratch->len))
            return;
        parts[1] = (struct antiphon_span){scratch->data, scratch->len};
    }
    frame->output.out(frame->output.ctx, FRAME_AUDIO, true, parts, 2);
}

static void encode_audio(struct frame *frame)
{
    if (frame->event->len == 0 || frame->context->audio == CLIENT_AUDIO_OFF)
        return;
    if (frame->context->audio == CLIENT_AUDIO_BINARY) {
        encode_binary_audio(frame);
        return;
    }
    set_tail(frame, "audio");
    frame_output_audio(&frame->output, frame->event);
}

static void encode_turn_complete(struct frame *frame)
{
    char more[96] = "";
    const char *reason = frame->event->name;
    bool saved = !(frame->event->flags & EVENT_FLAG_NOT_SAVED);

    /* Reasons are words of the API's enum; anything else is left out rather than escaped. */
    if (reason && reason[0] != '\0' && strlen(reason) < 48 &&
        strspn(reason, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == strlen(reason))
        snprintf(more, sizeof(more), ",\"reason\":\"%s\",\"saved\":%s", reason,
                 saved ? "true" : "false");
    else
        snprintf(more, sizeof(more), ",\"saved\":%s", saved ? "true" : "false");
    set_tail(frame, "turn_complete");
    frame_output_turn_complete(&frame->output, more);
}

static void put_member(struct buf *out, const char *name, const char *text, size_t len)
{
    buf_printf(out, ",\"%s\":", name);
    buf_json_string(out, text, len);
}

static void encode_tool(struct frame *frame)
{
    const struct antiphon_event *event = frame->event;
    struct buf *scratch = frame->output.scratch;
    const char *id = event->id ? event->id : "", *name = event->name ? event->name : "";

    set_tail(frame, "tool");
    buf_reset(scratch);
    buf_puts(scratch, "{\"tool\":{\"id\":");
    buf_json_string(scratch, id, strlen(id));
    put_member(scratch, "name", name, strlen(name));
    put_member(scratch, "state", event->detail ? event->detail : "running",
               strlen(event->detail ? event->detail : "running"));
    if (event->data)
        put_member(scratch, "text", event->data, event->len);
    buf_puts(scratch, "}");
    buf_puts(scratch, frame->tail);
    buf_puts(scratch, "}");
    frame_output_flush(&frame->output);
}

static void encode_plugin(struct frame *frame)
{
    const struct antiphon_event *event = frame->event;
    struct buf *scratch = frame->output.scratch;

    set_tail(frame, "plugin");
    buf_reset(scratch);
    buf_puts(scratch, "{\"plugin\":{\"name\":");
    buf_json_string(scratch, event->detail, strlen(event->detail));
    put_member(scratch, "event", event->name, strlen(event->name));
    put_member(scratch, "call", event->id, strlen(event->id));
    buf_puts(scratch, ",\"data\":");
    buf_append(scratch, event->data, event->len);
    buf_puts(scratch, "}");
    buf_puts(scratch, frame->tail);
    buf_puts(scratch, "}");
    frame_output_flush(&frame->output);
}

static void encode_json(struct frame *frame, const char *name)
{
    if (frame->event->len == 0)
        return;
    set_tail(frame, name);
    frame_output_json(&frame->output, name, frame->event->data, frame->event->len);
}

static void encode_true(struct frame *frame, const char *name)
{
    set_tail(frame, name);
    frame_output_json(&frame->output, name, "true", 4);
}

static void encode_model(struct frame *frame)
{
    switch (frame->event->type) {
    case ANTIPHON_EV_TEXT:
        encode_text(frame);
        break;
    case ANTIPHON_EV_AUDIO:
        encode_audio(frame);
        break;
    case ANTIPHON_EV_INPUT_TRANSCRIPT:
        encode_transcript(frame, "user");
        break;
    case ANTIPHON_EV_OUTPUT_TRANSCRIPT:
        encode_transcript(frame, "model");
        break;
    case ANTIPHON_EV_TURN_COMPLETE:
        encode_turn_complete(frame);
        break;
    case ANTIPHON_EV_INTERRUPTED:
        set_tail(frame, "interrupted");
        frame_output_interrupted(&frame->output);
        break;
    case ANTIPHON_EV_GROUNDING:
        encode_json(frame, "grounding");
        break;
    case ANTIPHON_EV_USAGE:
        encode_json(frame, "usage");
        break;
    default:
        break;
    }
}

static void encode(const struct antiphon_event *event, const struct frame_context *context,
                   struct buf *scratch, frame_out_fn *out, void *ctx)
{
    struct frame frame = {
        .output = {.scratch = scratch, .out = out, .ctx = ctx}, .event = event, .context = context};

    switch (event->type) {
    case EVENT_HELLO:
        encode_json(&frame, "hello");
        break;
    case EVENT_HISTORY:
        encode_json(&frame, "history");
        break;
    case EVENT_ERROR:
        set_tail(&frame, "error");
        frame_output_error(&frame.output, event);
        break;
    case EVENT_STATE:
        encode_string(&frame, "state", event->name ? event->name : "",
                      event->name ? strlen(event->name) : 0);
        break;
    case EVENT_TAKEN_OVER:
        encode_true(&frame, "taken_over");
        break;
    case EVENT_ACTIVE:
        encode_true(&frame, "active");
        break;
    case EVENT_TOOL:
        encode_tool(&frame);
        break;
    case EVENT_CONFIRM:
        encode_json(&frame, "confirm");
        break;
    case EVENT_PLUGIN:
        encode_plugin(&frame);
        break;
    case EVENT_USER_TEXT:
        encode_string(&frame, "user_text", event->data, event->len);
        break;
    default:
        encode_model(&frame);
    }
}

const struct frontend wire_v1 = {
    .name = "antiphon.v1",
    .subprotocol = "antiphon.v1",
    .wants_hello = true,
    .shows_errors = true,
    .parse = parse,
    .encode = encode,
};
