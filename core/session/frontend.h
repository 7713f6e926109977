/* frontend - what a client protocol must offer to the session: a pure parser and a pure encoder. The tables are
 * defined in core/frontend/ and handed down by command/serve. */
#ifndef SESSION_FRONTEND_H
#define SESSION_FRONTEND_H
#include "base/buf.h"
#include "session/event.h"

/* What a client said. */
enum client_input_type {
    CLIENT_TEXT,           /* data: UTF-8, a whole message */
    CLIENT_AUDIO,          /* data: 16 kHz mono s16le in encoding: RAW or standard BASE64 */
    CLIENT_IMAGE,          /* mime, data in encoding */
    CLIENT_ACTIVITY_START, CLIENT_ACTIVITY_END,
    CLIENT_AUDIO_END,      /* the microphone is off */
    CLIENT_STOP,           /* the user stops the answer */
    CLIENT_PLAYED,         /* turn and played_ms: the answer of that turn was heard up to there */
    CLIENT_CONFIRM         /* data: the nonce of a question, allow: the answer */
};
struct client_input {
    enum client_input_type type;
    enum antiphon_encoding encoding;
    const char *mime;      /* IMAGE; static storage */
    const char *data;      /* borrowed from the frame or from scratch */
    size_t len;
    size_t pcm_bytes;      /* AUDIO: decoded length */
    bool spliced;          /* AUDIO: taken as it came, without building a tree */
    uint64_t turn;
    int64_t played_ms;
    bool allow;
};
/* Why a frame was refused; goes back as an error frame. Texts are static or in message. */
struct client_fault {
    const char *code;      /* "bad_json", "bad_frame", "bad_mime", "bad_data", "bad_audio", "too_deep", "too_large", ... */
    const char *hint;
    char message[256];     /* never echoes content */
};

enum client_audio { CLIENT_AUDIO_BASE64, CLIENT_AUDIO_BINARY, CLIENT_AUDIO_OFF };

/* What an encoder needs to know of the client and the moment. */
struct frame_context {
    uint64_t turn;         /* id of the turn the event belongs to; rises with every user turn and interruption */
    uint64_t seq;          /* of this event to this client */
    enum client_audio audio;
};
enum frame_kind { FRAME_CONTROL, FRAME_AUDIO };
/* One frame; the parts are joined; borrowed for the call. */
typedef void frame_out_fn(void *ctx, enum frame_kind kind, bool binary, const struct antiphon_span *parts, size_t n);

struct frontend {
    const char *name;        /* "sample", "antiphon.v1" */
    const char *subprotocol; /* "" for none */
    bool wants_hello;        /* gets HELLO, HISTORY, STATE, TOOL, input transcripts, grounding */
    bool shows_errors;       /* false: an error that ends the talk is also said as text and turn_complete */
    /* One message from the client. EINVAL fills fault. scratch is empty and owned by the caller until the input was used. */
    enum antiphon_status (*parse)(bool binary, const char *data, size_t len, struct buf *scratch,
                                  struct client_input *input, struct client_fault *fault);
    /* Writes 0, 1 or more frames for the event. scratch is empty. */
    void (*encode)(const struct antiphon_event *event, const struct frame_context *context, struct buf *scratch,
                   frame_out_fn *out, void *ctx);
};
#endif
