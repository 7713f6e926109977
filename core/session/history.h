/* history - what was said so far, in the form that a fresh connection to the model is seeded with. Pure; owned by one
 * session. Built from stored events (as ADK or we wrote them) and from those of the running talk alike.
 *
 * Taken over: text of user and model, finished transcripts (what was heard of them), function calls with their
 * responses. Left out: thoughts, audio, partial events, calls without a response and responses without a call, grounding of
 * more than 16 levels. A timestamp that no clock tells (below 0, beyond 1e11 s) counts as not known, as 0.
 * What is printed is JSON that json_parse() reads. */
#ifndef SESSION_HISTORY_H
#define SESSION_HISTORY_H
#include "base/buf.h"
#include "base/err.h"

struct history;

/* Keeps the newest max_items; older ones are forgotten (they stay in the store). */
enum antiphon_status history_new(size_t max_items, struct history **history) MUST_CHECK;
void history_free(struct history *history);
/* One event_data as stored. Events without anything for the history are OK and add nothing. *item (may be NULL) gets an
 * id of what was added, 0 for nothing. EINVAL: not an event; the caller may go on without it. */
enum antiphon_status history_add(struct history *history, const char *event_data, size_t len,
                                 uint64_t *item) MUST_CHECK;
/* The same for one that comes later than others which were said after it: it goes where its time puts it. */
enum antiphon_status history_add_late(struct history *history, const char *event_data, size_t len,
                                      uint64_t *item) MUST_CHECK;
/* One that was stored before all that history_add() was given: what is loaded while the talk already runs. In order; what
 * does not fit any more beside the newer ones is forgotten, oldest first. */
enum antiphon_status history_add_older(struct history *history, const char *event_data, size_t len) MUST_CHECK;
/* A hidden item is left out of what the model is told: text that will be sent to it anyway. */
void history_hide(struct history *history, uint64_t item, bool hidden);
bool history_empty(const struct history *history);
/* JSON array of {"role","parts"}, neighbours of one role merged, for the model: what was said after the time `since` (seconds
 * since the epoch; 0: everything). */
enum antiphon_status history_print_model(const struct history *history, double since, struct buf *out) MUST_CHECK;
/* True if history_print_model() would print anything. */
bool history_has(const struct history *history, double since);
/* JSON array of {"role","text","time"[,"interrupted":true][,"grounding":{...}]} for a client. */
enum antiphon_status history_print_client(const struct history *history, struct buf *out) MUST_CHECK;
#endif
