/* wire_frames - collects what an encoder sends, and parses one message, for the unit tests. */
#ifndef TESTS_WIRE_FRAMES_H
#define TESTS_WIRE_FRAMES_H
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "session/frontend.h"

#define WIRE_FRAMES_MAX 8

struct wire_frames {
    size_t n;
    struct wire_frame {
        enum frame_kind kind;
        bool binary;
        size_t parts;
        char *data; /* owned */
        size_t len;
        const void *second; /* where the second part lay */
    } frame[WIRE_FRAMES_MAX];
};

static inline void wire_frames_add(void *ctx, enum frame_kind kind, bool binary,
                                   const struct antiphon_span *parts, size_t n)
{
    struct wire_frames *frames = ctx;
    struct wire_frame *frame = &frames->frame[frames->n++];
    struct buf joined;

    assert(frames->n <= WIRE_FRAMES_MAX);
    buf_init(&joined, 64 << 20);
    for (size_t i = 0; i < n; i++) {
        enum antiphon_status status = buf_append(&joined, parts[i].data, parts[i].len);
        assert(status == ANTIPHON_OK);
        (void)status;
    }
    *frame = (struct wire_frame){.kind = kind,
                                 .binary = binary,
                                 .parts = n,
                                 .len = joined.len,
                                 .second = n > 1 ? parts[1].data : NULL};
    frame->data = buf_take(&joined);
}

static inline void wire_frames_encode(struct wire_frames *frames, const struct frontend *frontend,
                                      const struct antiphon_event *event,
                                      const struct frame_context *context)
{
    struct buf scratch;

    *frames = (struct wire_frames){0};
    buf_init(&scratch, 1 << 20);
    frontend->encode(event, context, &scratch, wire_frames_add, frames);
    buf_deinit(&scratch);
}

static inline void wire_frames_free(struct wire_frames *frames)
{
    for (size_t i = 0; i < frames->n; i++)
        free(frames->frame[i].data);
    frames->n = 0;
}

/* One message from a client; scratch and the message live until wire_input_free(). */
struct wire_input {
    enum antiphon_status status;
    struct client_input input;
    struct client_fault fault;
    struct buf scratch;
    char *message; /* owned; exactly as long as the message, so that a sanitizer sees overruns */
};

static inline void wire_input_parse(struct wire_input *in, const struct frontend *frontend,
                                    bool binary, const char *data, size_t len)
{
    *in = (struct wire_input){.message = malloc(len ? len : 1)};
    assert(in->message);
    memcpy(in->message, data, len);
    buf_init(&in->scratch, 1 << 20);
    in->status = frontend->parse(binary, in->message, len, &in->scratch, &in->input, &in->fault);
}

static inline void wire_input_free(struct wire_input *in)
{
    buf_deinit(&in->scratch);
    free(in->message);
}
#endif
