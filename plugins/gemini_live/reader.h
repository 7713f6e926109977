/* reader - JSON read in place, by spans. reader_check() looks at the whole text once (syntax,
 * UTF-8, nesting); everything else walks text that was checked. No tree is built, so values that
 * are only passed on (arguments, grounding) keep every digit of their numbers. Pure.
 *
 * Limits: READER_MAX_DEPTH; the size is the caller's. Of members that occur twice the first counts.
 */
#ifndef GEMINI_READER_H
#define GEMINI_READER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

#define READER_MAX_DEPTH 60

/* A JSON value in the text, without surrounding white space; p NULL: absent. */
struct value {
    const char *p;
    size_t n;
};

/* One value and nothing behind it but white space. False: *where is the byte offset of the fault.
 */
bool reader_check(const char *text, size_t len, struct value *value, size_t *where);

static inline bool reader_is(struct value v, char first)
{
    return v.p && v.p[0] == first;
}
bool reader_is_null(struct value v); /* absent counts as null */
bool reader_is_true(struct value v);

struct reader {
    const char *p, *end;
};
/* Members of an object, elements of an array; other values have none. */
struct reader reader_open(struct value v);
/* key: the name as written, without quotes. */
bool reader_member(struct reader *r, struct value *key, struct value *value);
bool reader_element(struct reader *r, struct value *value);

/* Whether a member name or string value (without quotes) is `word`, escapes resolved. */
bool reader_equals(struct value raw, const char *word);
/* The member by either spelling; snake may be NULL. */
struct value reader_get(struct value object, const char *camel, const char *snake);
/* A string value resolved to UTF-8 at the end of out; U+0000 and lone surrogates become U+FFFD.
 * False: not a string, nothing was appended. */
bool reader_string(struct value v, struct text *out);
/* A number or a string of digits (int64 of proto JSON); false if it is neither. */
bool reader_int(struct value v, int64_t *number);
/* "1.500s" in milliseconds; 0 if it is no duration. */
int64_t reader_duration_ms(struct value v);
#endif
