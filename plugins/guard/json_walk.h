/* json_walk - visits the values of a JSON text and replaces texts among them. What is not replaced
 * stays byte for byte as it was, so that no number loses digits. Pure; any thread. */
#ifndef GUARD_JSON_WALK_H
#define GUARD_JSON_WALK_H
#include <stdbool.h>
#include <stddef.h>

#include "antiphon/plugin.h"

#define JSON_WALK_MAX_MADE_BYTES ((size_t)1 << 20)

/* A value that is no object and no array: a text without its quotes and escapes, or a number, true,
 * false or null as it is written. ENOTFOUND goes on to the next value, OK and any error end the
 * walk. For a text, *made may be set to what replaces it (malloc'd), with ENOTFOUND. */
typedef enum antiphon_status json_walk_fn(void *ctx, const char *text, size_t len, bool is_text,
                                          char **made, size_t *made_len);

/* member: only what is in this member of the outermost object; NULL: everything. Keys are not
 * visited. *made is NULL, or the whole text with the replacements, malloc'd and NUL-terminated.
 * Returns what visit returned last, ENOTFOUND without any value, EINVAL for a text that is not
 * JSON. */
enum antiphon_status json_walk(const char *json, size_t len, const char *member,
                               json_walk_fn *visit, void *ctx, char **made, size_t *made_len);
#endif
