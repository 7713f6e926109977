/* decode - one message of the server as a sequence of events. Pure but for what it keeps of a
 * stream of audio (an odd byte between two chunks).
 *
 * Accepts any number of keys in one message, camelCase or snake_case, any layout. The order of
 * events is: READY, content in the order of its parts, transcripts, grounding, tool calls and
 * cancellations, voice activity, usage, then the flags GENERATION_COMPLETE, INTERRUPTED,
 * TURN_COMPLETE, and last RESUMPTION and GO_AWAY. What is unknown, of a wrong type or not for us
 * (interim transcripts, media that is not audio) is passed over. TURN_COMPLETE is held back while
 * interactionStatus is IN_PROGRESS.
 *
 * Audio: a message that is nothing but one chunk of PCM is recognised by its exact beginning and
 * end and its base64 is passed on as it is. Only standard base64 of whole samples crosses so;
 * anything else is decoded, with a spare odd byte kept for the next chunk. */
#ifndef GEMINI_DECODE_H
#define GEMINI_DECODE_H
#include "reader.h"
#include "text.h"

#define DECODE_MAX_BYTES (16u * 1024 * 1024)
#define DECODE_MAX_CALLS 256 /* tool calls of one message; more are passed over */

/* event and all it points to are borrowed for the call. */
typedef void decode_emit_fn(void *ctx, const struct antiphon_event *event);

struct decode {
    bool whole_input; /* an input transcript comes in one piece: it is FINAL at once */
    bool odd;         /* spare holds the first byte of a sample */
    unsigned char spare;
    unsigned skipped; /* parts that could not be used (bad base64, ...), ever */
};

/* An error object in place of a message: what proxies send. */
struct decode_error {
    bool found;
    int code;
    char message[256]; /* cut */
};

/* EPROTOCOL: not a JSON object, *where is the byte of the fault; ETOOBIG; ENOMEM. Events may have
 * been emitted before ENOMEM only. */
enum antiphon_status decode_message(struct decode *decode, const char *data, size_t len,
                                    decode_emit_fn *emit, void *ctx, struct decode_error *error,
                                    size_t *where);
#endif
