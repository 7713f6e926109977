#include "base/json.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "base/banned.h"

#define DEFAULT_BYTES   ((size_t)1 << 20)
#define MAX_NUMBER      63  /* characters; cJSON copies a number into a buffer of 64 bytes */
#define MAX_PRINT_DEPTH 256 /* trees that we built; those from outside are flatter */

/* The checker: RFC 8259 to the letter, so that cJSON is only ever asked to build what is known to
 * be legal. Left alone it takes 01, control characters, \uZZZZ as NUL and trailing garbage. */
struct scan {
    const char *text;
    size_t len, at;
    struct json_limits limits;
    unsigned depth, tokens;
    uint64_t objects; /* bit n: the container at depth n + 1 is an object */
    struct err *err;
};

static enum antiphon_status bad(const struct scan *scan, const char *what)
{
    return err_set(scan->err, ANTIPHON_EINVAL, "invalid JSON at byte %zu: %s", scan->at, what);
}

static int peek(const struct scan *scan)
{
    return scan->at < scan->len ? (unsigned char)scan->text[scan->at] : -1;
}

static int peek_past_space(struct scan *scan)
{
    int c = peek(scan);

    while (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
        scan->at++;
        c = peek(scan);
    }
    return c;
}

static enum antiphon_status count_token(struct scan *scan)
{
    if (++scan->tokens > scan->limits.max_tokens)
        return err_set(scan->err, ANTIPHON_ETOOBIG, "JSON at byte %zu: more than %u tokens",
                       scan->at, scan->limits.max_tokens);
    return ANTIPHON_OK;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static enum antiphon_status scan_escape(struct scan *scan)
{
    const char *at = scan->text + scan->at;
    size_t left = scan->len - scan->at;

    if (left >= 2 && at[1] != '\0' && strchr("\"\\/bfnrt", at[1])) {
        scan->at += 2;
        return ANTIPHON_OK;
    }
    if (left < 6 || at[1] != 'u')
        return bad(scan, "unknown escape");
    for (int i = 2; i < 6; i++) {
        if (!is_hex(at[i]))
            return bad(scan, "\\u needs four hexadecimal digits");
    }
    if (memcmp(at + 2, "0000", 4) == 0)
        return bad(scan, "\\u0000 is not allowed");
    /* A surrogate must be one of a pair: high, then low. */
    bool surrogate = (at[2] | 0x20) == 'd' && at[3] >= '8';
    if (surrogate) {
        bool high = at[3] < 'A' || (at[3] | 0x20) < 'c';
        if (!high || left < 12 || at[6] != '\\' || at[7] != 'u' || (at[8] | 0x20) != 'd' ||
            !((at[9] | 0x20) >= 'c' && is_hex(at[9])) || !is_hex(at[10]) || !is_hex(at[11]))
            return bad(scan, "half of a surrogate pair");
        scan->at += 6;
    }
    scan->at += 6;
    return ANTIPHON_OK;
}

static enum antiphon_status scan_string(struct scan *scan)
{
    enum antiphon_status status = count_token(scan);

    scan->at++;
    while (!status) {
        scan->at += buf_json_plain(scan->text + scan->at, scan->len - scan->at);
        int c = peek(scan);
        if (c == '"') {
            scan->at++;
            break;
        }
        if (c >= 0x80)
            scan->at++; /* known to be UTF-8 */
        else if (c == '\\')
            status = scan_escape(scan);
        else if (c < 0)
            status = bad(scan, "a string does not end");
        else
            status = bad(scan, "control character in a string");
    }
    return status;
}

static bool scan_digits(struct scan *scan)
{
    size_t start = scan->at;

    while (is_digit(peek(scan)))
        scan->at++;
    return scan->at > start;
}

/* An exponent can lead out of the range of a double, which JSON cannot write back. */
static bool is_finite(const char *text, size_t len)
{
    char copy[MAX_NUMBER + 1];

    memcpy(copy, text, len);
    copy[len] = '\0';
    return isfinite(strtod(copy, NULL));
}

static enum antiphon_status scan_number(struct scan *scan)
{
    size_t start = scan->at;
    bool good, exponent = false;

