#include "frontend/wire_sample.h"

#include <string.h>

#include "frontend/frame_input.h"
#include "frontend/frame_output.h"
#include "base/banned.h"

static enum antiphon_status parse(bool binary, const char *data, size_t len, struct buf *scratch,
                                  struct client_input *input, struct client_fault *fault)
{
    enum antiphon_status status;
    cJSON *tree = NULL;
    bool taken;

    *input = (struct client_input){0};
    *fault = (struct client_fault){0};
    if (binary)
        return frame_input_refuse(
            fault, "bad_frame",
            "send audio as base64 in a text frame, or use subprotocol antiphon.v1",
            "this protocol has no binary frames");
    status = frame_input_splice(data, len, scratch, input, fault, &taken);
    if (taken)
        return status;
    status = frame_input_object(data, len, &tree, fault);
    if (!status)
        status = frame_input_media(tree, 0, scratch, input, fault);
    cJSON_Delete(tree);
    return status;
}

/* "cause next step", for a page that knows nothing of errors. */
static void say_error(const struct frame_output *output, const struct antiphon_event *event,
                      struct buf *text)
{
    buf_append(text, event->data, event->data ? event->len : 0);
    if (event->detail && event->detail[0] != '\0') {
        if (text->len > 0)
            buf_puts(text, " ");
        buf_puts(text, event->detail);
    }
    if (!buf_status(text) && text->len > 0)
        frame_output_text(output, text->data, text->len, "");
}

static void encode_error(const struct frame_output *output, const struct antiphon_event *event)
{
    struct buf text;

    frame_output_error(output, event);
    if (!(event->flags & EVENT_FLAG_ENDS_TALK))
        return;
    buf_init(&text, output->scratch->max);
    say_error(output, event, &text);
    frame_output_turn_complete(output, "");
    buf_deinit(&text);
}

static void encode(const struct antiphon_event *event, const struct frame_context *context,
                   struct buf *scratch, frame_out_fn *out, void *ctx)
{
    struct frame_output output = {.scratch = scratch, .out = out, .ctx = ctx, .tail = ""};

    switch (event->type) {
    case ANTIPHON_EV_TEXT:
        if (event->len > 0 && !(event->flags & ANTIPHON_FLAG_THOUGHT))
            frame_output_text(&output, event->data, event->len, "");
        break;
    case ANTIPHON_EV_OUTPUT_TRANSCRIPT:
        if (event->len > 0)
            frame_output_text(&output, event->data, event->len, ",\"is_transcript\":true");
        break;
    case ANTIPHON_EV_AUDIO:
        if (event->len > 0 && context->audio != CLIENT_AUDIO_OFF)
            frame_output_audio(&output, event);
        break;
    case ANTIPHON_EV_TURN_COMPLETE:
        frame_output_turn_complete(&output, "");
        break;
    case ANTIPHON_EV_INTERRUPTED:
        frame_output_interrupted(&output);
        break;
    case EVENT_ERROR:
        encode_error(&output, event);
        break;
    default:
        break;
    }
}

const struct frontend wire_sample = {
    .name = "sample",
    .subprotocol = "",
    .wants_hello = false,
    .shows_errors = false,
    .parse = parse,
    .encode = encode,
};
