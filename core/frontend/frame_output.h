/* frame_output - what the encoders of both JSON protocols share. Pure.
 *
 * A frame is sent as parts; text that is large already (base64 audio, JSON of a plugin) is one of
 * them as it lies, never copied. What has to be written goes to scratch, which is emptied first;
 * should scratch be full or memory run out, the frame is left out. */
#ifndef FRONTEND_FRAME_OUTPUT_H
#define FRONTEND_FRAME_OUTPUT_H
#include "session/frontend.h"

struct frame_output {
    struct buf *scratch;
    frame_out_fn *out;
    void *ctx;
    /* What every frame ends with: more members (",\"seq\":4"), or "". */
    const char *tail;
};

/* {"mime_type":"text/plain","data":text ...}; more: members before the tail, or "". */
void frame_output_text(const struct frame_output *output, const char *text, size_t len,
                       const char *more);
/* {"mime_type":"audio/pcm","data":"<standard base64>" ...}; RAW audio is encoded. */
void frame_output_audio(const struct frame_output *output, const struct antiphon_event *event);
/* {"turn_complete":true,"interrupted":null ...} and {"turn_complete":null,"interrupted":true ...}
 */
void frame_output_turn_complete(const struct frame_output *output, const char *more);
void frame_output_interrupted(const struct frame_output *output);
/* {"error":{"code","message","hint","retryable"} ...} of an EVENT_ERROR. */
void frame_output_error(const struct frame_output *output, const struct antiphon_event *event);
/* {"name":<text as it is> ...}: text is a JSON value. */
void frame_output_json(const struct frame_output *output, const char *name, const char *text,
                       size_t len);
/* Sends what was written to scratch since it was emptied, unless that failed; for frames of other
 * forms. */
void frame_output_flush(const struct frame_output *output);
#endif
