/* tool_state - the state of one conversation as its tools see it: one JSON object, kept as text so that every value stays
 * what it was. Shared by the session and the calls that run; reference-counted, any thread. */
#ifndef SESSION_TOOL_STATE_H
#define SESSION_TOOL_STATE_H
#include "base/buf.h"

#define TOOL_STATE_MAX_BYTES (4u * 1024 * 1024) /* a set beyond it: ETOOBIG */

struct tool_state;
/* Empty; with one reference. */
enum antiphon_status tool_state_new(struct tool_state **state) MUST_CHECK;
struct tool_state *tool_state_ref(struct tool_state *state);
void tool_state_unref(struct tool_state *state); /* NULL is fine */

/* What was stored, below what was set meanwhile. EINVAL: no JSON object. */
enum antiphon_status tool_state_load(struct tool_state *state, const char *json, size_t len) MUST_CHECK;
/* Copies the value and a NUL. ENOTFOUND; ETOOBIG: *len, which may be NULL, tells what is needed. */
enum antiphon_status tool_state_get(struct tool_state *state, const char *key, char *json, size_t size,
                                    size_t *len) MUST_CHECK;
/* json is valid. delta is a text of the caller's that belongs to the state until tool_state_take(): the change is added
 * to it. */
enum antiphon_status tool_state_set(struct tool_state *state, const char *key, const char *json, size_t len,
                                    struct buf *delta) MUST_CHECK;
/* Ends the collecting: what was set through delta, one JSON object (caller frees), or NULL. */
char *tool_state_take(struct tool_state *state, struct buf *delta);
/* Forgets what is only for the running turn. */
void tool_state_end_turn(struct tool_state *state);
/* All of it. */
enum antiphon_status tool_state_print(struct tool_state *state, struct buf *out) MUST_CHECK;
#endif