    if (peek(scan) == '-')
        scan->at++;
    if (peek(scan) == '0') {
        scan->at++;
        good = !is_digit(peek(scan));
    } else {
        good = scan_digits(scan);
    }
    if (good && peek(scan) == '.') {
        scan->at++;
        good = scan_digits(scan);
    }
    if (good && (peek(scan) == 'e' || peek(scan) == 'E')) {
        exponent = true;
        scan->at++;
        if (peek(scan) == '+' || peek(scan) == '-')
            scan->at++;
        good = scan_digits(scan);
    }
    size_t n = scan->at - start;
    if (!good)
        return bad(scan, "malformed number");
    if (n > MAX_NUMBER || (exponent && !is_finite(scan->text + start, n)))
        return bad(scan, "number out of range");
    return count_token(scan);
}

static enum antiphon_status scan_word(struct scan *scan)
{
    static const char *const words[] = {"true", "false", "null"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t n = strlen(words[i]);
        if (scan->len - scan->at >= n && memcmp(scan->text + scan->at, words[i], n) == 0) {
            scan->at += n;
            return count_token(scan);
        }
    }
    return bad(scan, "a value is missing");
}

static enum antiphon_status scan_open(struct scan *scan, bool object)
{
    enum antiphon_status status = count_token(scan);

    if (status)
        return status;
    if (scan->depth == scan->limits.max_depth)
        return err_set(scan->err, ANTIPHON_ETOOBIG, "JSON at byte %zu: nested deeper than %u",
                       scan->at, scan->limits.max_depth);
    uint64_t bit = UINT64_C(1) << scan->depth++;
    scan->objects = object ? scan->objects | bit : scan->objects & ~bit;
    scan->at++;
    return ANTIPHON_OK;
}

static bool in_object(const struct scan *scan)
{
    return scan->depth > 0 && (scan->objects >> (scan->depth - 1) & 1);
}

/* A name and its colon. */
static enum antiphon_status scan_name(struct scan *scan)
{
    if (peek_past_space(scan) != '"')
        return bad(scan, "a name in quotes is missing");
    enum antiphon_status status = scan_string(scan);
    if (status)
        return status;
    if (peek_past_space(scan) != ':')
        return bad(scan, "a colon is missing");
    scan->at++;
    return ANTIPHON_OK;
}

/* What may follow a value: the ends of containers, then a comma unless all are closed. *more tells
 * that another value is due. */
static enum antiphon_status scan_after_value(struct scan *scan, bool *more)
{
    *more = false;
    while (scan->depth > 0) {
        int c = peek_past_space(scan), close = in_object(scan) ? '}' : ']';
        if (c == ',') {
            scan->at++;
            *more = true;
            return in_object(scan) ? scan_name(scan) : ANTIPHON_OK;
        }
        if (c != close)
            return bad(scan,
                       in_object(scan) ? "a comma or } is missing" : "a comma or ] is missing");
        scan->at++;
        scan->depth--;
    }
    return ANTIPHON_OK;
}

/* One value without its inside: *open tells that a first element is due next. */
static enum antiphon_status scan_value(struct scan *scan, bool *open)
{
    int c = peek_past_space(scan);
    enum antiphon_status status;

    *open = false;
    if (c == '"')
        return scan_string(scan);
    if (c == '-' || is_digit(c))
        return scan_number(scan);
    if (c != '{' && c != '[')
        return scan_word(scan);
    status = scan_open(scan, c == '{');
    if (status)
        return status;
    if (peek_past_space(scan) == (c == '{' ? '}' : ']')) /* scan_after_value() closes it */
        return ANTIPHON_OK;
    *open = true;
    return c == '{' ? scan_name(scan) : ANTIPHON_OK;
}

static enum antiphon_status scan_text(struct scan *scan)
{
    bool open, more = true;
    enum antiphon_status status = ANTIPHON_OK;

    while (more && !status) {
        status = scan_value(scan, &open);
        if (!status && !open)
            status = scan_after_value(scan, &more);
    }
    if (!status && peek_past_space(scan) >= 0)
        status = bad(scan, "more text behind the value");
    return status;
}

static struct json_limits with_defaults(const struct json_limits *limits)
{
    struct json_limits full = limits ? *limits : (struct json_limits){0};

