#include "handles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *handles_give(struct handles *handles, uint32_t conn, const char *model,
                         const struct history *history)
{
    if (!handles->list)
        handles->list = mem_new(HANDLES_MAX * sizeof *handles->list);
    struct handle *handle = &handles->list[handles->given++ % HANDLES_MAX];
    free(handle->model);
    handle->model = mem_text(model);
    handle->conn = conn;
    history_copy(&handle->history, history);
    if (handles->nonce)
        snprintf(handle->name, sizeof handle->name, "handle-%08x-%u-%u", handles->nonce, conn,
                 handles->given);
    else
        snprintf(handle->name, sizeof handle->name, "handle-%u-%u", conn, handles->given);
    return handle->name;
}

const struct handle *handles_find(const struct handles *handles, const char *name)
{
    uint32_t have = handles->given < HANDLES_MAX ? handles->given : HANDLES_MAX;
    for (uint32_t i = 0; i < have; i++)
        if (!strcmp(handles->list[i].name, name))
            return &handles->list[i];
    return NULL;
}

void handles_free(struct handles *handles)
{
    for (uint32_t i = 0; handles->list && i < HANDLES_MAX; i++) {
        free(handles->list[i].model);
        history_free(&handles->list[i].history);
    }
    free(handles->list);
    *handles = (struct handles){0};
}
