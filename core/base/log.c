#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"
#include "base/banned.h"

static const char *const level_names[] = {
    [ANTIPHON_DEBUG] = "debug",
    [ANTIPHON_INFO] = "info",
    [ANTIPHON_WARN] = "warn",
    [ANTIPHON_ERROR] = "error",
};
#define LEVELS (sizeof(level_names) / sizeof(level_names[0]))

static _Atomic(unsigned) threshold = ANTIPHON_INFO;

enum antiphon_status log_level_parse(const char *text, enum antiphon_log_level *level)
{
    for (size_t i = 0; i < LEVELS; i++) {
        if (text && strcmp(text, level_names[i]) == 0) {
            *level = (enum antiphon_log_level)i;
            return ANTIPHON_OK;
        }
    }
    return ANTIPHON_EINVAL;
}

void log_set_level(enum antiphon_log_level level)
{
    atomic_store_explicit(&threshold, (unsigned)level, memory_order_relaxed);
}

static log_sink_fn *sink; /* written before there are threads */
static void *sink_ctx;

void log_set_sink(log_sink_fn *fn, void *ctx)
{
    sink = fn;
    sink_ctx = ctx;
}

bool log_enabled(enum antiphon_log_level level)
{
    return (unsigned)level >= atomic_load_explicit(&threshold, memory_order_relaxed);
}

static size_t put_head(char *out, size_t size, enum antiphon_log_level level, const char *component)
{
    struct timespec now;
    struct tm tm;
    char day[32];
    const char *name = (unsigned)level < LEVELS ? level_names[level] : "error";

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    int n =
        snprintf(out, size, "%s.%03ldZ %-5s %.64s: ", day, now.tv_nsec / 1000000, name, component);
    return n < 0 ? 0 : (size_t)n;
}

/* One character of the message for the line: at most 4 bytes to out, bytes read from text to *used.
 * What could start a new line, move a terminal's cursor or is no UTF-8 is written as \n or \xNN. */
static size_t put_char(char out[5], const char *text, size_t len, size_t *used)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = utf8_next(text, len);
    unsigned char byte = (unsigned char)text[0];
    bool c1 = n == 2 && byte == 0xC2 && (unsigned char)text[1] < 0xA0;

    *used = 1;
    if (byte == '\n') {
        memcpy(out, "\\n", 2);
        return 2;
    }
    if (n == 0 || c1 || byte < 0x20 || byte == 0x7F) {
        out[0] = '\\';
        out[1] = 'x';
        out[2] = hex[byte >> 4];
        out[3] = hex[byte & 15];
        return 4;
    }
    memcpy(out, text, n);
    *used = n;
    return n;
}

/* Writes the escaped text to out, or as much as fits followed by "...". */
static size_t put_message(char *out, size_t size, const char *text, size_t len, bool cut)
{
    size_t at = 0, fits = 0, used;
    char piece[5];

    for (size_t from = 0; from < len; from += used) {
        size_t n = put_char(piece, text + from, len - from, &used);
        if (at + n > size) {
            cut = true;
            break;
        }
        memcpy(out + at, piece, n);
        at += n;
        if (at + 3 <= size)
            fits = at;
    }
    if (!cut)
        return at;
    memcpy(out + fits, "...", 3);
    return fits + 3;
}

void log_line(enum antiphon_log_level level, const char *component, const char *fmt, ...)
{
    char text[LOG_MAX_LINE], line[LOG_MAX_LINE];
    int saved = errno; /* logging must not disturb the error that is being handled */
    va_list args;

    if (!log_enabled(level))
        return;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    bool cut = n >= (int)sizeof(text);
    size_t len = n < 0 ? 0 : cut ? utf8_cut(text, sizeof(text) - 1) : (size_t)n;
    if (sink) {
        if (!cut)
            text[len] = '\0';
        else
            memcpy(text + (len < sizeof(text) - 4 ? len : sizeof(text) - 4), "...", 4);
        sink(sink_ctx, level, text);
        errno = saved;
        return;
    }
    size_t at = put_head(line, sizeof(line), level, component);
    at += put_message(line + at, sizeof(line) - at - 1, text, len, cut);
    line[at++] = '\n';
    while (write(STDERR_FILENO, line, at) < 0 && errno == EINTR)
        ;
    errno = saved;
}
