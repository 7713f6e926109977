/* clock - the plugin: what it offers, its settings, its life. The tools are in tools_time.c and
 * tools_reminder.c. */
#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
ANTIPHON_MANIFEST({
    "name": "clock",
    "version": "1.0.0",
    "description": "Time, dates, time zones, and reminders that are spoken when they are due.",
    "licence": "Apache-2.0",
    "tools": [{
        "name": "clock",
        "description": "The current date, time and weekday, in the user's time zone or in another one. Use it whenever the answer depends on what time or day it is.",
        "parameters": {
            "type": "object",
            "properties": {
                "time_zone": {"type": "string", "maxLength": 63, "description": "IANA name such as Asia/Seoul, or a city; the user's own if absent."}
            }
        },
        "flags": ["read_only"]
    }, {
        "name": "convert_time",
        "description": "What time it is elsewhere when it is a given time somewhere, and the weekday of a date.",
        "parameters": {
            "type": "object",
            "properties": {
                "time": {"type": "string", "maxLength": 40, "description": "2026-03-01T18:30, 18:30 (today), 2026-03-01 or now."},
                "from": {"type": "string", "maxLength": 63, "description": "Time zone of that time; the user's own if absent."},
                "to": {"type": "string", "maxLength": 63, "description": "Time zone that is asked for; the user's own if absent."}
            },
            "required": ["time"]
        },
        "flags": ["read_only"]
    }, {
        "name": "date_difference",
        "description": "How long it is from one date or time to another: in years, months and days by the calendar, in days, and in seconds. For ages, countdowns, and how many days are left.",
        "parameters": {
            "type": "object",
            "properties": {
                "from": {"type": "string", "maxLength": 40, "description": "2026-03-01, 2026-03-01T18:30, 18:30 or now; today if absent."},
                "to": {"type": "string", "maxLength": 40, "description": "Likewise; today if absent."},
                "time_zone": {"type": "string", "maxLength": 63}
            }
        },
        "flags": ["read_only"]
    }, {
        "name": "date_add",
        "description": "The date and weekday so many years, months, weeks, days, hours or minutes after a date or time; before it with negative numbers. At the end of shorter months it stays in the month.",
        "parameters": {
            "type": "object",
            "properties": {
                "from": {"type": "string", "maxLength": 40, "description": "2026-03-01, 2026-03-01T18:30, 18:30 or now; now if absent."},
                "years": {"type": "integer", "minimum": -9000, "maximum": 9000},
                "months": {"type": "integer", "minimum": -100000, "maximum": 100000},
                "weeks": {"type": "integer", "minimum": -500000, "maximum": 500000},
                "days": {"type": "integer", "minimum": -3500000, "maximum": 3500000},
                "hours": {"type": "integer", "minimum": -1000000, "maximum": 1000000},
                "minutes": {"type": "integer", "minimum": -60000000, "maximum": 60000000},
                "time_zone": {"type": "string", "maxLength": 63}
            }
        },
        "flags": ["read_only"]
    }, {
        "name": "set_time_zone",
        "description": "Remembers the user's time zone for all conversations. Use it when the user says where they are or live.",
        "parameters": {
            "type": "object",
            "properties": {
                "time_zone": {"type": "string", "minLength": 1, "maxLength": 63, "description": "IANA name such as Asia/Seoul, or a city."}
            },
            "required": ["time_zone"]
        },
        "flags": ["keep_on_interrupt"]
    }, {
        "name": "set_reminder",
        "description": "Reminds the user in this conversation, after a time (in_seconds) or at a time (at). When it is due you are told, and tell the user.",
        "parameters": {
            "type": "object",
            "properties": {
                "text": {"type": "string", "minLength": 1, "maxLength": 500, "description": "What to remind of, in the user's language."},
                "in_seconds": {"type": "integer", "minimum": 1, "maximum": 315360000, "description": "Five minutes are 300."},
                "at": {"type": "string", "maxLength": 40, "description": "2026-03-01T18:30, or 18:30 for the next time it is that late."},
                "time_zone": {"type": "string", "maxLength": 63, "description": "Of at; the user's own if absent."}
            },
            "required": ["text"]
        },
        "flags": ["keep_on_interrupt"]
    }, {
        "name": "list_reminders",
        "description": "The user's reminders that are not yet due, the next first, from all conversations.",
        "flags": ["read_only"]
    }, {
        "name": "cancel_reminder",
        "description": "Deletes a reminder by its id, which list_reminders tells.",
        "parameters": {
            "type": "object",
            "properties": {
                "id": {"type": "string", "minLength": 1, "maxLength": 64}
            },
            "required": ["id"]
        },
        "flags": ["keep_on_interrupt"]
    }],
    "config": {
        "type": "object",
        "properties": {
            "time_zone": {"type": "string", "maxLength": 63, "default": "UTC", "x-env": ["ANTIPHON_TIME_ZONE"], "description": "Of users who have not said where they are: an IANA name."},
            "max_reminders": {"type": "integer", "minimum": 1, "maximum": 100, "default": 50, "description": "Of one user."}
        }
    },
    "permissions": {"files": ["/usr/share/zoneinfo"]}
});
/* clang-format on */

