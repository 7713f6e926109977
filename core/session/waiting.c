#include "session/waiting.h"

#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

static bool is_media(uint32_t type)
{
    return type == ANTIPHON_EV_AUDIO || type == ANTIPHON_EV_IMAGE;
}

static void take_off(struct waiting *waiting, struct waiting_item **at)
{
    struct waiting_item *item = *at;

    *at = item->next;
    if (!*at)
        waiting->last = at;
    if (is_media(item->type)) {
        waiting->audio_bytes -= item->len;
    } else {
        waiting->text_bytes -= item->len;
        waiting->texts--;
    }
}

/* Drops the oldest media item; false if there is none. */
static bool drop_one(struct waiting *waiting)
{
    for (struct waiting_item **at = &waiting->first; *at; at = &(*at)->next) {
        if (is_media((*at)->type)) {
            struct waiting_item *item = *at;
            take_off(waiting, at);
            free(item);
            return true;
        }
    }
    return false;
}

void waiting_deinit(struct waiting *waiting)
{
    struct waiting_item *item;

    while ((item = waiting_take(waiting)))
        free(item);
}

bool waiting_has_room(const struct waiting *waiting, size_t len)
{
    return waiting->texts < WAITING_MAX_TEXTS && waiting->text_bytes + len <= WAITING_MAX_TEXT_BYTES;
}

enum antiphon_status waiting_push(struct waiting *waiting, const struct antiphon_event *event, uint64_t note,
                                  size_t max_audio_bytes, unsigned *dropped)
{
    bool media = is_media(event->type);
    struct waiting_item *item;

    if (!media && !waiting_has_room(waiting, event->len))
        return ANTIPHON_EBUSY;
    item = calloc(1, sizeof(*item) + event->len);
    if (!item)
        return ANTIPHON_ENOMEM;
    item->type = event->type;
    item->encoding = event->encoding;
    item->note = note;
    item->mime = event->name;
    item->len = event->len;
    if (event->len > 0)
        memcpy(item->data, event->data, event->len);
    if (!waiting->last)
        waiting->last = &waiting->first;
    *waiting->last = item;
    waiting->last = &item->next;
    if (media) {
        waiting->audio_bytes += item->len;
    } else {
        waiting->text_bytes += item->len;
        waiting->texts++;
    }
    while (waiting->audio_bytes > max_audio_bytes && drop_one(waiting))
        (*dropped)++;
    return ANTIPHON_OK;
}

struct waiting_item *waiting_take(struct waiting *waiting)
{
    struct waiting_item *item = waiting->first;

    if (item)
        take_off(waiting, &waiting->first);
    return item;
}

void waiting_drop_audio(struct waiting *waiting)
{
    while (drop_one(waiting))
        continue;
}

void waiting_each_text(const struct waiting *waiting, void (*fn)(void *ctx, uint64_t note), void *ctx)
{
    for (const struct waiting_item *item = waiting->first; item; item = item->next) {
        if (item->type == ANTIPHON_EV_TEXT)
            fn(ctx, item->note);
    }
}
