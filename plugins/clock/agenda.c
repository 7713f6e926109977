#include "agenda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void agenda_deinit(struct agenda *agenda)
{
    for (size_t i = 0; i < agenda->n; i++)
        free(agenda->entries[i].user_id);
    free(agenda->entries);
    *agenda = (struct agenda){0};
}

/* Where an entry of that time belongs: behind those of the same time. */
static size_t place(const struct agenda *agenda, int64_t at_ms)
{
    size_t low = 0, high = agenda->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (agenda->entries[middle].at_ms <= at_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert(struct agenda *agenda, const struct agenda_entry *entry)
{
    size_t at = place(agenda, entry->at_ms);

    memmove(&agenda->entries[at + 1], &agenda->entries[at],
            (agenda->n - at) * sizeof(agenda->entries[0]));
    agenda->entries[at] = *entry;
    agenda->n++;
}

static void take_out(struct agenda *agenda, const struct agenda_entry *entry)
{
    size_t at = (size_t)(entry - agenda->entries);

    agenda->n--;
    memmove(&agenda->entries[at], &agenda->entries[at + 1],
            (agenda->n - at) * sizeof(agenda->entries[0]));
}

enum antiphon_status agenda_add(struct agenda *agenda, const char *user_id, const char *id,
                                int64_t at_ms)
{
    struct agenda_entry entry = {.at_ms = at_ms};

    if (agenda->n == AGENDA_MAX_ENTRIES)
        return ANTIPHON_EBUSY;
    if (agenda->n == agenda->room) {
        size_t room = agenda->room ? 2 * agenda->room : 16;
        struct agenda_entry *grown = realloc(agenda->entries, room * sizeof(*grown));
        if (!grown)
            return ANTIPHON_ENOMEM;
        agenda->entries = grown;
        agenda->room = room;
    }
    (void)snprintf(entry.id, sizeof(entry.id), "%s", id);
    entry.user_id = strdup(user_id);
    if (!entry.user_id)
        return ANTIPHON_ENOMEM;
    insert(agenda, &entry);
    return ANTIPHON_OK;
}

struct agenda_entry *agenda_find(struct agenda *agenda, const char *user_id, const char *id)
{
    for (size_t i = 0; i < agenda->n; i++) {
        if (strcmp(agenda->entries[i].id, id) == 0 &&
            strcmp(agenda->entries[i].user_id, user_id) == 0)
            return &agenda->entries[i];
    }
    return NULL;
}

void agenda_remove(struct agenda *agenda, struct agenda_entry *entry)
{
    free(entry->user_id);
    take_out(agenda, entry);
}

void agenda_postpone(struct agenda *agenda, struct agenda_entry *entry, int64_t at_ms)
{
    struct agenda_entry moved = *entry;

    take_out(agenda, entry);
    moved.at_ms = at_ms;
    moved.busy = false;
    moved.tries++;
    insert(agenda, &moved);
}

struct agenda_entry *agenda_next(struct agenda *agenda)
{
    for (size_t i = 0; i < agenda->n; i++) {
        if (!agenda->entries[i].busy)
            return &agenda->entries[i];
    }
    return NULL;
}

size_t agenda_count(const struct agenda *agenda, const char *user_id)
{
    size_t n = 0;

    for (size_t i = 0; i < agenda->n; i++)
        n += strcmp(agenda->entries[i].user_id, user_id) == 0;
    return n;
}
