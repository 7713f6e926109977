#include "reader.h"

#include <stdlib.h>
#include <string.h>

static bool space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && space(*p))
        p++;
    return p;
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex(char c)
{
    if (digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Bytes of the character at p, escaped or not; 0: it is not allowed in a string. */
static size_t check_char(const char *p, const char *end)
{
    unsigned char c = (unsigned char)*p;
    if (c >= 0x80)
        return text_utf8((const unsigned char *)p, (size_t)(end - p));
    if (c != '\\')
        return c >= 0x20;
    if (end - p < 2 || !strchr("\"\\/bfnrtu", p[1]) || !p[1])
        return 0;
    if (p[1] != 'u')
        return 2;
    if (end - p < 6 || hex(p[2]) < 0 || hex(p[3]) < 0 || hex(p[4]) < 0 || hex(p[5]) < 0)
        return 0;
    return 6;
}

/* p is behind the opening quote. Returns what follows the closing one, or NULL with *fault set. */
static const char *check_string(const char *p, const char *end, const char **fault)
{
    while (p < end) {
        if (*p == '"')
            return p + 1;
        size_t n = check_char(p, end);
        if (n == 0)
            break;
        p += n;
    }
    *fault = p;
    return NULL;
}

static const char *check_digits(const char *p, const char *end)
{
    if (p == end || !digit(*p))
        return NULL;
    while (p < end && digit(*p))
        p++;
    return p;
}

static const char *check_number(const char *p, const char *end)
{
    if (*p == '-')
        p++;
    if (p < end && *p == '0')
        p++;
    else
        p = check_digits(p, end);
    if (p && p < end && *p == '.')
        p = check_digits(p + 1, end);
    if (p && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        p = check_digits(p, end);
    }
    return p;
}

static const char *check_word(const char *p, const char *end)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(end - p) >= n && memcmp(p, words[i], n) == 0)
            return p + n;
    }
    return NULL;
}

static const char *check_scalar(const char *p, const char *end, const char **fault)
{
    *fault = p;
    if (*p == '"')
        return check_string(p + 1, end, fault);
    return digit(*p) || *p == '-' ? check_number(p, end) : check_word(p, end);
}

/* The name and colon of a member; p is at its quote. */
static const char *check_name(const char *p, const char *end, const char **fault)
{
    *fault = p;
    if (p == end || *p != '"')
        return NULL;
    p = check_string(p + 1, end, fault);
    if (!p)
        return NULL;
    p = skip_space(p, end);
    *fault = p;
    return p < end && *p == ':' ? skip_space(p + 1, end) : NULL;
}

struct check {
    char open[READER_MAX_DEPTH]; /* '{' or '[' of each level */
    unsigned depth;
};

/* Behind a value: closes what ends here. Returns the place of the next value or name, NULL on a
 * fault. */
static const char *check_behind(struct check *c, const char *p, const char *end, const char **fault)
{
    for (;;) {
        p = skip_space(p, end);
        *fault = p;
        if (c->depth == 0)
            return p;
        if (p == end)
            return NULL;
        char open = c->open[c->depth - 1];
        if (*p == ',') {
            p = skip_space(p + 1, end);
            return open == '{' ? check_name(p, end, fault) : p;
        }
        if (*p != (open == '{' ? '}' : ']'))
            return NULL;
        c->depth--;
        p++;
    }
}

/* p is at a '{' or '['. Returns where the next value or the end is, like the functions above. */
static const char *check_open(struct check *c, const char *p, const char *end, const char **fault)
{
    char open = *p, close = open == '{' ? '}' : ']';
    if (c->depth == READER_MAX_DEPTH)
        return NULL;
    c->open[c->depth++] = open;
    p = skip_space(p + 1, end);
    if (p < end && *p == close) {
        c->depth--;
        return check_behind(c, p + 1, end, fault);
    }
    return open == '{' ? check_name(p, end, fault) : p;
}

static const char *check_value(struct check *c, const char *p, const char *end, const char **fault)
{
    if (p == end)
        return NULL;
    if (*p == '{' || *p == '[')
        return check_open(c, p, end, fault);
    p = check_scalar(p, end, fault);
    return p ? check_behind(c, p, end, fault) : NULL;
}

bool reader_check(const char *text, size_t len, struct value *value, size_t *where)
{
    struct check c = {.depth = 0};
    const char *end = text + len, *fault = text, *p = skip_space(text, end);
    const char *start = p;
    bool first = true;
    while (p && (first || c.depth > 0)) {
        first = false;
        fault = p;
        p = check_value(&c, p, end, &fault);
    }
    if (p && p != end)
        fault = p;
    if (!p || p != end) {
        *where = (size_t)(fault - text);
        return false;
    }
    while (end > start && space(end[-1]))
        end--;
    *value = (struct value){start, (size_t)(end - start)};
    return true;
}

/* p is at the opening quote of a checked string. */
static const char *skip_string(const char *p, const char *end)
{
    p++;
    for (;;) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        if (!quote)
            return end;
        const char *back = quote;
        while (back > p && back[-1] == '\\')
            back--;
        if ((quote - back) % 2 == 0)
            return quote + 1;
        p = quote + 1;
    }
}

static const char *skip_value(const char *p, const char *end)
{
    size_t depth = 0;
    while (p < end) {
        if (*p == '"') {
            p = skip_string(p, end);
        } else if (*p == '{' || *p == '[') {
            depth++;
            p++;
            continue;
        } else if (*p == '}' || *p == ']') {
            depth--;
            p++;
        } else if (depth > 0 && (space(*p) || *p == ',' || *p == ':')) {
            p++;
            continue;
        } else {
            while (p < end && !space(*p) && !strchr(",:]}", *p))
                p++;
        }
        if (depth == 0)
            return p;
    }
    return end;
}