    if (full.max_bytes == 0)
        full.max_bytes = DEFAULT_BYTES;
    if (full.max_depth == 0)
        full.max_depth = JSON_MAX_DEPTH;
    if (full.max_depth > JSON_DEPTH_CEILING)
        full.max_depth = JSON_DEPTH_CEILING;
    if (full.max_tokens == 0)
        full.max_tokens = JSON_MAX_TOKENS;
    return full;
}

enum antiphon_status json_parse(const char *text, size_t len, const struct json_limits *limits,
                                cJSON **tree, struct err *err)
{
    struct scan scan = {.text = text, .len = len, .limits = with_defaults(limits), .err = err};
    const char *end = NULL;

    if (len > scan.limits.max_bytes)
        return err_set(err, ANTIPHON_ETOOBIG, "JSON of %zu bytes: more than %zu", len,
                       scan.limits.max_bytes);
    scan.at = utf8_valid_len(text, len);
    if (scan.at < len)
        return bad(&scan, "not UTF-8");
    scan.at = 0;
    enum antiphon_status status = scan_text(&scan);
    if (status)
        return status;
    cJSON *made = cJSON_ParseWithLengthOpts(text, len, &end, 0);
    if (!made)
        return err_set(err, ANTIPHON_ENOMEM, "no memory for JSON of %zu bytes", len);
    *tree = made;
    return ANTIPHON_OK;
}

const cJSON *json_get(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

const cJSON *json_get2(const cJSON *object, const char *camel, const char *snake)
{
    const cJSON *item = json_get(object, camel);

    return item ? item : json_get(object, snake);
}

const char *json_get_string(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue((cJSON *)(uintptr_t)json_get(object, name));
}

bool json_get_bool(const cJSON *object, const char *name, bool fallback)
{
    const cJSON *item = json_get(object, name);

    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : fallback;
}

double json_get_number(const cJSON *object, const char *name, double fallback)
{
    const cJSON *item = json_get(object, name);

    return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

static void print_number(struct buf *out, double number)
{
    const double exact = 9007199254740992.0; /* 2^53 */
    char text[32];

    if (!isfinite(number)) {
        buf_puts(out, "null");
        return;
    }
    if (number >= -exact && number <= exact && number == trunc(number)) {
        buf_printf(out, "%" PRId64, (int64_t)number);
        return;
    }
    for (int digits = DBL_DIG; digits <= DBL_DECIMAL_DIG; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    buf_puts(out, text);
}

static void print_item(struct buf *out, const cJSON *item, unsigned depth);

static void print_children(struct buf *out, const cJSON *item, unsigned depth)
{
    bool object = cJSON_IsObject(item);

    if (depth >= MAX_PRINT_DEPTH && !out->failed)
        out->failed = ANTIPHON_ETOOBIG;
    buf_puts(out, object ? "{" : "[");
    for (const cJSON *child = item->child; child && !out->failed; child = child->next) {
        if (object) {
            const char *name = child->string ? child->string : "";
            buf_json_string(out, name, strlen(name));
            buf_puts(out, ":");
        }
        print_item(out, child, depth + 1);
        if (child->next)
            buf_puts(out, ",");
    }
    buf_puts(out, object ? "}" : "]");
}

static void print_item(struct buf *out, const cJSON *item, unsigned depth)
{
    const char *text = item->valuestring ? item->valuestring : "";

    switch (item->type & 0xFF) {
    case cJSON_False:
        buf_puts(out, "false");
        break;
    case cJSON_True:
        buf_puts(out, "true");
        break;
    case cJSON_Number:
        print_number(out, item->valuedouble);
        break;
    case cJSON_String:
        buf_json_string(out, text, strlen(text));
        break;
    case cJSON_Raw:
        buf_puts(out, text);
        break;
    case cJSON_Array:
    case cJSON_Object:
        print_children(out, item, depth);
        break;
    default:
        buf_puts(out, "null");
    }
}

enum antiphon_status json_print(const cJSON *tree, struct buf *out)
{
    size_t start = out->len;

    if (tree)
        print_item(out, tree, 0);
    else
        buf_puts(out, "null");
    if (out->failed)
        buf_truncate(out, start);
    return out->failed;
}

bool json_is_utf8(const char *text, size_t len)
{
    return utf8_valid(text, len);
}
