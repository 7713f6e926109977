#include "history.h"

#include <stdlib.h>
#include <string.h>

void history_add(struct history *history, bool model, const char *text)
{
    if (history->count == HISTORY_MAX_ENTRIES) {
        free(history->entries[0].text);
        memmove(history->entries, history->entries + 1,
                (history->count - 1) * sizeof *history->entries);
        history->count--;
    }
    if (history->count == history->cap) {
        size_t cap = history->cap ? history->cap * 2 : 16;
        struct history_entry *entries = mem_new(cap * sizeof *entries);
        if (history->count)
            memcpy(entries, history->entries, history->count * sizeof *entries);
        free(history->entries);
        history->entries = entries;
        history->cap = cap;
    }
    history->entries[history->count++] = (struct history_entry){model, mem_text(text)};
}

void history_free(struct history *history)
{
    for (size_t i = 0; i < history->count; i++)
        free(history->entries[i].text);
    free(history->entries);
    *history = (struct history){0};
}

void history_copy(struct history *to, const struct history *from)
{
    history_free(to);
    for (size_t i = 0; i < from->count; i++)
        history_add(to, from->entries[i].model, from->entries[i].text);
}

void history_describe(const struct history *history, struct bytes *out)
{
    for (size_t i = 0; i < history->count; i++)
        bytes_printf(out, "%s%s:%s", i ? " | " : "", history->entries[i].model ? "m" : "u",
                     history->entries[i].text);
}

const char *history_last_user(const struct history *history)
{
    for (size_t i = history->count; i-- > 0;)
        if (!history->entries[i].model)
            return history->entries[i].text;
    return "";
}