bool reader_is_null(struct value v)
{
    return !v.p || (v.n == 4 && v.p[0] == 'n');
}

bool reader_is_true(struct value v)
{
    return v.p && v.n == 4 && v.p[0] == 't';
}

struct reader reader_open(struct value v)
{
    if (!reader_is(v, '{') && !reader_is(v, '['))
        return (struct reader){NULL, NULL};
    const char *end = v.p + v.n - 1; /* without the closing bracket */
    return (struct reader){skip_space(v.p + 1, end), end};
}

static struct value take_value(struct reader *r)
{
    const char *start = r->p;
    const char *behind = skip_value(start, r->end);
    r->p = skip_space(behind, r->end);
    if (r->p < r->end && *r->p == ',')
        r->p = skip_space(r->p + 1, r->end);
    return (struct value){start, (size_t)(behind - start)};
}

bool reader_element(struct reader *r, struct value *value)
{
    if (r->p == r->end)
        return false;
    *value = take_value(r);
    return true;
}

bool reader_member(struct reader *r, struct value *key, struct value *value)
{
    if (r->p == r->end || *r->p != '"')
        return false;
    const char *behind = skip_string(r->p, r->end);
    *key = (struct value){r->p + 1, (size_t)(behind - r->p) - 2};
    r->p = skip_space(behind, r->end);
    r->p = skip_space(r->p + 1, r->end); /* the colon */
    *value = take_value(r);
    return true;
}

static unsigned hex4(const char *p)
{
    return (unsigned)hex(p[0]) << 12 | (unsigned)hex(p[1]) << 8 | (unsigned)hex(p[2]) << 4 | (unsigned)hex(p[3]);
}

/* Resolves the escape at p into at most 4 bytes of UTF-8; returns the bytes it took. */
static size_t resolve(const char *p, const char *end, char out[4], size_t *n)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *simple = p[1] ? strchr(from, p[1]) : NULL;
    *n = 1;
    if (p[1] != 'u') {
        out[0] = simple ? to[simple - from] : p[1];
        return 2;
    }
    unsigned code = hex4(p + 2);
    size_t took = 6;
    if (code >= 0xd800 && code < 0xdc00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u') {
        unsigned low = hex4(p + 8);
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            took = 12;
        }
    }
    if (code == 0 || (code >= 0xd800 && code < 0xe000))
        code = 0xfffd;
    if (code < 0x80) {
        out[0] = (char)code;
    } else if (code < 0x800) {
        *n = 2;
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *n = 3;
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 63));
        out[2] = (char)(0x80 | (code & 63));
    } else {
        *n = 4;
        out[0] = (char)(0xf0 | code >> 18);
        out[1] = (char)(0x80 | (code >> 12 & 63));
        out[2] = (char)(0x80 | (code >> 6 & 63));
        out[3] = (char)(0x80 | (code & 63));
    }
    return took;
}

bool reader_equals(struct value raw, const char *word)
{
    if (!raw.p)
        return false;
    const char *p = raw.p, *end = raw.p + raw.n;
    while (p < end) {
        char piece[4];
        size_t n = 1, took = 1;
        if (*p == '\\')
            took = resolve(p, end, piece, &n);
        else
            piece[0] = *p;
        if (strncmp(word, piece, n) != 0)
            return false;
        word += n;
        p += took;
    }
    return *word == '\0';
}

struct value reader_get(struct value object, const char *camel, const char *snake)
{
    struct value key, value;
    if (reader_is(object, '{')) {
        struct reader r = reader_open(object);
        while (reader_member(&r, &key, &value))
            if (reader_equals(key, camel) || (snake && reader_equals(key, snake)))
                return value;
    }
    return (struct value){NULL, 0};
}

bool reader_string(struct value v, struct text *out)
{
    if (!reader_is(v, '"'))
        return false;
    const char *p = v.p + 1, *end = v.p + v.n - 1;
    while (p < end) {
        const char *back = memchr(p, '\\', (size_t)(end - p));
        const char *stop = back ? back : end;
        text_add(out, p, (size_t)(stop - p));
        p = stop;
        if (p < end) {
            char piece[4];
            size_t n;
            p += resolve(p, end, piece, &n);
            text_add(out, piece, n);
        }
    }
    text_add(out, "", 0); /* so that even an empty string has its NUL */
    return true;
}

bool reader_int(struct value v, int64_t *number)
{
    if (reader_is(v, '"')) {
        v.p++;
        v.n -= 2;
    }
    if (!v.p || v.n == 0 || v.n > 19 || !(digit(v.p[0]) || v.p[0] == '-'))
        return false;
    char copy[20];
    memcpy(copy, v.p, v.n);
    copy[v.n] = '\0';
    char *end;
    long long n = strtoll(copy, &end, 10);
    if (end == copy || (*end && *end != '.' && *end != 'e' && *end != 'E'))
        return false;
    *number = n;
    return true;
}

int64_t reader_duration_ms(struct value v)
{
    if (!reader_is(v, '"') || v.n < 4 || v.n > 24 || v.p[v.n - 2] != 's')
        return 0;
    int64_t ms = 0, unit = 0;
    for (const char *p = v.p + 1; p < v.p + v.n - 2; p++) {
        if (*p == '.' && unit == 0)
            unit = 100;
        else if (!digit(*p) || ms > INT32_MAX * (int64_t)1000)
            return 0;
        else if (unit == 0 && !memchr(v.p, '.', (size_t)(p - v.p)))
            ms = ms * 10 + (*p - '0') * 1000;
        else {
            ms += (*p - '0') * unit;
            unit /= 10;
        }
    }
    return ms;
}
