#include "base/slots.h"

#include <assert.h>
#include <stdlib.h>

#include "base/banned.h"

#define NONE      UINT32_MAX
#define FIRST_CAP 16

struct slot {
    void *item; /* borrowed; NULL: free */
    uint32_t generation, next_free;
};

struct slots {
    struct slot *slot; /* owned; grows to max */
    uint32_t cap, used, max, count, free_head;
};

enum antiphon_status slots_new(unsigned max, struct slots **slots)
{
    struct slots *made = calloc(1, sizeof(*made));

    if (!made)
        return ANTIPHON_ENOMEM;
    made->max = max < NONE ? max : NONE - 1;
    made->free_head = NONE;
    *slots = made;
    return ANTIPHON_OK;
}

void slots_free(struct slots *slots)
{
    if (!slots)
        return;
    free(slots->slot);
    free(slots);
}

static enum antiphon_status grow(struct slots *slots)
{
    uint32_t cap = slots->cap < FIRST_CAP / 2 ? FIRST_CAP : slots->cap * 2;

    if (slots->cap > slots->max / 2 || cap > slots->max)
        cap = slots->max;
    if (cap == slots->cap)
        return ANTIPHON_EBUSY;
    struct slot *slot = realloc(slots->slot, cap * sizeof(*slot));
    if (!slot)
        return ANTIPHON_ENOMEM;
    slots->slot = slot;
    slots->cap = cap;
    return ANTIPHON_OK;
}

enum antiphon_status slots_add(struct slots *slots, void *item, uint64_t *handle)
{
    uint32_t index = slots->free_head;

    assert(item);
    if (index != NONE) {
        slots->free_head = slots->slot[index].next_free;
    } else {
        enum antiphon_status status = slots->used < slots->cap ? ANTIPHON_OK : grow(slots);
        if (status)
            return status;
        index = slots->used++;
        slots->slot[index].generation = 1;
    }
    slots->slot[index].item = item;
    slots->count++;
    *handle = (uint64_t)slots->slot[index].generation << 32 | index;
    return ANTIPHON_OK;
}

static struct slot *find(const struct slots *slots, uint64_t handle)
{
    uint32_t index = (uint32_t)handle, generation = (uint32_t)(handle >> 32);

    if (index >= slots->used || slots->slot[index].generation != generation)
        return NULL;
    return slots->slot[index].item ? &slots->slot[index] : NULL;
}

void *slots_get(const struct slots *slots, uint64_t handle)
{
    struct slot *slot = find(slots, handle);

    return slot ? slot->item : NULL;
}

void slots_remove(struct slots *slots, uint64_t handle)
{
    struct slot *slot = find(slots, handle);

    if (!slot)
        return;
    slot->item = NULL;
    slots->count--;
    /* A slot whose generations are used up is retired, lest an old handle become valid again. */
    if (slot->generation == UINT32_MAX)
        return;
    slot->generation++;
    slot->next_free = slots->free_head;
    slots->free_head = (uint32_t)handle;
}

unsigned slots_count(const struct slots *slots)
{
    return slots->count;
}

void slots_each(struct slots *slots, slots_each_fn *fn, void *ctx)
{
    for (uint32_t i = 0; i < slots->used; i++) {
        const struct slot *slot = &slots->slot[i];
        if (slot->item)
            fn(ctx, (uint64_t)slot->generation << 32 | i, slot->item);
    }
}
