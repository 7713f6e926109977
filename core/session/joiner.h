/* joiner - puts tiny frames of audio together before they go to the model: the original sample's
 * page sends 8 ms at a time, and each message costs what a larger one does. Pure. A frame that is
 * long enough by itself is never copied; what is held back is less than one joined frame, and
 * whoever owns the joiner sees to it that it does not wait for longer than that takes to speak. */
#ifndef SESSION_JOINER_H
#define SESSION_JOINER_H
#include "session/frontend.h"

#define JOINER_BYTES_A_MS 32u /* 16 kHz, 16 bit, mono */

struct joiner {
    size_t want;  /* bytes of PCM that make a frame long enough; 0: nothing is joined */
    uint8_t *pcm; /* owned; room for 2 * want, made at the first use */
    size_t len;
    bool base64;       /* the last frame came as base64: so goes the joined one */
    uint64_t since_ms; /* when the first of the held frames came */
};

void joiner_deinit(struct joiner *joiner);
/* Takes a frame of audio; false: it is long enough, or there is no memory, so it shall go as it is
 * (after what is held). */
bool joiner_add(struct joiner *joiner, const struct client_input *input, uint64_t now_ms);
bool joiner_full(const struct joiner *joiner);
/* What is held becomes the event's audio, as PCM or, in scratch, as base64; borrowed until the next
 * call. False: nothing is held, or no memory (it is lost then). */
bool joiner_take(struct joiner *joiner, struct buf *scratch, struct antiphon_event *event);
#endif
