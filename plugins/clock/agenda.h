/* agenda - which reminder is due next: the ids, users and times of all of them, in memory. Pure;
 * its owner locks. */
#ifndef CLOCK_AGENDA_H
#define CLOCK_AGENDA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reminders.h"

#define AGENDA_MAX_ENTRIES 10000 /* as many rows as the host keeps */

struct agenda_entry {
    int64_t at_ms;
    char id[REMINDERS_ID_BYTES];
    char *user_id; /* owned */
    unsigned tries;
    bool busy; /* it is being said */
};
struct agenda {
    struct agenda_entry *entries; /* owned; the next first */
    size_t n, room;
};

void agenda_deinit(struct agenda *agenda);
/* EBUSY: it is full. ENOMEM. */
enum antiphon_status agenda_add(struct agenda *agenda, const char *user_id, const char *id,
                                int64_t at_ms);
/* NULL: it is not there. Good until the next change. */
struct agenda_entry *agenda_find(struct agenda *agenda, const char *user_id, const char *id);
void agenda_remove(struct agenda *agenda, struct agenda_entry *entry);
/* Tries again at that time: not busy any more, and one try more. */
void agenda_postpone(struct agenda *agenda, struct agenda_entry *entry, int64_t at_ms);
/* The next that is not busy; NULL: none. */
struct agenda_entry *agenda_next(struct agenda *agenda);
size_t agenda_count(const struct agenda *agenda, const char *user_id);
#endif
