/* json - the single entry for JSON that comes from outside: size, nesting, token and UTF-8 checks
 * before cJSON builds a tree (nesting costs stack and tokens cost 64 bytes each), then typed
 * getters. Trees are cJSON's; free with cJSON_Delete(). Lookup is case-sensitive. Pure. */
#ifndef BASE_JSON_H
#define BASE_JSON_H
#include <cjson/cJSON.h>
#include "base/buf.h"
#include "base/err.h"

#define JSON_MAX_DEPTH     32
#define JSON_MAX_TOKENS    4096 /* values and names */
#define JSON_DEPTH_CEILING 64   /* whatever the limits say */

struct json_limits {
    size_t max_bytes;    /* 0: 1 MiB */
    unsigned max_depth;  /* 0: JSON_MAX_DEPTH */
    unsigned max_tokens; /* 0: JSON_MAX_TOKENS */
};

/* text need not be NUL-terminated. Refuses (EINVAL or ETOOBIG, err says where: byte offset) what is
 * too large, too deep, has too many tokens, is not UTF-8, holds \u0000, or has anything but white
 * space behind the value. */
enum antiphon_status json_parse(const char *text, size_t len, const struct json_limits *limits,
                                cJSON **tree, struct err *err) MUST_CHECK;
/* The member by either spelling: camel ("mimeType") or snake ("mime_type"); NULL names are skipped.
 */
const cJSON *json_get2(const cJSON *object, const char *camel, const char *snake);
const cJSON *json_get(const cJSON *object, const char *name);
/* NULL / fallback if absent or of another type. */
const char *json_get_string(const cJSON *object, const char *name);
bool json_get_bool(const cJSON *object, const char *name, bool fallback);
double json_get_number(const cJSON *object, const char *name, double fallback);
/* Compact text of the tree appended to out. Numbers of up to 15 digits are exact. */
enum antiphon_status json_print(const cJSON *tree, struct buf *out) MUST_CHECK;
bool json_is_utf8(const char *text, size_t len);
#endif
