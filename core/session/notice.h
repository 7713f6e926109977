/* notice - what plugins want said in one conversation and is not said yet, oldest first, each once. Pure; owned by one
 * session. Bounded by the store, which keeps at most STORE_MAX_NOTICES of a session. */
#ifndef SESSION_NOTICE_H
#define SESSION_NOTICE_H
#include "base/buf.h"

#define NOTICE_MAX 200 /* more are left to the store until the session is loaded again */

struct notice {
    struct notice *next;
    const char *id, *plugin, *text; /* in data */
    char data[];
};
struct notices { /* start zeroed */
    struct notice *first; /* owned */
    unsigned n;
};
void notices_deinit(struct notices *notices);
/* Copies. One that is there already is OK and adds nothing. EBUSY: NOTICE_MAX are there. */
enum antiphon_status notices_add(struct notices *notices, const char *id, const char *plugin,
                                 const char *text) MUST_CHECK;
/* The oldest, now the caller's (free()); NULL: none. */
struct notice *notices_take(struct notices *notices);
/* Puts back what notices_take() gave. */
void notices_return(struct notices *notices, struct notice *notice);
/* What the model is sent. */
enum antiphon_status notice_print(const struct notice *notice, struct buf *out) MUST_CHECK;
#endif
