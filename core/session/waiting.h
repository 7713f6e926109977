/* waiting - what a client said while the model could not hear it: before the first setup is accepted and while a
 * connection is replaced. Pure; owned by one session. Text is never dropped (EBUSY when full), audio drops its oldest. */
#ifndef SESSION_WAITING_H
#define SESSION_WAITING_H
#include <stdbool.h>

#include "antiphon/plugin.h"
#include "base/status.h"

#define WAITING_MAX_TEXT_BYTES (256u * 1024)
#define WAITING_MAX_TEXTS 256
#define WAITING_AUDIO_BYTES_A_SECOND 42700u /* 16 kHz s16le in base64 */

struct waiting_item {
    struct waiting_item *next;
    uint32_t type;     /* antiphon_event type */
    uint32_t encoding;
    uint64_t note;     /* the caller's */
    const char *mime;  /* IMAGE; static storage */
    size_t len;
    char data[];
};
struct waiting { /* start zeroed */
    struct waiting_item *first, **last; /* owned */
    size_t text_bytes, audio_bytes;
    unsigned texts;
};
void waiting_deinit(struct waiting *waiting);
/* Copies the event's data. Audio and images beyond max_audio_bytes push out the oldest of their kind; *dropped counts them. */
enum antiphon_status waiting_push(struct waiting *waiting, const struct antiphon_event *event, uint64_t note,
                                  size_t max_audio_bytes, unsigned *dropped) MUST_CHECK;
/* True if a text of len bytes would be taken. */
bool waiting_has_room(const struct waiting *waiting, size_t len);
/* Oldest first, or NULL; the caller frees it with free(). */
struct waiting_item *waiting_take(struct waiting *waiting);
void waiting_drop_audio(struct waiting *waiting);
/* Calls fn for the note of each waiting text. */
void waiting_each_text(const struct waiting *waiting, void (*fn)(void *ctx, uint64_t note), void *ctx);
#endif
