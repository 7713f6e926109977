#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "moment.h"

#define DAY_MS       86400000
#define MAX_AHEAD_MS (315360000LL * 1000)

static void fail(const struct clock *clock, struct antiphon_call *call, enum antiphon_status status)
{
    static const char *const texts[] = {
        [-ANTIPHON_EBUSY] =
            "there are as many reminders as can be kept, or this one is being told right now",
        [-ANTIPHON_ENOTFOUND] = "there is no reminder with that id; list_reminders tells the ids",
        [-ANTIPHON_ECANCELLED] = "this was cancelled before anything was done",
        [-ANTIPHON_EUNAVAILABLE] = "reminders cannot be kept here: there is no database",
    };
    const size_t n = sizeof(texts) / sizeof(texts[0]);
    const char *text = (size_t)-status < n ? texts[-status] : NULL;

    reply_error(clock->h, call, status, "%s",
                text ? text : "reminders cannot be reached at the moment");
}

static void describe(const struct clock *clock, cJSON *object, const struct reminder *reminder)
{
    char name[ZONES_MAX_BYTES], why[REPLY_MAX_ERROR_BYTES];
    GTimeZone *zone = NULL;
    GDateTime *time;

    cJSON_AddStringToObject(object, "id", reminder->id);
    cJSON_AddStringToObject(object, "text", reminder->text);
    if (zones_find(clock->zones, reminder->zone, &zone, name, why, sizeof(why)) != ANTIPHON_OK)
        return;
    time = moment_from_ms(reminder->due_ms, zone);
    if (time) {
        moment_describe(cJSON_AddObjectToObject(object, "due"), time, name);
        g_date_time_unref(time);
    }
    g_time_zone_unref(zone);
}

/* When the arguments want it; 0 after the call was finished with an error. */
static int64_t due(const struct clock *clock, struct antiphon_call *call, const cJSON *args,
                   const struct clock_place *place)
{
    const char *at = reply_text(args, "at");
    int64_t now = clock->h->wall_ms(clock->h), seconds = reply_integer(args, "in_seconds", 0),
            due_ms;
    struct moment_parts parts;
    GDateTime *time;

    if ((seconds > 0) == (at && *at)) {
        reply_error(clock->h, call, ANTIPHON_EINVAL, "say either in_seconds or at");
        return 0;
    }
    if (seconds > 0)
        return now + seconds * 1000;
    time = clock_moment(clock, call, args, "at", "", place);
    if (!time)
        return 0;
    if (moment_to_ms(time) <= now && moment_read(at, &parts) && parts.has_time && !parts.has_date) {
        GDateTime *tomorrow = g_date_time_add_days(time, 1);
        g_date_time_unref(time);
        time = tomorrow;
    }
    due_ms = time ? moment_to_ms(time) : 0;
    if (time)
        g_date_time_unref(time);
    if (due_ms > now && due_ms - now <= MAX_AHEAD_MS)
        return due_ms;
    reply_error(clock->h, call, ANTIPHON_EINVAL, "%s is %s", at,
                due_ms > now ? "more than ten years away" : "over already; clock tells the time");
    return 0;
}

/* borrowed: everything but the id. */
static enum antiphon_status leave_receipt(const struct clock *clock, struct antiphon_call *call,
                                          const struct reminder *reminder)
{
    cJSON *receipt = cJSON_CreateObject();
    enum antiphon_status status = ANTIPHON_ENOMEM;
    char *json;

    cJSON_AddStringToObject(receipt, "id", reminder->id);
    cJSON_AddStringToObject(receipt, "text", reminder->text);
    cJSON_AddStringToObject(receipt, "time_zone", reminder->zone);
    cJSON_AddStringToObject(receipt, "app", reminder->app);
    cJSON_AddStringToObject(receipt, "session_id", reminder->session_id);
    cJSON_AddNumberToObject(receipt, "due_ms", (double)reminder->due_ms);
    cJSON_AddNumberToObject(receipt, "set_ms", (double)reminder->set_ms);
    json = cJSON_PrintUnformatted(receipt);
    if (json)
        status = clock->h->receipt(clock->h, call, json, strlen(json));
    cJSON_free(json);
    cJSON_Delete(receipt);
    return status;
}

static char *borrow(const char *text)
{
    return (char *)(uintptr_t)text;
}

static void remind(const struct clock *clock, struct antiphon_call *call, const cJSON *args,
                   const struct clock_place *place, int64_t due_ms)
{
    /* Nothing of it is freed: reminders_add() only reads. */
    struct reminder reminder = {.due_ms = due_ms,
                                .set_ms = clock->h->wall_ms(clock->h),
                                .text = borrow(reply_text(args, "text")),
                                .zone = borrow(place->name),
                                .app = borrow(call->app),
                                .session_id = borrow(call->session_id)};
    enum antiphon_status status = reminders_make_id(reminder.id);

    if (status == ANTIPHON_OK)
        status = leave_receipt(clock, call, &reminder);
    if (status == ANTIPHON_OK)
        status = reminders_add(clock->reminders, call->user_id, &reminder);
    if (status == ANTIPHON_OK) {
        cJSON *object = cJSON_CreateObject();
        describe(clock, object, &reminder);
        reply_json(clock->h, call, object);
    } else {
        fail(clock, call, status);
    }
}

