/* Frames of a server, cut anywhere: the reader against wslay's, which must see the same messages,
 * and stop at the same kind of fault. The first byte of the input says how it is cut. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "net/ws_frame.h"

#define MAX_MESSAGE (1u << 20)

/* What was seen, as bytes: kind, length, payload. */
struct trace {
    struct buf out;
    bool fault;
};

static void note(struct trace *trace, unsigned char kind, const void *data, size_t len)
{
    uint32_t n = (uint32_t)len;

    if (buf_append(&trace->out, &kind, 1) || buf_append(&trace->out, &n, sizeof(n)) ||
        buf_append(&trace->out, data, len))
        abort();
}

static void read_ours(const char *data, size_t len, size_t step, struct trace *trace)
{
    struct ws_frame_reader reader;

    ws_frame_reader_init(&reader, MAX_MESSAGE);
    for (size_t at = 0; at < len && !trace->fault;) {
        size_t n = len - at < step ? len - at : step, used = 0;
        /* memory of its own, so that no byte behind it is read unnoticed */
        char *piece = malloc(n);
        struct ws_frame_item item;
        memcpy(piece, data + at, n);
        item = ws_frame_read(&reader, piece, n, &used);
        assert(used <= n);
        assert(item.kind != WS_FRAME_NEED_MORE || used == n);
        at += used;
        if (item.kind == WS_FRAME_BAD) {
            assert(item.status == ANTIPHON_EPROTOCOL || item.status == ANTIPHON_ETOOBIG);
            assert(item.why);
            trace->fault = true;
        } else if (item.kind != WS_FRAME_NEED_MORE) {
            note(trace, (unsigned char)item.opcode, item.data, item.len);
        }
        if (item.kind == WS_FRAME_CONTROL && item.opcode == WS_FRAME_CLOSE) {
            const char *reason = NULL;
            size_t reason_len = 0;
            int code = 0;
            if (!ws_frame_close(item.data, item.len, &code, &reason, &reason_len))
                assert(reason_len + 2 <= WS_FRAME_MAX_CONTROL && code >= 1000 && code < 5000);
        }
        free(piece);
    }
    ws_frame_reader_deinit(&reader);
}

struct source {
    const char *data;
    size_t len;
};

static ssize_t on_recv(uint8_t *data, size_t len, int flags, void *ctx)
{
    struct source *source = ctx;
    size_t n = source->len < len ? source->len : len;

    (void)flags;
    if (!n)
        return -1;
    memcpy(data, source->data, n);
    source->data += n;
    source->len -= n;
    return (ssize_t)n;
}

/* wslay knows frames; what belongs together, and what a client refuses beyond that, is said here.
 */
static void read_wslays(const char *data, size_t len, struct trace *trace)
{
    struct wslay_frame_callbacks callbacks = {.recv_callback = on_recv};
    struct source source = {data, len};
    wslay_frame_context_ptr context;
    struct wslay_frame_iocb frame;
    struct buf message, control;
    bool within = false, begun = false;
    unsigned char opcode = 0;
    uint64_t seen = 0;
    ssize_t n;

    if (wslay_frame_context_init(&context, &callbacks, &source))
        abort();
    buf_init(&message, MAX_MESSAGE);
    buf_init(&control, WS_FRAME_MAX_CONTROL);
    while ((n = wslay_frame_recv(context, &frame)) >= 0) {
        bool is_control = frame.opcode & 8u;
        if (!begun) {
            trace->fault = frame.rsv || frame.mask || frame.opcode > 10 ||
                           (frame.opcode > 2 && !is_control) ||
                           (!is_control && (frame.opcode == 0) != within) ||
                           (!is_control && frame.payload_length > MAX_MESSAGE - message.len);
            if (trace->fault)
                break;
            if (!is_control && !within)
                opcode = frame.opcode;
            within = within || !is_control;
            begun = true;
            seen = 0;
        }
        if (buf_append(is_control ? &control : &message, frame.data, frame.data_length))
            abort();
        seen += frame.data_length;
        if (seen < frame.payload_length)
            continue;
        begun = false;
        if (is_control) {
            note(trace, frame.opcode, buf_text(&control), control.len);
            buf_reset(&control);
        } else if (frame.fin) {
            note(trace, opcode, buf_text(&message), message.len);
            buf_reset(&message);
            within = false;
        }
    }
    trace->fault = trace->fault || n == WSLAY_ERR_PROTO;
    wslay_frame_context_free(context);
    buf_deinit(&message);
    buf_deinit(&control);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace ours = {0}, theirs = {0};
    size_t step;

    if (!size)
        return 0;
    step = data[0] ? data[0] : SIZE_MAX;
    buf_init(&ours.out, SIZE_MAX / 2);
    buf_init(&theirs.out, SIZE_MAX / 2);
    read_ours((const char *)data + 1, size - 1, step, &ours);
    read_wslays((const char *)data + 1, size - 1, &theirs);
    assert(ours.out.len == theirs.out.len);
    assert(!ours.out.len || !memcmp(ours.out.data, theirs.out.data, ours.out.len));
    /* Which of two faults in one header is met first, or how much of it must be there, may differ.
     */
    assert(ours.fault || !theirs.fault);
    buf_deinit(&ours.out);
    buf_deinit(&theirs.out);
    return 0;
}
