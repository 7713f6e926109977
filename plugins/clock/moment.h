/* moment - times as people and models write them: "2026-03-01", "2026-03-01T18:30", "18:30:05",
 * with "Z" or "+09:00" behind a time, and "now". Reading is pure; the rest computes with GLib's
 * GDateTime. Years 1 to 9999. Any thread. */
#ifndef CLOCK_MOMENT_H
#define CLOCK_MOMENT_H
#include <glib.h>
#include <stdbool.h>

#include <cjson/cJSON.h>

#include "antiphon/plugin.h"

struct moment_parts {
    bool is_now, has_date, has_time, has_offset;
    int year, month, day, hour, minute, second;
    int offset_s; /* east of Greenwich */
};

#define MOMENT_MAX_BYTES 40
#define MOMENT_FORMS     "2026-03-01, 2026-03-01T18:30, 18:30 or now"

/* Whether text is one of the forms, with a day that the calendar has. */
bool moment_read(const char *text, struct moment_parts *parts);

/* The moment meant in that time zone (borrowed): a time alone is that time today, a date alone its
 * midnight. A time that the clocks skip is when they have skipped it. NULL: out of range.
 * Caller: g_date_time_unref(). */
GDateTime *moment_resolve(const struct moment_parts *parts, GTimeZone *zone, int64_t now_ms);
GDateTime *moment_from_ms(int64_t ms, GTimeZone *zone);
int64_t moment_to_ms(GDateTime *time);

/* Adds what a model wants to say: date, time, weekday, time_zone, utc_offset, iso. */
void moment_describe(cJSON *object, GDateTime *time, const char *zone);

struct moment_span {
    bool negative;           /* to is before from; all numbers are as the other way round */
    int years, months, days; /* by the calendar, on dates alone */
    int64_t total_days;
    int64_t seconds; /* exact */
};
void moment_between(GDateTime *from, GDateTime *to, struct moment_span *span);
#endif