static const struct antiphon_tool tools[] = {
    {.struct_size = sizeof(struct antiphon_tool), .name = "clock", .invoke = clock_tell},
    {.struct_size = sizeof(struct antiphon_tool), .name = "convert_time", .invoke = clock_convert},
    {.struct_size = sizeof(struct antiphon_tool),
     .name = "date_difference",
     .invoke = clock_between},
    {.struct_size = sizeof(struct antiphon_tool), .name = "date_add", .invoke = clock_add},
    {.struct_size = sizeof(struct antiphon_tool),
     .name = "set_time_zone",
     .invoke = clock_set_zone},
    {.struct_size = sizeof(struct antiphon_tool),
     .name = "set_reminder",
     .invoke = clock_remind,
     .undo = clock_undo_remind},
    {.struct_size = sizeof(struct antiphon_tool), .name = "list_reminders", .invoke = clock_list},
    {.struct_size = sizeof(struct antiphon_tool),
     .name = "cancel_reminder",
     .invoke = clock_cancel,
     .undo = clock_undo_cancel},
};

static void shut_down(void *state)
{
    struct clock *clock = state;

    reminders_free(clock->reminders);
    zones_free(clock->zones);
    free(clock);
}

static enum antiphon_status set_up(struct clock *clock, const cJSON *settings, char *why,
                                   size_t why_size)
{
    const char *zone = reply_text(settings, "time_zone");
    GTimeZone *found = NULL;
    enum antiphon_status status = zones_new(ZONES_FOLDER, &clock->zones, why, why_size);

    if (status == ANTIPHON_OK)
        status = zones_find(clock->zones, zone ? zone : "UTC", &found, clock->zone, why, why_size);
    if (found)
        g_time_zone_unref(found);
    if (status == ANTIPHON_OK)
        status = reminders_new(clock->h, (size_t)reply_integer(settings, "max_reminders", 50),
                               &clock->reminders, why, why_size);
    for (size_t i = 0; status == ANTIPHON_OK && i < sizeof(tools) / sizeof(tools[0]); i++)
        status = clock->h->add_tool(clock->h, &tools[i]);
    return status;
}

static enum antiphon_status init(const struct antiphon_host *h, const char *config, void **state,
                                 char *why, size_t why_size)
{
    struct clock *clock = calloc(1, sizeof(*clock));
    cJSON *settings = cJSON_Parse(config);
    enum antiphon_status status = ANTIPHON_ENOMEM;

    if (clock && settings) {
        clock->h = h;
        status = set_up(clock, settings, why, why_size);
    }
    cJSON_Delete(settings);
    if (status == ANTIPHON_OK)
        *state = clock;
    else if (clock)
        shut_down(clock);
    return status;
}

static const struct antiphon_plugin plugin = {
    .struct_size = sizeof(plugin),
    .name = "clock",
    .version = "1.0.0",
    .init = init,
    .shutdown = shut_down,
};

const struct antiphon_plugin *antiphon_plugin_v1(void)
{
    return &plugin;
}
