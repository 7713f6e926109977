/* clock - what the tools of this plugin share. Immutable after init(), but for the reminders, which
 * guard themselves. */
#ifndef CLOCK_CLOCK_H
#define CLOCK_CLOCK_H
#include <glib.h>

#include <cjson/cJSON.h>

#include "../common/reply.h"
#include "antiphon/plugin.h"
#include "reminders.h"
#include "zones.h"

#define CLOCK_ZONE_KEY "user:time_zone" /* state: the user's own, a JSON text */

struct clock {
    const struct antiphon_host *h; /* borrowed */
    struct zones *zones;           /* owned */
    struct reminders *reminders;   /* owned */
    char zone[ZONES_MAX_BYTES];    /* of users who have not said where they are */
};

struct clock_place {
    GTimeZone *zone; /* owned; NULL: none */
    char name[ZONES_MAX_BYTES];
};
/* The zone that a member of the arguments names, else the user's, else the configured one. False
 * after the call was finished with an error. Caller: clock_place_deinit(). */
bool clock_place_find(const struct clock *clock, struct antiphon_call *call, const cJSON *args,
                      const char *member, struct clock_place *place);
void clock_place_deinit(struct clock_place *place);
/* The moment that a member names (absent: what otherwise says). NULL after the call was finished
 * with an error. */
GDateTime *clock_moment(const struct clock *clock, struct antiphon_call *call, const cJSON *args,
                        const char *member, const char *otherwise, const struct clock_place *place);

enum antiphon_status clock_tell(void *state, struct antiphon_call *call);
enum antiphon_status clock_convert(void *state, struct antiphon_call *call);
enum antiphon_status clock_between(void *state, struct antiphon_call *call);
enum antiphon_status clock_add(void *state, struct antiphon_call *call);
enum antiphon_status clock_set_zone(void *state, struct antiphon_call *call);
enum antiphon_status clock_remind(void *state, struct antiphon_call *call);
enum antiphon_status clock_undo_remind(void *state, struct antiphon_call *call);
enum antiphon_status clock_list(void *state, struct antiphon_call *call);
enum antiphon_status clock_cancel(void *state, struct antiphon_call *call);
enum antiphon_status clock_undo_cancel(void *state, struct antiphon_call *call);
#endif
