#include "moment.h"

#include <stdio.h>
#include <string.h>

static bool read_number(const char **at, int digits, int *number)
{
    *number = 0;
    for (int i = 0; i < digits; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        *number = *number * 10 + (**at - '0');
    }
    return true;
}

static bool skip(const char **at, char c)
{
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

static bool read_date(const char **at, struct moment_parts *parts)
{
    return read_number(at, 4, &parts->year) && skip(at, '-') && read_number(at, 2, &parts->month) &&
           skip(at, '-') && read_number(at, 2, &parts->day) &&
           g_date_valid_dmy((GDateDay)parts->day, (GDateMonth)parts->month, (GDateYear)parts->year);
}

static bool read_offset(const char **at, struct moment_parts *parts)
{
    int sign, hours, minutes = 0;

    if (skip(at, 'Z') || skip(at, 'z')) {
        parts->has_offset = true;
        return true;
    }
    if (**at != '+' && **at != '-')
        return true;
    sign = **at == '-' ? -1 : 1;
    (*at)++;
    if (!read_number(at, 2, &hours))
        return false;
    bool colon = skip(at, ':');
    if ((colon || **at) && !read_number(at, 2, &minutes))
        return false;
    parts->has_offset = true;
    parts->offset_s = sign * (hours * 3600 + minutes * 60);
    return hours <= 18 && minutes < 60;
}

static bool read_time(const char **at, struct moment_parts *parts)
{
    if (!read_number(at, 2, &parts->hour) || !skip(at, ':') || !read_number(at, 2, &parts->minute))
        return false;
    if (skip(at, ':')) {
        if (!read_number(at, 2, &parts->second))
            return false;
        if (skip(at, '.')) /* parts of a second are of no interest */
            *at += strspn(*at, "0123456789");
    }
    parts->has_time = true;
    return parts->hour < 24 && parts->minute < 60 && parts->second < 60 && read_offset(at, parts);
}

bool moment_read(const char *text, struct moment_parts *parts)
{
    const char *at = text;

    *parts = (struct moment_parts){0};
    if (strlen(text) > MOMENT_MAX_BYTES)
        return false;
    if (strcmp(text, "now") == 0) {
        parts->is_now = true;
        return true;
    }
    if (strlen(text) >= 5 && text[2] == ':')
        return read_time(&at, parts) && !*at;
    if (!read_date(&at, parts))
        return false;
    parts->has_date = true;
    if (!*at)
        return true;
    return (skip(&at, 'T') || skip(&at, 't') || skip(&at, ' ')) && read_time(&at, parts) && !*at;
}

GDateTime *moment_from_ms(int64_t ms, GTimeZone *zone)
{
    GDateTime *utc = g_date_time_new_from_unix_utc(ms / 1000);
    GDateTime *time = utc ? g_date_time_to_timezone(utc, zone) : NULL;

    if (utc)
        g_date_time_unref(utc);
    return time;
}

int64_t moment_to_ms(GDateTime *time)
{
    return g_date_time_to_unix(time) * 1000;
}

GDateTime *moment_resolve(const struct moment_parts *parts, GTimeZone *zone, int64_t now_ms)
{
    GTimeZone *own = parts->has_offset ? g_time_zone_new_offset(parts->offset_s) : NULL;
    GDateTime *now, *time = NULL, *moved;

    now = moment_from_ms(now_ms, own ? own : zone);
    if (parts->is_now || !now) {
        if (own)
            g_time_zone_unref(own);
        return now;
    }
    time =
        g_date_time_new(own ? own : zone, parts->has_date ? parts->year : g_date_time_get_year(now),
                        parts->has_date ? parts->month : g_date_time_get_month(now),
                        parts->has_date ? parts->day : g_date_time_get_day_of_month(now),
                        parts->hour, parts->minute, parts->second);
    if (own && time) {
        moved = g_date_time_to_timezone(time, zone);
        g_date_time_unref(time);
        time = moved;
    }
    g_date_time_unref(now);
    if (own)
        g_time_zone_unref(own);
    return time;
}

static void add(cJSON *object, const char *name, GDateTime *time, const char *format)
{
    char *text = g_date_time_format(time, format);

    if (text)
        cJSON_AddStringToObject(object, name, text);
    g_free(text);
}

void moment_describe(cJSON *object, GDateTime *time, const char *zone)
{
    /* Not %A, which is in the language of the process. */
    static const char *const days[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                       "Friday", "Saturday", "Sunday"};

    add(object, "date", time, "%Y-%m-%d");
    add(object, "time", time, "%H:%M:%S");
    cJSON_AddStringToObject(object, "weekday", days[g_date_time_get_day_of_week(time) - 1]);
    cJSON_AddStringToObject(object, "time_zone", zone);
    add(object, "utc_offset", time, "%:z");
}

/* Midnight of the date in UTC, where every day has 24 hours. */
static GDateTime *date_of(GDateTime *time)
{
    return g_date_time_new_utc(g_date_time_get_year(time), g_date_time_get_month(time),
                               g_date_time_get_day_of_month(time), 0, 0, 0);
}

void moment_between(GDateTime *from, GDateTime *to, struct moment_span *span)
{
    GDateTime *start, *end, *after;
    int months;

    *span = (struct moment_span){.seconds = g_date_time_difference(to, from) / G_TIME_SPAN_SECOND};
    start = date_of(from);
    end = date_of(to);
    span->negative = span->seconds < 0;
    if (g_date_time_compare(start, end) > 0) {
        GDateTime *swap = start;
        start = end;
        end = swap;
    }
    if (span->negative)
        span->seconds = -span->seconds;
    span->total_days = g_date_time_difference(end, start) / G_TIME_SPAN_DAY;
    months = 12 * (g_date_time_get_year(end) - g_date_time_get_year(start)) +
             g_date_time_get_month(end) - g_date_time_get_month(start);
    after = g_date_time_add_months(start, months);
    if (after && g_date_time_compare(after, end) > 0) {
        g_date_time_unref(after);
        after = g_date_time_add_months(start, --months);
    }
    span->years = months / 12;
    span->months = months % 12;
    if (after) {
        span->days = (int)(g_date_time_difference(end, after) / G_TIME_SPAN_DAY);
        g_date_time_unref(after);
    }
    g_date_time_unref(start);
    g_date_time_unref(end);
}
