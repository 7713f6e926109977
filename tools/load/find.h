/* find - just enough JSON to look into messages of known make without building anything. Pure. */
#ifndef LOAD_FIND_H
#define LOAD_FIND_H
#include <stdbool.h>
#include <stddef.h>
#include "conn.h"

/* The text between the quotes of the value of the first member named key ("data", without quotes)
 * whose name begins within the first `within` bytes; escapes are left as they are. */
bool find_string(const char *data, size_t len, size_t within, const char *key, struct span *value);
/* Whether there is a member "key": true. */
bool find_true(const char *data, size_t len, const char *key);
bool find_text(const char *data, size_t len, const char *text);
#endif
