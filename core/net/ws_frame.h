/* ws_frame - the client side of RFC 6455 framing: headers, masks, and a reader that turns a byte
 * stream into whole messages. Pure. Written here rather than taken from wslay, whose frame API
 * copies every payload through a 4 KiB buffer of its own (so no message could be handed over where
 * it lies in the read buffer) and masks byte by byte into writes of 4 KiB (so no message could be
 * one write); the fuzzer holds the reader against wslay's. */
#ifndef NET_WS_FRAME_H
#define NET_WS_FRAME_H
#include "base/buf.h"

#define WS_FRAME_MAX_HEADER  14
#define WS_FRAME_MAX_CONTROL 125

enum ws_frame_opcode {
    WS_FRAME_CONTINUATION = 0,
    WS_FRAME_TEXT = 1,
    WS_FRAME_BINARY = 2,
    WS_FRAME_CLOSE = 8,
    WS_FRAME_PING = 9,
    WS_FRAME_PONG = 10
};

/* Header of a masked, unfragmented frame; returns its length (6, 8 or 14). */
size_t ws_frame_header(enum ws_frame_opcode opcode, uint64_t len, const unsigned char mask[4],
                       unsigned char out[WS_FRAME_MAX_HEADER]);
/* dst = src ^ mask; offset is the place of src within the payload. dst may be src. */
void ws_frame_mask(unsigned char *dst, const unsigned char *src, size_t len,
                   const unsigned char mask[4], size_t offset);

enum ws_frame_item_kind {
    WS_FRAME_NEED_MORE, /* all input is used */
    WS_FRAME_MESSAGE,   /* text or binary, whole */
    WS_FRAME_CONTROL,   /* opcode tells */
    WS_FRAME_BAD        /* status tells: EPROTOCOL, ETOOBIG (beyond max_message), ENOMEM. Final. */
};
struct ws_frame_item {
    enum ws_frame_item_kind kind;
    enum ws_frame_opcode opcode; /* of the first frame of a message */
    enum antiphon_status status;
    const char *data; /* in the input or in the reader; valid until the next call */
    size_t len;
    const char *why; /* static text if BAD */
};

struct ws_frame_reader {
    unsigned char header[WS_FRAME_MAX_HEADER];
    unsigned have; /* bytes of header */
    bool in_payload, final;
    enum ws_frame_opcode opcode; /* of the present frame */
    uint64_t left;               /* of its payload */
    bool in_message;             /* a message is begun and not finished */
    enum ws_frame_opcode message_opcode;
    bool delivered;     /* message was handed out by the last call */
    enum antiphon_status failed;
    struct buf message; /* its pieces; bound max_message */
    unsigned control_len;
    unsigned char control[WS_FRAME_MAX_CONTROL];
};
void ws_frame_reader_init(struct ws_frame_reader *reader, size_t max_message);
void ws_frame_reader_deinit(struct ws_frame_reader *reader);
/* Reads one item from data and says how many bytes it took. Frames must come unmasked, as a
 * server's do. */
struct ws_frame_item ws_frame_read(struct ws_frame_reader *reader, const char *data, size_t len,
                                   size_t *used);

/* Code and reason of a close frame's payload. code 1005: it was empty. EPROTOCOL: one byte, or a
 * code that may not be sent; 1012 to 1014 may. */
enum antiphon_status ws_frame_close(const char *payload, size_t len, int *code, const char **reason,
                                    size_t *reason_len) MUST_CHECK;
#endif
