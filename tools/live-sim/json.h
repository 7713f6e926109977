/* json - writing cJSON trees the way the Live API does, and reading them by path. Pure. */
#ifndef LIVE_SIM_JSON_H
#define LIVE_SIM_JSON_H
#include "bytes.h"
#include <cjson/cJSON.h>

#define JSON_MAX_DEPTH 100 /* nesting of a message; deeper input is refused before it is parsed */

struct json_style {
    bool compact; /* no spaces, no final newline; otherwise two spaces and a final newline */
    bool ascii;   /* everything above U+007E as \uXXXX */
};

/* Appends value. Whole numbers below 2^53 are written without a fraction. */
void json_write(struct bytes *out, const cJSON *value, struct json_style style);
/* text as a JSON string with its quotes. */
void json_write_string(struct bytes *out, const char *text, bool ascii);
/* Parses exactly one value; NULL when text is not JSON, not UTF-8 or nested too deep. Caller
 * deletes. */
cJSON *json_parse(const char *text, size_t len);

/* "a.b.c" below object, NULL when a step is missing or not an object. Keys are case-sensitive. */
const cJSON *json_at(const cJSON *object, const char *path);
const char *json_text(const cJSON *object, const char *path); /* "" when absent or not a string */
bool json_true(const cJSON *object, const char *path);
/* A number, or a string that holds a whole number (int64 in proto JSON); fallback otherwise. */
double json_number(const cJSON *object, const char *path, double fallback);
#endif
