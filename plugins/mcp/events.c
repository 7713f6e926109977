#include "events.h"

#include <stdlib.h>
#include <string.h>

static bool append(char **text, size_t *len, size_t *size, const char *more, size_t n)
{
    if (n > EVENTS_MAX_DATA - *len)
        return false;
    if (*len + n + 1 > *size) {
        size_t wanted = (*len + n + 1) * 2;
        char *longer = realloc(*text, wanted);
        if (!longer)
            return false;
        *text = longer;
        *size = wanted;
    }
    if (n > 0)
        memcpy(*text + *len, more, n);
    *len += n;
    (*text)[*len] = '\0';
    return true;
}

static void tell(struct events *events, events_fn *fn, void *ctx)
{
    memcpy(events->id, events->next_id, sizeof(events->id));
    if (events->has_data)
        fn(ctx, events->data, events->data_len);
    events->data_len = 0;
    events->has_data = false;
}

static void take_retry(struct events *events, const char *value)
{
    size_t digits = strspn(value, "0123456789");

    if (digits > 0 && digits < 8 && value[digits] == '\0')
        events->retry_ms = (uint32_t)strtoul(value, NULL, 10);
}

static bool take_field(struct events *events, const char *name, const char *value)
{
    if (!strcmp(name, "data")) {
        bool more = events->has_data;
        events->has_data = true;
        return (!more || append(&events->data, &events->data_len, &events->data_size, "\n", 1)) &&
               append(&events->data, &events->data_len, &events->data_size, value, strlen(value));
    }
    if (!strcmp(name, "id") && strlen(value) < EVENTS_MAX_ID)
        memcpy(events->next_id, value, strlen(value) + 1);
    else if (!strcmp(name, "retry"))
        take_retry(events, value);
    return true;
}

static bool take_line(struct events *events, events_fn *fn, void *ctx)
{
    char *line = events->line, *colon;

    if (events->line_len == 0) {
        tell(events, fn, ctx);
        return true;
    }
    events->line_len = 0;
    colon = strchr(line, ':');
    if (!colon)
        return take_field(events, line, "");
    *colon = '\0'; /* of a comment the name is empty */
    return take_field(events, line, colon + 1 + (colon[1] == ' '));
}

bool events_feed(struct events *events, const char *bytes, size_t len, events_fn *fn, void *ctx)
{
    const char *end = bytes + len;

    while (bytes < end) {
        if (events->after_cr && *bytes == '\n') {
            events->after_cr = false;
            bytes++;
            continue;
        }
        events->after_cr = false;
        const char *stop = bytes;
        while (stop < end && *stop != '\n' && *stop != '\r')
            stop++;
        if (!append(&events->line, &events->line_len, &events->line_size, bytes,
                    (size_t)(stop - bytes)))
            return false;
        bytes = stop;
        if (stop == end)
            break;
        events->after_cr = *stop == '\r';
        bytes++;
        if (!take_line(events, fn, ctx))
            return false;
    }
    return true;
}

void events_end(struct events *events, events_fn *fn, void *ctx)
{
    if (events->line_len > 0)
        (void)take_line(events, fn, ctx);
    if (events->has_data)
        tell(events, fn, ctx);
    events->line_len = 0;
    events->after_cr = false;
}

void events_free(struct events *events)
{
    free(events->line);
    free(events->data);
    *events = (struct events){0};
}
