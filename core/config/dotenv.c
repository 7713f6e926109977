#include "config/dotenv.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "config/file.h"
#include "base/banned.h"

struct scan {
    const char *at, *end;
    int line;
    struct buf name, value; /* at most DOTENV_MAX_BYTES */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f' || c == '\v';
}

static bool is_break(char c)
{
    return c == '\n' || c == '\r';
}

static void skip_blanks(struct scan *scan)
{
    while (scan->at < scan->end && is_blank(*scan->at))
        scan->at++;
}

static void skip_line(struct scan *scan)
{
    while (scan->at < scan->end && !is_break(*scan->at))
        scan->at++;
}

static void take_break(struct scan *scan)
{
    if (*scan->at == '\r')
        scan->at++;
    if (scan->at < scan->end && *scan->at == '\n')
        scan->at++;
    scan->line++;
}

static void skip_empty_lines(struct scan *scan)
{
    for (;;) {
        skip_blanks(scan);
        if (scan->at < scan->end && *scan->at == '#')
            skip_line(scan);
        if (scan->at == scan->end || !is_break(*scan->at))
            return;
        take_break(scan);
    }
}

static char unescape(char c)
{
    switch (c) {
    case 'a':
        return '\a';
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'v':
        return '\v';
    default:
        return c;
    }
}

/* The text up to the closing quote, escapes done; at is behind the opening one. */
static enum antiphon_status take_quoted(struct scan *scan, char quote, struct buf *out,
                                        struct err *err)
{
    const char *known = quote == '"' ? "\\'\"abfnrtv" : "\\'";

    for (; scan->at < scan->end && *scan->at != quote; scan->at++) {
        char c = *scan->at;
        if (c == '\\' && scan->at + 1 < scan->end && scan->at[1] && strchr(known, scan->at[1]))
            c = quote == '"' ? unescape(*++scan->at) : *++scan->at;
        else if (c == '\n' || (c == '\r' && (scan->at + 1 == scan->end || scan->at[1] != '\n')))
            scan->line++;
        buf_append(out, &c, 1);
    }
    if (scan->at == scan->end)
        return err_set(err, ANTIPHON_EINVAL, "a value that starts with %c has no closing %c", quote,
                       quote);
    scan->at++;
    return ANTIPHON_OK;
}

static void take_plain(struct scan *scan)
{
    const char *start = scan->at, *stop;

    skip_line(scan);
    for (stop = start; stop < scan->at; stop++) {
        if (*stop == '#' && stop > start && is_blank(stop[-1]))
            break;
    }
    while (stop > start && is_blank(stop[-1]))
        stop--;
    buf_append(&scan->value, start, (size_t)(stop - start));
}

static enum antiphon_status take_name(struct scan *scan, struct err *err)
{
    size_t left = (size_t)(scan->end - scan->at);

    if (left > 7 && memcmp(scan->at, "export", 6) == 0 && is_blank(scan->at[6])) {
        scan->at += 6;
        skip_blanks(scan);
    }
    if (scan->at < scan->end && *scan->at == '\'') {
        scan->at++;
        return take_quoted(scan, '\'', &scan->name, err);
    }
    const char *start = scan->at;
    while (scan->at < scan->end && *scan->at != '=' && *scan->at != '#' && !is_blank(*scan->at) &&
           !is_break(*scan->at))
        scan->at++;
    buf_append(&scan->name, start, (size_t)(scan->at - start));
    return ANTIPHON_OK;
}

/* *given: the line has a "=" */
static enum antiphon_status take_value(struct scan *scan, bool *given, struct err *err)
{
    enum antiphon_status status = ANTIPHON_OK;

    skip_blanks(scan);
    *given = scan->at < scan->end && *scan->at == '=';
    if (!*given)
        return ANTIPHON_OK;
    scan->at++;
    skip_blanks(scan);
    if (scan->at < scan->end && (*scan->at == '"' || *scan->at == '\'')) {
        char quote = *scan->at++;
        status = take_quoted(scan, quote, &scan->value, err);
    } else {
        take_plain(scan);
    }
    return status;
}

static enum antiphon_status take_statement(struct scan *scan, bool *given, struct err *err)
{
    enum antiphon_status status = take_name(scan, err);

    if (status == ANTIPHON_OK)
        status = take_value(scan, given, err);
    if (status != ANTIPHON_OK)
        return status;
    skip_blanks(scan);
    if (scan->at < scan->end && *scan->at == '#')
        skip_line(scan);
    if (scan->at < scan->end && !is_break(*scan->at))
        return err_set(err, ANTIPHON_EINVAL, "expected NAME=value");
    if (buf_status(&scan->name) != ANTIPHON_OK || buf_status(&scan->value) != ANTIPHON_OK)
        return err_set(err, ANTIPHON_ENOMEM, "out of memory");
    if (scan->name.len == 0 || strchr(buf_text(&scan->name), '='))
        return err_set(err, ANTIPHON_EINVAL, "expected a name before \"=\"");
    return ANTIPHON_OK;
}

