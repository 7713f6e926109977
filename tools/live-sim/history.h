/* history - what a session remembers: who said what, oldest first. Values; copied into handles. */
#ifndef LIVE_SIM_HISTORY_H
#define LIVE_SIM_HISTORY_H
#include "bytes.h"

#define HISTORY_MAX_ENTRIES 2000 /* then the oldest are forgotten, as a sliding window does */

struct history_entry {
    bool model; /* else the user */
    char *text; /* owned */
};

struct history {
    struct history_entry *entries; /* owned */
    size_t count, cap;
};

void history_add(struct history *history, bool model, const char *text);
void history_copy(struct history *to, const struct history *from); /* to is freed first */
void history_free(struct history *history);
/* "u:hello | m:You said: hello" */
void history_describe(const struct history *history, struct bytes *out);
/* The last thing the user said, "" when there is none; borrowed. */
const char *history_last_user(const struct history *history);
#endif
