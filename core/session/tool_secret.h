/* tool_secret - arguments that are secrets ("writeOnly": true in the tool's schema) as everybody but the tool sees them. Pure. */
#ifndef SESSION_TOOL_SECRET_H
#define SESSION_TOOL_SECRET_H
#include "base/buf.h"
#include "base/jschema.h"

#define TOOL_SECRET_PLACEHOLDER "(secret)"

/* Whether a schema has a secret at all; NULL has none. */
bool tool_secret_any(const struct jschema *schema);
/* Appends args with every value of a secret property replaced, also inside nested objects and arrays, and where one of several
 * choices (anyOf) is a secret. What cannot be read becomes {}: never anything that might be a secret. */
enum antiphon_status tool_secret_hide_args(const struct jschema *schema, const char *args, struct buf *out) MUST_CHECK;
/* Appends a result as it may be stored: members that are named as a secret property (or list of secrets) is are replaced, at
 * any depth, given or not, and so is every text or name that holds a text of a secret of at least TOOL_SECRET_MIN_BYTES. A
 * result that is no object, arguments that cannot be read and more than 64 secrets: nothing of the result is shown. */
#define TOOL_SECRET_MIN_BYTES 4
enum antiphon_status tool_secret_hide_result(const struct jschema *schema, const char *args, const char *result,
                                             struct buf *out) MUST_CHECK;
#endif
