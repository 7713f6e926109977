#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "base/banned.h"

static void take_text(struct err *err, const char *text, size_t len)
{
    if (len >= sizeof(err->text))
        len = utf8_cut(text, sizeof(err->text) - 1);
    memcpy(err->text, text, len);
    err->text[len] = '\0';
}

enum antiphon_status err_set(struct err *err, enum antiphon_status status, const char *fmt, ...)
{
    /* Formatted aside, because an argument may be the text that is there. */
    char text[ERR_MAX_TEXT + 1];
    va_list args;

    if (!err)
        return status;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (n < 0)
        text[0] = '\0';
    err->status = status;
    take_text(err, text, strlen(text));
    return status;
}

void err_prefix(struct err *err, const char *fmt, ...)
{
    char text[2 * ERR_MAX_TEXT + 2];
    va_list args;

    if (!err)
        return;
    va_start(args, fmt);
    int n = vsnprintf(text, ERR_MAX_TEXT, fmt, args);
    va_end(args);
    if (n < 0)
        return;
    size_t len = utf8_cut(text, strlen(text));
    n = snprintf(text + len, sizeof(text) - len, ": %s", err->text);
    take_text(err, text, n < 0 ? len : len + (size_t)n);
}
