/* jschema - the subset of JSON Schema (2020-12) that tool arguments and configuration need:
 * type (string or array of), properties, required, additionalProperties (bool), items, enum, const,
 * minimum, maximum, minLength, maxLength (in code points), minItems, maxItems, pattern (POSIX
 * extended), default, description, title, format (noted, not checked), nullable, anyOf, x-env,
 * x-host-only, writeOnly. $schema, $comment and examples are allowed and mean nothing. Anything else is refused
 * when the schema is compiled, with its JSON path; so are a default that does not fit and a member
 * that is required and at the same time forbidden. Pure; a compiled schema may be used by several
 * threads.
 *
 * enum and const hold strings, numbers, booleans and null only. nullable allows null whatever else
 * is said. A pattern is searched in the bytes, has at most 256 of them, and what means something
 * else in ECMAScript (\d, (?:, a backslash inside []) is refused. A value that has one of its named
 * members twice is invalid. Messages never hold the value, which may be a secret. */
#ifndef BASE_JSCHEMA_H
#define BASE_JSCHEMA_H
#include "base/json.h"

struct jschema;

/* name is for messages ("tool get_time"). Upper-case OpenAPI types ("OBJECT") are accepted. */
enum antiphon_status jschema_new(const char *name, const char *text, struct jschema **schema,
                                 struct err *err) MUST_CHECK;
void jschema_free(struct jschema *schema);
const cJSON *jschema_tree(const struct jschema *schema); /* borrowed */

#define JSCHEMA_MAX_REPORTS 32 /* faults of one value; checking ends there */

/* Remove members that `properties` does not name, where there is `properties` or
 * "additionalProperties": false; "additionalProperties": true keeps them and so does
 * `required`. */
#define JSCHEMA_DROP_UNKNOWN  (1u << 0)
#define JSCHEMA_FILL_DEFAULTS (1u << 1) /* add absent members that have a `default` */

typedef void jschema_report_fn(void *ctx, const char *path, const char *message);

/* Checks value (changed in place only by the flags). Calls report for every fault, with the path of
 * the value ("live.voice", "items[2].x", "" for value itself) and what would be right, "did you
 * mean" included for unknown members. Returns EINVAL if there was one, ENOMEM if a default could
 * not be filled in. report may be NULL. */
enum antiphon_status jschema_check(const struct jschema *schema, cJSON *value, unsigned flags,
                                   jschema_report_fn *report, void *ctx) MUST_CHECK;
/* The candidate nearest to word (edit distance at most a third of its length), or NULL. */
const char *jschema_nearest(const char *word, const char *const *candidates, size_t n);
#endif
