/* hold - frames to a client that wait for a commit. "Saved means committed": turn_complete goes out after its rows are on
 * disk, and what comes behind it waits with it so that the order holds. Pure; owned by one session.
 * Audio beyond max_audio_bytes drops its oldest; control frames are bounded by the commit's own deadline. */
#ifndef SESSION_HOLD_H
#define SESSION_HOLD_H
#include "session/frontend.h"

#define HOLD_IF_LOST (1ull << 63) /* in a ticket: the frame for the case that the commit fails */

struct hold_item {
    struct hold_item *next;
    uint64_t ticket; /* not 0: waits for hold_release(ticket) */
    enum frame_kind kind;
    bool binary;
    size_t len;
    char data[];
};
struct hold { /* start zeroed */
    struct hold_item *first, **last; /* owned */
    size_t audio_bytes;
};
void hold_deinit(struct hold *hold);
bool hold_active(const struct hold *hold);
enum antiphon_status hold_push(struct hold *hold, uint64_t ticket, enum frame_kind kind, bool binary,
                               const struct antiphon_span *parts, size_t n, size_t max_audio_bytes,
                               unsigned *dropped) MUST_CHECK;
void hold_release(struct hold *hold, uint64_t ticket);
/* Throws away what waits for the ticket. */
void hold_discard(struct hold *hold, uint64_t ticket);
/* The oldest frame if nothing holds it back, else NULL; the caller frees it with free(). */
struct hold_item *hold_take(struct hold *hold);
unsigned hold_drop_audio(struct hold *hold);
#endif
