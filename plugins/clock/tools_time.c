#include <string.h>

#include "clock.h"
#include "moment.h"

#define STATE_BYTES 512

void clock_place_deinit(struct clock_place *place)
{
    if (place->zone)
        g_time_zone_unref(place->zone);
    place->zone = NULL;
}

/* What the user once said, if it is still a zone. */
static bool find_own(const struct clock *clock, const struct antiphon_call *call,
                     struct clock_place *place)
{
    char json[STATE_BYTES], why[REPLY_MAX_ERROR_BYTES];
    size_t len;
    bool found = false;

    if (clock->h->state_get(clock->h, call, CLOCK_ZONE_KEY, json, sizeof(json), &len) !=
        ANTIPHON_OK)
        return false;
    cJSON *value = cJSON_ParseWithLength(json, len);
    const char *name = cJSON_GetStringValue(value);
    if (name)
        found = zones_find(clock->zones, name, &place->zone, place->name, why, sizeof(why)) ==
                ANTIPHON_OK;
    cJSON_Delete(value);
    return found;
}

bool clock_place_find(const struct clock *clock, struct antiphon_call *call, const cJSON *args,
                      const char *member, struct clock_place *place)
{
    const char *name = reply_text(args, member);
    char why[REPLY_MAX_ERROR_BYTES];
    enum antiphon_status status;

    *place = (struct clock_place){0};
    if ((!name || !*name) && find_own(clock, call, place))
        return true;
    status = zones_find(clock->zones, name && *name ? name : clock->zone, &place->zone, place->name,
                        why, sizeof(why));
    if (status != ANTIPHON_OK)
        reply_error(clock->h, call, status, "%s", why);
    return status == ANTIPHON_OK;
}

GDateTime *clock_moment(const struct clock *clock, struct antiphon_call *call, const cJSON *args,
                        const char *member, const char *otherwise, const struct clock_place *place)
{
    const char *text = reply_text(args, member);
    struct moment_parts parts;
    GDateTime *time = NULL;

    if (!text || !*text)
        text = otherwise;
    if (moment_read(text, &parts))
        time = moment_resolve(&parts, place->zone, clock->h->wall_ms(clock->h));
    if (!time)
        reply_error(clock->h, call, ANTIPHON_EINVAL, "%s: '%.40s' is no time; write " MOMENT_FORMS,
                    member, text);
    return time;
}

static void answer(const struct clock *clock, struct antiphon_call *call, GDateTime *time,
                   const char *zone)
{
    cJSON *object = cJSON_CreateObject();

    moment_describe(object, time, zone);
    reply_json(clock->h, call, object);
}

enum antiphon_status clock_tell(void *state, struct antiphon_call *call)
{
    const struct clock *clock = state;
    cJSON *args = reply_args(clock->h, call);
    struct clock_place place = {0};

    if (args && clock_place_find(clock, call, args, "time_zone", &place)) {
        GDateTime *now = clock_moment(clock, call, NULL, "now", "now", &place);
        if (now) {
            answer(clock, call, now, place.name);
            g_date_time_unref(now);
        }
    }
    clock_place_deinit(&place);
    cJSON_Delete(args);
    return ANTIPHON_OK;
}

enum antiphon_status clock_convert(void *state, struct antiphon_call *call)
{
    const struct clock *clock = state;
    cJSON *args = reply_args(clock->h, call);
    struct clock_place from = {0}, to = {0};
    GDateTime *time = NULL, *there;

    if (args && clock_place_find(clock, call, args, "from", &from) &&
        clock_place_find(clock, call, args, "to", &to))
        time = clock_moment(clock, call, args, "time", "now", &from);
    if (time) {
        cJSON *object = cJSON_CreateObject();
        there = g_date_time_to_timezone(time, to.zone);
        moment_describe(cJSON_AddObjectToObject(object, "from"), time, from.name);
        if (there) {
            moment_describe(cJSON_AddObjectToObject(object, "to"), there, to.name);
            g_date_time_unref(there);
        }
        reply_json(clock->h, call, object);
        g_date_time_unref(time);
    }
    clock_place_deinit(&from);
    clock_place_deinit(&to);
    cJSON_Delete(args);
    return ANTIPHON_OK;
}

static bool has_time(const cJSON *args, const char *member)
{
    const char *text = reply_text(args, member);
    struct moment_parts parts;

    return text && moment_read(text, &parts) && (parts.has_time || parts.is_now);
}

