/* state - session state as ADK stores it: JSON objects of which only the top level has a meaning.
 * They are cut and joined as text, so that every value stays byte for byte what it was: integers
 * beyond 2^53 or 2^63, 0.30000000000000004, escapes. (SQLite's json_group_object() rounds doubles
 * to 15 digits and its json_each() turns integers beyond 64 bit into doubles; cJSON keeps doubles
 * only.)
 *
 * Python's dict.update(): a key in the delta wins with its value, null included; the delta's keys
 * come first; of equal keys in one object the last counts. Keys are equal when their unescaped text
 * is. Prefixes: "app:" shared by all users, "user:" by all sessions of a user, "temp:" stored
 * nowhere. Pure; results go into empty bufs of the caller, whose ceilings hold. */
#ifndef STORE_STATE_H
#define STORE_STATE_H
#include "base/buf.h"

#define STATE_MAX_MEMBERS 65536 /* of one object; more: ETOOBIG */
#define STATE_MAX_DEPTH   256   /* nested containers; more: EINVAL */

/* One object for each place, "{...}"; left empty where there is nothing to store. */
struct state_parts {
    struct buf app, user, session; /* keys without their prefix */
};
void state_parts_init(struct state_parts *parts, size_t max);
void state_parts_deinit(struct state_parts *parts);

/* All: EINVAL if a text is not one valid JSON object, ENOMEM, ETOOBIG. */

/* Sorts the members by prefix; temp: ones are left out. */
enum antiphon_status state_split(const char *delta, size_t len,
                                 struct state_parts *parts) MUST_CHECK;
/* delta over state. */
enum antiphon_status state_merge(const char *state, size_t state_len, const char *delta,
                                 size_t delta_len, struct buf *out) MUST_CHECK;
/* What a reader sees: the session's state and the two others with their prefixes. NULL: none. */
enum antiphon_status state_join(const char *session, const char *app, const char *user,
                                struct buf *out) MUST_CHECK;
/* The delta without its temp: members, as it belongs into a stored event. */
enum antiphon_status state_without_temp(const char *delta, size_t len, struct buf *out) MUST_CHECK;
/* The value of the member of that name, which points into state. ENOTFOUND: there is none. */
enum antiphon_status state_find(const char *state, size_t len, const char *name, const char **value,
                                size_t *value_len) MUST_CHECK;
/* Whether text is one valid JSON object (RFC 8259, UTF-8, nesting as above) and nothing else. */
bool state_is_object(const char *text, size_t len);
#endif
