/* slots - a table that turns small handles into pointers: {index, generation}. A handle of a thing
 * that was removed is never valid again (32-bit generation). One owner thread. Bounded by max. */
#ifndef BASE_SLOTS_H
#define BASE_SLOTS_H
#include "base/status.h"

struct slots;
enum antiphon_status slots_new(unsigned max, struct slots **slots) MUST_CHECK;
void slots_free(struct slots *slots);
/* EBUSY when max are in use. *handle is never 0. */
enum antiphon_status slots_add(struct slots *slots, void *item, uint64_t *handle) MUST_CHECK;
void *slots_get(const struct slots *slots, uint64_t handle); /* NULL: gone */
void slots_remove(struct slots *slots, uint64_t handle);
unsigned slots_count(const struct slots *slots);
typedef void slots_each_fn(void *ctx, uint64_t handle, void *item);
/* item may be removed from within fn. */
void slots_each(struct slots *slots, slots_each_fn *fn, void *ctx);
#endif
