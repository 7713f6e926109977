/* ws - the server side of RFC 6455 framing, without I/O. Pure: bytes in, messages out.
 *
 * One reader per connection. It assembles fragments and unmasks; a peer that breaks the protocol is
 * told by the close code in *code. No extension is ever negotiated, so a reserved bit is an error.
 */
#ifndef LIVE_SIM_WS_H
#define LIVE_SIM_WS_H
#include "bytes.h"

#define WS_MAX_MESSAGE   (16U << 20) /* longer messages end the connection with 1009 */
#define WS_MAX_REASON    123         /* bytes of a close reason */
#define WS_ACCEPT_LENGTH 28

enum ws_opcode {
    WS_CONTINUE = 0,
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10
};

struct ws_message {
    enum ws_opcode opcode;
    const char *data; /* borrowed from the reader until its next call */
    size_t len;
};

struct ws_reader {
    struct bytes in;       /* owned: raw bytes not yet consumed */
    struct bytes message;  /* owned: message being assembled */
    struct bytes control;  /* owned: payload of the last control frame */
    enum ws_opcode opcode; /* of the message being assembled */
    bool assembling;
};

enum ws_status { WS_MORE, WS_MESSAGE, WS_BROKEN };

void ws_reader_free(struct ws_reader *reader);
void ws_feed(struct ws_reader *reader, const void *data, size_t len);
/* WS_MORE: nothing whole is there. WS_BROKEN: *code is the close code to answer with. */
enum ws_status ws_next(struct ws_reader *reader, struct ws_message *message, uint16_t *code);

/* Appends one unmasked frame. */
void ws_encode(struct bytes *out, enum ws_opcode opcode, bool fin, const void *data, size_t len);
/* Appends a message in frames of at most fragment payload bytes (0: one frame). */
void ws_encode_message(struct bytes *out, enum ws_opcode opcode, const void *data, size_t len,
                       size_t fragment);
/* Appends a close frame; a reason that is too long is cut on a UTF-8 boundary. code 0: no payload.
 */
void ws_encode_close(struct bytes *out, uint16_t code, const char *reason);
/* The code and reason of a close payload; 1005 for an empty one, 1002/1007 for a malformed one. */
uint16_t ws_close_code(const struct ws_message *message, char *reason, size_t size);
/* Sec-WebSocket-Accept for a Sec-WebSocket-Key. */
void ws_accept(const char *key, char out[WS_ACCEPT_LENGTH + 1]);
#endif
