/* pattern - one regular expression of a rule, on PCRE2: UTF-8 whatever the process's locale is, and
 * with an end. Backtracking can take longer than anybody waits, so the clock is looked at while a
 * text is searched. A pattern may be used by several threads at once. */
#ifndef GUARD_PATTERN_H
#define GUARD_PATTERN_H
#include <stddef.h>

#include "antiphon/plugin.h"

#define PATTERN_MAX_BYTES      1000
#define PATTERN_MAX_TEXT_BYTES 65536  /* that are searched at once; more: ETOOBIG */
#define PATTERN_MAX_MADE_BYTES 262144 /* of what a replacement makes of it; more: ETOOBIG */

struct pattern;

/* Until when a search may take, on the host's clock. */
struct pattern_time {
    const struct antiphon_host *h; /* borrowed */
    uint64_t deadline_ms;
};

/* replacement may be NULL. In it, $1 to $99 stand for what the groups found, $0 for all, $$ for a
 * dollar sign. EINVAL: why says what is wrong. */
enum antiphon_status pattern_new(const char *text, bool ignore_case, const char *replacement,
                                 struct pattern **pattern, char *why, size_t why_size);
void pattern_free(struct pattern *pattern);

/* OK: it is in the text; ENOTFOUND; ETIMEOUT; ETOOBIG; ENOMEM. */
enum antiphon_status pattern_search(const struct pattern *pattern, const struct pattern_time *time,
                                    const char *text, size_t len);
/* The same, and *made is the text with every match replaced: malloc'd, NUL-terminated. */
enum antiphon_status pattern_replace(const struct pattern *pattern, const struct pattern_time *time,
                                     const char *text, size_t len, char **made, size_t *made_len);
#endif
