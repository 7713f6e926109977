/* report - collects every fault of a set of files, so that a person sees all of them at once. [main] */
#ifndef CONFIG_REPORT_H
#define CONFIG_REPORT_H
#include "base/buf.h"

#define REPORT_MAX_FAULTS 200 /* more are counted only */

struct report {
    struct buf text;  /* one line a fault: "file:line:column: path: message" */
    unsigned faults, warnings;
};
void report_init(struct report *report);
void report_deinit(struct report *report);
/* file NULL: no place; line 0: no line. path may be "". Never hand it a secret. */
void report_fault(struct report *report, const char *file, int line, int column, const char *path,
                  const char *fmt, ...) PRINTF_LIKE(6, 7);
void report_warn(struct report *report, const char *file, int line, int column, const char *path,
                 const char *fmt, ...) PRINTF_LIKE(6, 7);
#endif
