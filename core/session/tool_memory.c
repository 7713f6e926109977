#include "session/tool_memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

static void drop_response(struct tool_memory *memory, struct tool_memory_call *call)
{
    if (!call->response)
        return;
    memory->bytes -= strlen(call->response);
    free(call->response);
    call->response = NULL;
}

static void drop_undo(struct tool_memory *memory, void *undo)
{
    if (undo && memory->forget)
        memory->forget(undo);
}

static void drop(struct tool_memory *memory, struct tool_memory_call *call)
{
    drop_response(memory, call);
    drop_undo(memory, call->undo);
    free(call->id);
    *call = (struct tool_memory_call){0};
}

void tool_memory_clear(struct tool_memory *memory)
{
    for (size_t i = 0; i < memory->n; i++)
        drop(memory, &memory->call[i]);
    free(memory->call);
    *memory = (struct tool_memory){.forget = memory->forget};
}

struct tool_memory_call *tool_memory_find(const struct tool_memory *memory, const char *id)
{
    for (size_t i = 0; i < memory->n; i++) {
        if (memory->call[i].id && strcmp(memory->call[i].id, id) == 0)
            return &memory->call[i];
    }
    return NULL;
}

/* From the oldest on, until the rest fits. */
static void make_room(struct tool_memory *memory)
{
    for (size_t i = 0; i < memory->n && memory->bytes > TOOL_MEMORY_MAX_BYTES; i++)
        drop_response(memory, &memory->call[(memory->next + i) % memory->n]);
}

static struct tool_memory_call *place(struct tool_memory *memory, const char *id)
{
    struct tool_memory_call *call = tool_memory_find(memory, id);

    if (!memory->call)
        memory->call = calloc(TOOL_MEMORY_MAX_CALLS, sizeof(*memory->call));
    if (call || !memory->call)
        return call;
    call = &memory->call[memory->next];
    memory->next = (memory->next + 1) % TOOL_MEMORY_MAX_CALLS;
    if (memory->n < TOOL_MEMORY_MAX_CALLS)
        memory->n++;
    return call;
}

enum antiphon_status tool_memory_put(struct tool_memory *memory, const char *id, const char *response,
                                     uint64_t connection, void *undo)
{
    char *copy = strdup(id), *text = response ? strdup(response) : NULL;
    struct tool_memory_call *call = copy && (text || !response) ? place(memory, id) : NULL;

    if (!call) {
        free(copy);
        free(text);
        drop_undo(memory, undo);
        return ANTIPHON_ENOMEM;
    }
    drop(memory, call);
    *call = (struct tool_memory_call){.id = copy, .response = text, .connection = connection, .undo = undo};
    memory->bytes += text ? strlen(text) : 0;
    make_room(memory);
    return ANTIPHON_OK;
}

void *tool_memory_take_undo(struct tool_memory_call *call)
{
    void *undo = call->undo;

    call->undo = NULL;
    return undo;
}
