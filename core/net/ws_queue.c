#include "net/ws_queue.h"

#include <stdlib.h>

#include "base/metrics.h"
#include "base/banned.h"

void ws_queue_init(struct ws_queue *queue)
{
    *queue = (struct ws_queue){0};
    queue->last = &queue->first;
}

static void unaccount(struct ws_queue *queue, const struct ws_out *out)
{
    metrics_sub(METRIC_client_queue_messages, 1);
    metrics_sub(METRIC_client_queue_bytes, out->len);
    if (out->kind == WS_AUDIO) {
        queue->audio_bytes -= out->len;
    } else {
        queue->control_bytes -= out->len;
        queue->control_messages--;
    }
}

void ws_queue_append(struct ws_queue *queue, struct ws_out *out)
{
    metrics_add(METRIC_client_queue_messages, 1);
    metrics_add(METRIC_client_queue_bytes, out->len);
    if (out->kind == WS_AUDIO) {
        queue->audio_bytes += out->len;
    } else {
        queue->control_bytes += out->len;
        queue->control_messages++;
    }
    *queue->last = out;
    queue->last = &out->next;
}

struct ws_out *ws_queue_pop(struct ws_queue *queue)
{
    struct ws_out *out = queue->first;

    if (!out)
        return NULL;
    queue->first = out->next;
    if (!queue->first)
        queue->last = &queue->first;
    unaccount(queue, out);
    return out;
}

unsigned ws_queue_drop_audio(struct ws_queue *queue, size_t keep)
{
    struct ws_out **at = &queue->first;
    unsigned dropped = 0;

    while (*at && queue->audio_bytes > keep) {
        struct ws_out *out = *at;
        if (out->kind != WS_AUDIO) {
            at = &out->next;
            continue;
        }
        *at = out->next;
        if (!out->next)
            queue->last = at;
        unaccount(queue, out);
        free(out);
        dropped++;
    }
    return dropped;
}

void ws_queue_clear(struct ws_queue *queue)
{
    struct ws_out *out;

    while ((out = ws_queue_pop(queue)))
        free(out);
}
