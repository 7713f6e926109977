/* handles - the resumption handles this process has given out, each with the history it stands for.
 * They live in memory only: a handle of an earlier process is refused like an expired one. */
#ifndef LIVE_SIM_HANDLES_H
#define LIVE_SIM_HANDLES_H
#include "history.h"

#define HANDLES_MAX  4096 /* then the oldest expires */
#define HANDLES_NAME 64   /* bytes of a handle with NUL */

struct handle {
    char name[HANDLES_NAME];
    char *model; /* owned: a handle resumes on its own model only */
    struct history history;
    uint32_t conn; /* connection that was given it */
};

struct handles {
    struct handle *list; /* owned ring of HANDLES_MAX, allocated at the first handle */
    uint32_t given;      /* in all */
    uint32_t nonce;      /* 0: names are the same in every run */
};

/* Gives out the next handle; the name stays valid until HANDLES_MAX more were given. */
const char *handles_give(struct handles *handles, uint32_t conn, const char *model,
                         const struct history *history);
const struct handle *handles_find(const struct handles *handles, const char *name); /* or NULL */
void handles_free(struct handles *handles);
#endif
