/* What a model gives to a tool and what a tool gives back. The first byte selects: even, arguments
 * for a schema; odd, steps of the machine, a byte each, with the whole input as the result of a
 * call. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "plugin/registration.h"
#include "session/tool_run.h"

static enum antiphon_status invoke(void *state, struct antiphon_call *call)
{
    (void)state, (void)call;
    return ANTIPHON_OK;
}

static const struct registry_tool *tool(void)
{
    static struct registry_tool made;
    struct antiphon_tool from = {
        .struct_size = sizeof(from),
        .name = "trip",
        .description = "Plans a trip.",
        .params_schema =
            "{\"type\":\"object\",\"required\":[\"from\"],\"properties\":{\"from\":{\"type\":"
            "\"string\"},\"seats\":{\"type\":\"integer\",\"minimum\":1},\"stops\":{\"type\":"
            "\"array\","
            "\"items\":{\"type\":\"object\",\"properties\":{\"at\":{\"type\":\"string\"}}}}}}",
        .invoke = invoke};
    struct err err;

    if (!made.tool.name && registration_tool(&from, &made, &err))
        abort();
    return &made;
}

static void fuzz_args(const char *text, size_t len)
{
    struct buf clean, again, why;

    buf_init(&clean, 1u << 22);
    buf_init(&again, 1u << 22);
    buf_init(&why, 1u << 22);
    enum antiphon_status status = tool_args_check(tool(), text, len, &clean, &why);
    assert(status == ANTIPHON_OK || status == ANTIPHON_EINVAL);
    assert((status == ANTIPHON_OK) == (why.len == 0));
    assert((status == ANTIPHON_OK) == (clean.len > 0));
    /* What was cleaned is clean. */
    if (status == ANTIPHON_OK) {
        status = tool_args_check(tool(), clean.data, clean.len, &again, &why);
        assert(status == ANTIPHON_OK && strcmp(clean.data, again.data) == 0);
    }
    buf_deinit(&clean);
    buf_deinit(&again);
    buf_deinit(&why);
}

static void on_over(void *ctx, const struct tool_run *run)
{
    struct err err;
    cJSON *response = NULL;

    ++*(size_t *)ctx;
    assert((run->response == NULL) == (run->state == TOOL_CANCELLED));
    if (!run->response)
        return;
    const struct json_limits limits = {
        .max_bytes = 1u << 22, .max_depth = 40, .max_tokens = 1u << 20};
    enum antiphon_status status =
        json_parse(run->response, strlen(run->response), &limits, &response, &err);
    assert(status == ANTIPHON_OK && cJSON_IsObject(response));
    cJSON_Delete(response);
}

static void step(struct tool_runs *runs, uint8_t byte, const char *text, size_t len, size_t *added)
{
    static const char *const ids[] = {NULL, "", "a", "b", "c", "d", "e", "f"};
    struct antiphon_event event = {.struct_size = sizeof(event),
                                   .type = ANTIPHON_EV_TOOL_CALL,
                                   .id = ids[byte & 7],
                                   .name = "trip",
                                   .index = byte >> 6,
                                   .count = (byte >> 3) & 3,
                                   .data = text,
                                   .len = len};
    struct tool_run *run = runs->n ? &runs->run[(byte & 7) % runs->n] : NULL;

    if ((byte >> 3 & 7) < 4)
        *added += tool_runs_add(runs, &event, &run) == ANTIPHON_OK;
    else if (run && (byte >> 3 & 7) == 4)
        tool_run_start(run, NULL, byte);
    else if (run && (byte >> 3 & 7) == 5)
        (void)tool_run_finish(run, ANTIPHON_OK, text, len);
    else if (run && (byte >> 3 & 7) == 6)
        (void)tool_run_finish(run, ANTIPHON_EINTERNAL, text, len);
    else if (run)
        (void)tool_run_cancel(run);
}

static void take(struct tool_runs *runs, size_t *removed)
{
    struct buf out;

    buf_init(&out, 4096);
    while (tool_runs_take_batch(runs, &out, on_over, removed))
        buf_reset(&out);
    buf_deinit(&out);
}

static void fuzz_runs(const uint8_t *data, size_t size)
{
    struct tool_runs *runs = calloc(1, sizeof(*runs));
    size_t added = 0, removed = 0;

    if (!runs)
        return;
    for (size_t i = 0; i < size && i < 200; i++) {
        step(runs, data[i], (const char *)data + i, size - i, &added);
        if (data[i] % 5 == 0)
            take(runs, &removed);
        assert(runs->n <= TOOL_RUN_MAX_OPEN && added == runs->n + removed);
    }
    for (size_t i = 0; i < runs->n; i++)
        (void)tool_run_cancel(&runs->run[i]);
    take(runs, &removed);
    assert(added == removed && !tool_runs_open(runs) && tool_runs_deadline(runs) == 0);
    tool_runs_deinit(runs);
    free(runs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0)
        fuzz_args((const char *)data + 1, size - 1);
    else
        fuzz_runs(data + 1, size - 1);
    return 0;
}
