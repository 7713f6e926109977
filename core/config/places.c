#include "config/places.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

void places_init(struct places *places, size_t max_bytes)
{
    *places = (struct places){.max_bytes = max_bytes};
}

void places_deinit(struct places *places)
{
    for (size_t i = 0; i < places->n; i++) {
        free(places->items[i].path);
        free(places->items[i].shown);
    }
    free(places->items);
    places_init(places, places->max_bytes);
}

enum antiphon_status places_add(struct places *places, const char *path, int line, int column)
{
    size_t len = strlen(path);

    if (len > places->max_bytes - places->bytes)
        return ANTIPHON_ETOOBIG;
    if (places->n == places->cap) {
        size_t cap = places->cap ? places->cap * 2 : 64;
        struct place *items = realloc(places->items, cap * sizeof(*items));
        if (!items)
            return ANTIPHON_ENOMEM;
        places->items = items;
        places->cap = cap;
    }
    char *copy = strdup(path);
    if (!copy)
        return ANTIPHON_ENOMEM;
    places->items[places->n++] = (struct place){copy, NULL, line, column};
    places->bytes += len;
    return ANTIPHON_OK;
}

/* Whether path is `around` itself or something below it. */
static bool is_within(const char *path, const char *around, size_t len)
{
    if (len == 0)
        return true;
    if (strncmp(path, around, len) != 0)
        return false;
    return path[len] == '\0' || path[len] == '.' || path[len] == '[';
}

const struct place *places_find(const struct places *places, const char *path)
{
    const struct place *best = NULL;
    size_t best_len = 0;

    for (size_t i = 0; i < places->n; i++) {
        const struct place *place = &places->items[i];
        size_t len = strlen(place->path);
        if (is_within(path, place->path, len) && (!best || len > best_len)) {
            best = place;
            best_len = len;
        }
    }
    return best;
}

char *places_show(const struct places *places, const char *path)
{
    const struct place *place = places_find(places, path);

    if (!place || !place->shown)
        return strdup(path);
    const char *rest = path + strlen(place->path);
    size_t size = strlen(place->shown) + strlen(rest) + 1;
    char *text = malloc(size);
    if (!text)
        return NULL;
    memcpy(text, place->shown, strlen(place->shown));
    memcpy(text + strlen(place->shown), rest, strlen(rest) + 1);
    return text;
}

enum antiphon_status places_rename(struct places *places, const char *prefix,
                                   void (*rename)(const char *tail, char *out))
{
    size_t len = strlen(prefix);

    for (size_t i = 0; i < places->n; i++) {
        struct place *place = &places->items[i];
        if (!is_within(place->path, prefix, len) || strlen(place->path) == len)
            continue;
        const char *tail = place->path + len;
        char *path = malloc(len + 2 * strlen(tail) + 1);
        if (!path)
            return ANTIPHON_ENOMEM;
        memcpy(path, prefix, len);
        rename(tail, path + len);
        if (place->shown) {
            free(place->path);
        } else {
            place->shown = place->path;
        }
        place->path = path;
    }
    return ANTIPHON_OK;
}
