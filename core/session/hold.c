#include "session/hold.h"

#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

static void take_off(struct hold *hold, struct hold_item **at)
{
    struct hold_item *item = *at;

    *at = item->next;
    if (!*at)
        hold->last = at;
    if (item->kind == FRAME_AUDIO)
        hold->audio_bytes -= item->len;
}

static bool drop_one(struct hold *hold)
{
    for (struct hold_item **at = &hold->first; *at; at = &(*at)->next) {
        if ((*at)->kind == FRAME_AUDIO) {
            struct hold_item *item = *at;
            take_off(hold, at);
            free(item);
            return true;
        }
    }
    return false;
}

void hold_deinit(struct hold *hold)
{
    while (hold->first) {
        struct hold_item *item = hold->first;
        take_off(hold, &hold->first);
        free(item);
    }
}

bool hold_active(const struct hold *hold)
{
    return hold->first != NULL;
}

enum antiphon_status hold_push(struct hold *hold, uint64_t ticket, enum frame_kind kind, bool binary,
                               const struct antiphon_span *parts, size_t n, size_t max_audio_bytes,
                               unsigned *dropped)
{
    size_t len = 0, at = 0;
    struct hold_item *item;

    for (size_t i = 0; i < n; i++)
        len += parts[i].len;
    item = calloc(1, sizeof(*item) + len);
    if (!item)
        return ANTIPHON_ENOMEM;
    item->ticket = ticket;
    item->kind = kind;
    item->binary = binary;
    item->len = len;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].len > 0)
            memcpy(item->data + at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
    if (!hold->last)
        hold->last = &hold->first;
    *hold->last = item;
    hold->last = &item->next;
    if (kind == FRAME_AUDIO)
        hold->audio_bytes += len;
    while (hold->audio_bytes > max_audio_bytes && drop_one(hold))
        (*dropped)++;
    return ANTIPHON_OK;
}

void hold_release(struct hold *hold, uint64_t ticket)
{
    for (struct hold_item *item = hold->first; item; item = item->next) {
        if (item->ticket == ticket)
            item->ticket = 0;
    }
}

void hold_discard(struct hold *hold, uint64_t ticket)
{
    struct hold_item **at = &hold->first;

    while (*at) {
        struct hold_item *item = *at;
        if (item->ticket != ticket) {
            at = &item->next;
            continue;
        }
        take_off(hold, at);
        free(item);
    }
}

struct hold_item *hold_take(struct hold *hold)
{
    struct hold_item *item = hold->first;

    if (!item || item->ticket != 0)
        return NULL;
    take_off(hold, &hold->first);
    return item;
}

unsigned hold_drop_audio(struct hold *hold)
{
    unsigned n = 0;

    while (drop_one(hold))
        n++;
    return n;
}
