#include "config/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/banned.h"

#define REPORT_MAX_BYTES   (1024u * 1024)
#define REPORT_MAX_MESSAGE 1024 /* bytes with NUL; longer ones are cut */

void report_init(struct report *report)
{
    *report = (struct report){0};
    buf_init(&report->text, REPORT_MAX_BYTES);
}

void report_deinit(struct report *report)
{
    buf_deinit(&report->text);
    report->faults = report->warnings = 0;
}

static void add(struct report *report, const char *file, int line, int column, const char *path,
                const char *kind, const char *message)
{
    struct buf *out = &report->text;
    size_t start = out->len;

    if (file)
        buf_puts(out, file);
    if (file && line > 0)
        buf_printf(out, ":%d:%d", line, column > 0 ? column : 1);
    if (file)
        buf_puts(out, ": ");
    buf_puts(out, kind);
    if (path && path[0])
        buf_printf(out, "%s: ", path);
    buf_puts(out, message);
    buf_puts(out, "\n");
    /* A line that did not fit is dropped whole; it is still counted. */
    if (buf_status(out) != ANTIPHON_OK && out->data) {
        out->len = start;
        out->data[start] = '\0';
    }
}

void report_fault(struct report *report, const char *file, int line, int column, const char *path,
                  const char *fmt, ...)
{
    char message[REPORT_MAX_MESSAGE];
    va_list args;

    report->faults++;
    if (report->faults > REPORT_MAX_FAULTS)
        return;
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    add(report, file, line, column, path, "", message);
}

void report_warn(struct report *report, const char *file, int line, int column, const char *path,
                 const char *fmt, ...)
{
    char message[REPORT_MAX_MESSAGE];
    va_list args;

    report->warnings++;
    if (report->warnings > REPORT_MAX_FAULTS)
        return;
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    add(report, file, line, column, path, "warning: ", message);
}