static void add_span(const struct clock *clock, struct antiphon_call *call, const cJSON *args,
                     GDateTime *from, GDateTime *to, const char *zone)
{
    cJSON *object = cJSON_CreateObject(), *calendar;
    struct moment_span span;

    moment_between(from, to, &span);
    moment_describe(cJSON_AddObjectToObject(object, "from"), from, zone);
    moment_describe(cJSON_AddObjectToObject(object, "to"), to, zone);
    calendar = cJSON_AddObjectToObject(object, "calendar");
    cJSON_AddNumberToObject(calendar, "years", span.years);
    cJSON_AddNumberToObject(calendar, "months", span.months);
    cJSON_AddNumberToObject(calendar, "days", span.days);
    cJSON_AddNumberToObject(object, "days", (double)span.total_days);
    if (has_time(args, "from") || has_time(args, "to"))
        cJSON_AddNumberToObject(object, "seconds", (double)span.seconds);
    cJSON_AddBoolToObject(object, "to_is_before_from", span.negative);
    reply_json(clock->h, call, object);
}

/* A date without a time begins at midnight; today's date is today's midnight. */
enum antiphon_status clock_between(void *state, struct antiphon_call *call)
{
    const struct clock *clock = state;
    cJSON *args = reply_args(clock->h, call);
    struct clock_place place = {0};
    GDateTime *from = NULL, *to = NULL;

    if (args && clock_place_find(clock, call, args, "time_zone", &place))
        from = clock_moment(clock, call, args, "from", "00:00", &place);
    if (from)
        to = clock_moment(clock, call, args, "to", "00:00", &place);
    if (to)
        add_span(clock, call, args, from, to, place.name);
    if (from)
        g_date_time_unref(from);
    if (to)
        g_date_time_unref(to);
    clock_place_deinit(&place);
    cJSON_Delete(args);
    return ANTIPHON_OK;
}

typedef GDateTime *add_fn(GDateTime *time, int n);

/* Replaces *time; NULL once it is out of range. */
static void add(GDateTime **time, const cJSON *args, const char *member, add_fn *fn)
{
    int n = (int)reply_integer(args, member, 0);

    if (!*time || n == 0)
        return;
    GDateTime *moved = fn(*time, n);
    g_date_time_unref(*time);
    *time = moved;
}

enum antiphon_status clock_add(void *state, struct antiphon_call *call)
{
    const struct clock *clock = state;
    cJSON *args = reply_args(clock->h, call);
    struct clock_place place = {0};
    GDateTime *time = NULL;

    if (args && clock_place_find(clock, call, args, "time_zone", &place))
        time = clock_moment(clock, call, args, "from", "now", &place);
    if (time) {
        add(&time, args, "years", g_date_time_add_years);
        add(&time, args, "months", g_date_time_add_months);
        add(&time, args, "weeks", g_date_time_add_weeks);
        add(&time, args, "days", g_date_time_add_days);
        add(&time, args, "hours", g_date_time_add_hours);
        add(&time, args, "minutes", g_date_time_add_minutes);
        if (time)
            answer(clock, call, time, place.name);
        else
            reply_error(clock->h, call, ANTIPHON_EINVAL,
                        "that is not between the years 1 and 9999");
    }
    if (time)
        g_date_time_unref(time);
    clock_place_deinit(&place);
    cJSON_Delete(args);
    return ANTIPHON_OK;
}

enum antiphon_status clock_set_zone(void *state, struct antiphon_call *call)
{
    const struct clock *clock = state;
    cJSON *args = reply_args(clock->h, call);
    struct clock_place place = {0};

    if (args && clock_place_find(clock, call, args, "time_zone", &place)) {
        cJSON *name = cJSON_CreateString(place.name);
        char *json = name ? cJSON_PrintUnformatted(name) : NULL;
        enum antiphon_status status =
            json ? clock->h->state_set(clock->h, call, CLOCK_ZONE_KEY, json, strlen(json))
                 : ANTIPHON_ENOMEM;
        GDateTime *now = NULL;
        if (status == ANTIPHON_OK)
            now = clock_moment(clock, call, NULL, "now", "now", &place);
        else
            reply_error(clock->h, call, status, "the time zone could not be remembered");
        if (now) {
            answer(clock, call, now, place.name);
            g_date_time_unref(now);
        }
        cJSON_free(json);
        cJSON_Delete(name);
    }
    clock_place_deinit(&place);
    cJSON_Delete(args);
    return ANTIPHON_OK;
}
