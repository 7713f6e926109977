#include "frontend/frame_output.h"

#include <string.h>

#include "base/base64.h"
#include "base/banned.h"

static struct antiphon_span span_of(const char *text)
{
    return (struct antiphon_span){text, strlen(text)};
}

void frame_output_flush(const struct frame_output *output)
{
    struct antiphon_span part = {output->scratch->data, output->scratch->len};

    if (!buf_status(output->scratch) && part.len > 0)
        output->out(output->ctx, FRAME_CONTROL, false, &part, 1);
}

/* The end of a frame that was begun in scratch. */
static void finish(const struct frame_output *output, const char *more)
{
    buf_puts(output->scratch, more);
    buf_puts(output->scratch, output->tail);
    buf_puts(output->scratch, "}");
    frame_output_flush(output);
}

void frame_output_text(const struct frame_output *output, const char *text, size_t len,
                       const char *more)
{
    buf_reset(output->scratch);
    buf_puts(output->scratch, "{\"mime_type\":\"text/plain\",\"data\":");
    buf_json_string(output->scratch, text, len);
    finish(output, more);
}

void frame_output_audio(const struct frame_output *output, const struct antiphon_event *event)
{
    bool plain = output->tail[0] == '\0';
    struct antiphon_span parts[5] = {span_of("{\"mime_type\":\"audio/pcm\",\"data\":\""),
                                     {event->data, event->len},
                                     span_of(plain ? "\"}" : "\""),
                                     span_of(output->tail),
                                     span_of("}")};

    buf_reset(output->scratch);
    if (event->encoding == ANTIPHON_RAW) {
        size_t need = base64_encoded_len(event->len);
        if (buf_reserve(output->scratch, need))
            return;
        base64_encode(event->data, event->len, output->scratch->data);
        output->scratch->len = need;
        parts[1] = (struct antiphon_span){output->scratch->data, need};
    }
    output->out(output->ctx, FRAME_AUDIO, false, parts, plain ? 3 : 5);
}

void frame_output_turn_complete(const struct frame_output *output, const char *more)
{
    buf_reset(output->scratch);
    buf_puts(output->scratch, "{\"turn_complete\":true,\"interrupted\":null");
    finish(output, more);
}

void frame_output_interrupted(const struct frame_output *output)
{
    buf_reset(output->scratch);
    buf_puts(output->scratch, "{\"turn_complete\":null,\"interrupted\":true");
    finish(output, "");
}

void frame_output_error(const struct frame_output *output, const struct antiphon_event *event)
{
    struct buf *scratch = output->scratch;
    const char *code = event->name ? event->name : "internal";
    const char *message = event->data ? event->data : "";
    const char *hint = event->detail ? event->detail : "";

    buf_reset(scratch);
    buf_puts(scratch, "{\"error\":{\"code\":");
    buf_json_string(scratch, code, strlen(code));
    buf_puts(scratch, ",\"message\":");
    buf_json_string(scratch, message, event->data ? event->len : 0);
    buf_puts(scratch, ",\"hint\":");
    buf_json_string(scratch, hint, strlen(hint));
    buf_puts(scratch, ",\"retryable\":");
    buf_puts(scratch, event->flags & EVENT_FLAG_RETRYABLE ? "true}" : "false}");
    finish(output, "");
}

void frame_output_json(const struct frame_output *output, const char *name, const char *text,
                       size_t len)
{
    struct antiphon_span parts[6] = {span_of("{\""), span_of(name),         span_of("\":"),
                                     {text, len},    span_of(output->tail), span_of("}")};

    output->out(output->ctx, FRAME_CONTROL, false, parts, 6);
}
