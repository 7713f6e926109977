/* user_id - the user id of the path /ws/{user_id}: a decimal integer as Python's int() reads it in the original sample, but
 * for blanks and underscores: optional sign, leading zeros. Pure. */
#ifndef AUTH_USER_ID_H
#define AUTH_USER_ID_H
#include "base/status.h"

#define USER_ID_MAX_DIGITS 100

/* Writes the normal form ("007" is "7", "+7" is "7", "-0" is "0"), NUL-terminated. EINVAL: not an integer. */
enum antiphon_status user_id_parse(const char *text, size_t len, char out[USER_ID_MAX_DIGITS + 2]) MUST_CHECK;
#endif
