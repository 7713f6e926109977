/* alarm - calls functions later, on the workers of a pool. One thread waits for the earliest. Any thread. */
#ifndef BASE_ALARM_H
#define BASE_ALARM_H
#include "base/pool.h"

#define ALARM_MAX           65536 /* waiting in all; more: EBUSY */
#define ALARM_MAX_PER_OWNER 1000  /* likewise, of one owner */

struct alarms;
/* pool is borrowed and must outlive the alarms. */
enum antiphon_status alarms_new(struct pool *pool, struct alarms **alarms) MUST_CHECK;
/* What waits is dropped; what is with the pool already still runs. */
void alarms_free(struct alarms *alarms);

typedef void alarm_fn(void *ctx);
/* fn(ctx) once, delay_ms from now. While the pool is full it waits on. owner is copied. *number is never 0. */
enum antiphon_status alarm_start(struct alarms *alarms, const char *owner, uint64_t delay_ms, alarm_fn *fn, void *ctx,
                                 uint64_t *number) MUST_CHECK;
/* True: fn will not be called. False: it was or is being called, is about to, or is another owner's. */
bool alarm_cancel(struct alarms *alarms, const char *owner, uint64_t number);
#endif