enum antiphon_status clock_remind(void *state, struct antiphon_call *call)
{
    const struct clock *clock = state;
    cJSON *args = reply_args(clock->h, call);
    struct clock_place place = {0};
    int64_t due_ms = 0;

    if (args && strlen(reply_text(args, "text")) > REMINDERS_MAX_TEXT_BYTES)
        reply_error(clock->h, call, ANTIPHON_ETOOBIG, "the text is too long");
    else if (args && clock_place_find(clock, call, args, "time_zone", &place))
        due_ms = due(clock, call, args, &place);
    if (due_ms)
        remind(clock, call, args, &place, due_ms);
    clock_place_deinit(&place);
    cJSON_Delete(args);
    return ANTIPHON_OK;
}

enum antiphon_status clock_list(void *state, struct antiphon_call *call)
{
    const struct clock *clock = state;
    struct reminder *list = calloc(REMINDERS_MAX_LIST, sizeof(*list));
    size_t n = 0;
    enum antiphon_status status =
        list ? reminders_list(clock->reminders, call->user_id, list, &n) : ANTIPHON_ENOMEM;

    if (status == ANTIPHON_OK) {
        cJSON *object = cJSON_CreateObject();
        cJSON *array = cJSON_AddArrayToObject(object, "reminders");
        for (size_t i = 0; i < n; i++) {
            cJSON *item = cJSON_CreateObject();
            describe(clock, item, &list[i]);
            if (!cJSON_AddItemToArray(array, item))
                cJSON_Delete(item);
        }
        reply_json(clock->h, call, object);
    } else {
        fail(clock, call, status);
    }
    for (size_t i = 0; i < n; i++)
        reminder_deinit(&list[i]);
    free(list);
    return ANTIPHON_OK;
}

enum antiphon_status clock_cancel(void *state, struct antiphon_call *call)
{
    const struct clock *clock = state;
    cJSON *args = reply_args(clock->h, call);
    const char *id = reply_text(args, "id");
    struct reminder reminder = {0};

    if (!args)
        return ANTIPHON_OK;
    enum antiphon_status status = reminders_get(clock->reminders, call->user_id, id, &reminder);
    if (status == ANTIPHON_OK)
        status = leave_receipt(clock, call, &reminder);
    if (status == ANTIPHON_OK)
        status = reminders_remove(clock->reminders, call->user_id, id);
    if (status == ANTIPHON_OK) {
        cJSON *object = cJSON_CreateObject(), *gone = cJSON_AddObjectToObject(object, "cancelled");
        describe(clock, gone, &reminder);
        reply_json(clock->h, call, object);
    } else {
        fail(clock, call, status);
    }
    reminder_deinit(&reminder);
    cJSON_Delete(args);
    return ANTIPHON_OK;
}

/* ---- undo ------------------------------------------------------------------------------------ */

static void conclude(const struct clock *clock, struct antiphon_call *call,
                     enum antiphon_status status)
{
    if (status == ANTIPHON_OK)
        reply_json(clock->h, call, cJSON_CreateTrue());
    else
        fail(clock, call, status);
}

enum antiphon_status clock_undo_remind(void *state, struct antiphon_call *call)
{
    const struct clock *clock = state;
    cJSON *receipt = reply_args(clock->h, call);
    const char *id = reply_text(receipt, "id");

    if (receipt)
        conclude(clock, call,
                 id ? reminders_remove(clock->reminders, call->user_id, id) : ANTIPHON_EINVAL);
    cJSON_Delete(receipt);
    return ANTIPHON_OK;
}

enum antiphon_status clock_undo_cancel(void *state, struct antiphon_call *call)
{
    const struct clock *clock = state;
    cJSON *receipt = reply_args(clock->h, call);
    const char *id = reply_text(receipt, "id");
    struct reminder reminder = {.due_ms = reply_integer(receipt, "due_ms", 0),
                                .set_ms = reply_integer(receipt, "set_ms", 0),
                                .text = borrow(reply_text(receipt, "text")),
                                .zone = borrow(reply_text(receipt, "time_zone")),
                                .app = borrow(reply_text(receipt, "app")),
                                .session_id = borrow(reply_text(receipt, "session_id"))};

    if (receipt && id && reminder.text && reminder.zone && reminder.app && reminder.session_id) {
        (void)snprintf(reminder.id, sizeof(reminder.id), "%s", id);
        conclude(clock, call, reminders_add(clock->reminders, call->user_id, &reminder));
    } else if (receipt) {
        conclude(clock, call, ANTIPHON_EINVAL);
    }
    cJSON_Delete(receipt);
    return ANTIPHON_OK;
}