static enum antiphon_status parse(const char *text, size_t len,
                                  void (*set)(void *ctx, const char *name, const char *value),
                                  void *ctx, int *line, struct err *err)
{
    struct scan scan = {.at = text, .end = text + len, .line = 1};
    enum antiphon_status status = ANTIPHON_OK;
    const char *nul = memchr(text, '\0', len);

    *line = 0;
    if (len > DOTENV_MAX_BYTES)
        return err_set(err, ANTIPHON_ETOOBIG, "larger than %u bytes", DOTENV_MAX_BYTES);
    if (nul)
        return err_set(err, ANTIPHON_EINVAL, "a NUL character at byte %zu", (size_t)(nul - text));
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        scan.at += 3;
    buf_init(&scan.name, DOTENV_MAX_BYTES);
    buf_init(&scan.value, DOTENV_MAX_BYTES);
    for (skip_empty_lines(&scan); scan.at < scan.end; skip_empty_lines(&scan)) {
        bool given = false;
        *line = scan.line;
        buf_reset(&scan.name);
        buf_reset(&scan.value);
        status = take_statement(&scan, &given, err);
        if (status != ANTIPHON_OK)
            break;
        if (given)
            set(ctx, buf_text(&scan.name), buf_text(&scan.value));
    }
    buf_deinit(&scan.name);
    buf_deinit(&scan.value);
    return status;
}

enum antiphon_status dotenv_parse(const char *text, size_t len,
                                  void (*set)(void *ctx, const char *name, const char *value),
                                  void *ctx, struct err *err)
{
    int line = 0;
    enum antiphon_status status = parse(text, len, set, ctx, &line, err);

    if (status != ANTIPHON_OK && line)
        err_prefix(err, "line %d", line);
    return status;
}

/* ---- loading
 * ---------------------------------------------------------------------------------------- */

/* Names that this file has set: a later line of the same file wins over them, the environment
 * before us does not lose. */
struct load {
    char *names[DOTENV_MAX_NAMES]; /* owned */
    size_t n;
    struct buf value;
    bool failed; /* too many names, or no memory */
};

static bool is_ours(const struct load *load, const char *name)
{
    for (size_t i = 0; i < load->n; i++) {
        if (strcmp(load->names[i], name) == 0)
            return true;
    }
    return false;
}

/* ref points behind "${"; answers behind the closing brace, or NULL if this is no reference. */
static const char *expand_one(const char *ref, struct buf *out)
{
    const char *close = strchr(ref, '}');
    const char *fallback = strstr(ref, ":-");

    if (!close)
        return NULL;
    if (fallback && fallback > close)
        fallback = NULL;
    size_t len = (size_t)((fallback ? fallback : close) - ref);
    if (memchr(ref, ':', len))
        return NULL;
    char *name = strndup(ref, len);
    const char *value = name ? getenv(name) : NULL;
    free(name);
    if (value)
        buf_puts(out, value);
    else if (fallback)
        buf_append(out, fallback + 2, (size_t)(close - fallback - 2));
    return close + 1;
}

static void expand(const char *text, struct buf *out)
{
    buf_reset(out);
    while (*text) {
        const char *next = text[0] == '$' && text[1] == '{' ? expand_one(text + 2, out) : NULL;
        if (!next) {
            next = text + 1 + strcspn(text + 1, "$");
            buf_append(out, text, (size_t)(next - text));
        }
        text = next;
    }
}

static void set_name(void *ctx, const char *name, const char *value)
{
    struct load *load = ctx;
    bool ours = is_ours(load, name);

    if (load->failed || (getenv(name) && !ours))
        return;
    expand(value, &load->value);
    load->failed =
        buf_status(&load->value) != ANTIPHON_OK || setenv(name, buf_text(&load->value), 1) != 0;
    if (load->failed || ours)
        return;
    char *copy = load->n < DOTENV_MAX_NAMES ? strdup(name) : NULL;
    if (copy)
        load->names[load->n++] = copy;
    else
        load->failed = true;
}

enum antiphon_status dotenv_load_at(const char *path, bool *found, int *line, struct err *err)
{
    struct load load = {.n = 0};
    char *text = NULL;
    size_t len = 0;
    enum antiphon_status status = file_read(path, DOTENV_MAX_BYTES, &text, &len, err);

    *line = 0;
    *found = status != ANTIPHON_ENOTFOUND;
    if (status != ANTIPHON_OK)
        return *found ? status : ANTIPHON_OK;
    buf_init(&load.value, DOTENV_MAX_BYTES);
    status = parse(text, len, set_name, &load, line, err);
    if (status == ANTIPHON_OK && load.failed)
        status = err_set(err, ANTIPHON_ETOOBIG, "too many or too long values (at most %d names)",
                         DOTENV_MAX_NAMES);
    buf_deinit(&load.value);
    while (load.n)
        free(load.names[--load.n]);
    free(text);
    return status;
}

enum antiphon_status dotenv_load(const char *path, bool *found, struct err *err)
{
    int line = 0;
    enum antiphon_status status = dotenv_load_at(path, found, &line, err);

    if (status != ANTIPHON_OK && line)
        err_prefix(err, "line %d", line);
    return status;
}
