/* reminders - what users want to be reminded of, until it is due and said.
 *
 * A reminder is a row of the user's data ("reminder/<id>": text, time, conversation) and a row of
 * nobody's data (the same key: user and time), from which everything that is due is found again
 * after a restart. The second is written first and removed last: what it names and is not there any
 * more is dropped silently, and a reminder is said at least once.
 *
 * Any thread that may block. Times are wall-clock milliseconds since 1970, so a reminder keeps its
 * time when the clock is set. */
#ifndef CLOCK_REMINDERS_H
#define CLOCK_REMINDERS_H
#include "antiphon/plugin.h"

#define REMINDERS_ID_BYTES       17 /* 16 hexadecimal digits and a NUL */
#define REMINDERS_MAX_TEXT_BYTES 2000
#define REMINDERS_MAX_LIST       100
#define REMINDERS_TTL_S          (7 * 24 * 3600) /* how long it waits for a closed conversation */

struct reminder {
    char id[REMINDERS_ID_BYTES];
    int64_t due_ms, set_ms;
    char *text, *zone, *app, *session_id; /* owned */
};
void reminder_deinit(struct reminder *reminder);

struct reminders;

/* Takes up what was left by the last run. max: of one user. A host without a store: *reminders is
 * made, but everything answers EUNAVAILABLE. */
enum antiphon_status reminders_new(const struct antiphon_host *h, size_t max,
                                   struct reminders **reminders, char *why, size_t why_size);
void reminders_free(struct reminders *reminders);

/* id "": a new one is made up; else it comes back with that id. EBUSY: the user has too many. */
enum antiphon_status reminders_add(struct reminders *reminders, const char *user_id,
                                   struct reminder *reminder);
/* *reminder is what it was (caller: reminder_deinit()); may be NULL. ENOTFOUND; EBUSY: it is being
 * said at this moment. */
enum antiphon_status reminders_get(struct reminders *reminders, const char *user_id, const char *id,
                                   struct reminder *reminder);
enum antiphon_status reminders_remove(struct reminders *reminders, const char *user_id,
                                      const char *id);
/* The user's, the next first. list has room for REMINDERS_MAX_LIST; each is the caller's. */
enum antiphon_status reminders_list(struct reminders *reminders, const char *user_id,
                                    struct reminder *list, size_t *n);
/* A new id, for a receipt that must be there before the reminder. */
enum antiphon_status reminders_make_id(char id[REMINDERS_ID_BYTES]);
#endif
