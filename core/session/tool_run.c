#include "session/tool_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "base/banned.h"

#define MAX_RESULT_TOKENS 65536u
#define NO_MEMORY         "{\"error\":\"there was no memory for the result\"}"
#define TOO_LONG          "{\"error\":\"the result is too long\"}"

static bool is_over(const struct tool_run *run)
{
    return run->state == TOOL_DONE || run->state == TOOL_FAILED || run->state == TOOL_CANCELLED;
}

bool tool_run_open(const struct tool_run *run)
{
    return !is_over(run);
}

const char *tool_run_state_name(enum tool_run_state state)
{
    static const char *const names[] = {"requested", "asking", "running", "done", "failed", "cancelled"};
    return names[state];
}

static void run_deinit(struct tool_run *run)
{
    free(run->id);
    free(run->name);
    free(run->args);
    free(run->response);
    free(run->delta);
    free(run->result);
    free(run->ready);
    free(run->shown);
    free(run->question);
    *run = (struct tool_run){0};
}

void tool_runs_deinit(struct tool_runs *runs)
{
    for (size_t i = 0; i < runs->n; i++)
        run_deinit(&runs->run[i]);
    free(runs->run);
    *runs = (struct tool_runs){
        .next_number = runs->next_number, .batch = runs->batch, .apart = runs->apart};
}

struct tool_run *tool_runs_find(struct tool_runs *runs, uint64_t number)
{
    for (size_t i = 0; i < runs->n; i++) {
        if (runs->run[i].number == number)
            return &runs->run[i];
    }
    return NULL;
}

struct tool_run *tool_runs_find_id(struct tool_runs *runs, const char *id)
{
    for (size_t i = 0; i < runs->n; i++) {
        if (strcmp(runs->run[i].id, id) == 0)
            return &runs->run[i];
    }
    return NULL;
}

static char *copy_args(const struct antiphon_event *call)
{
    if (call->len == 0)
        return strdup("{}");
    char *copy = malloc(call->len + 1);
    if (copy) {
        memcpy(copy, call->data, call->len);
        copy[call->len] = '\0';
    }
    return copy;
}

static enum antiphon_status run_init(struct tool_run *run, const struct antiphon_event *call)
{
    const char *id = call->id;
    char local[32];

    run->local_id = !id || !*id;
    if (run->local_id) {
        snprintf(local, sizeof(local), "antiphon-%" PRIu64, run->number);
        id = local;
    }
    run->id = strdup(id);
    run->name = strdup(call->name);
    run->args = copy_args(call);
    run->response = strdup(NO_MEMORY);
    if (run->id && run->name && run->args && run->response)
        return ANTIPHON_OK;
    run_deinit(run);
    return ANTIPHON_ENOMEM;
}

enum antiphon_status tool_runs_add(struct tool_runs *runs, const struct antiphon_event *call,
                                   struct tool_run **run)
{
    if (runs->apart) {
        runs->batch++;
        runs->due = 1;
    } else if (call->index == 0 || runs->due == 0) {
        runs->batch++;
        runs->due = call->count > call->index ? call->count - call->index : 1;
    }
    runs->due--;
    if (!call->name || !*call->name)
        return ANTIPHON_EINVAL;
    if (call->id && *call->id && tool_runs_find_id(runs, call->id))
        return ANTIPHON_EEXISTS;
    if (runs->n == TOOL_RUN_MAX_OPEN)
        return ANTIPHON_EBUSY;
    if (!runs->run)
        runs->run = calloc(TOOL_RUN_MAX_OPEN, sizeof(*runs->run));
    if (!runs->run)
        return ANTIPHON_ENOMEM;
    struct tool_run *made = &runs->run[runs->n];
    *made = (struct tool_run){.number = runs->next_number + 1, .batch = runs->batch};
    enum antiphon_status status = run_init(made, call);
    if (status)
        return status;
    runs->next_number++;
    runs->n++;
    *run = made;
    return ANTIPHON_OK;
}

void tool_run_start(struct tool_run *run, void *job, uint64_t deadline_ms)
{
    if (run->state != TOOL_REQUESTED && run->state != TOOL_ASKING)
        return;
    run->state = TOOL_RUNNING;
    run->job = job;
    run->deadline_ms = deadline_ms;
}

void tool_run_ask(struct tool_run *run, uint64_t deadline_ms)
{
    if (run->state != TOOL_REQUESTED && run->state != TOOL_RUNNING)
        return;
    run->state = TOOL_ASKING;
    run->job = NULL;
    run->deadline_ms = deadline_ms;
}

static void put_error(struct buf *out, const char *text, size_t len)
{
    if (len > TOOL_RUN_MAX_ERROR_BYTES)
        len = utf8_cut(text, TOOL_RUN_MAX_ERROR_BYTES);
    buf_puts(out, "{\"error\":");
    buf_json_string(out, text, len);
    buf_puts(out, "}");
}

/* A value of the tool's: text as it is, so that numbers keep all their digits. */
static bool put_value(struct buf *out, const char *text, size_t len)
{
    const struct json_limits limits = {.max_bytes = TOOL_RUN_MAX_RESULT_BYTES,
                                       .max_tokens = MAX_RESULT_TOKENS};
    struct err err = {0};
    cJSON *value = NULL;
    char why[ERR_MAX_TEXT + 64];

    if (len > TOOL_RUN_MAX_RESULT_BYTES) {
        snprintf(why, sizeof(why), "the result has %zu bytes, at most %zu are allowed", len,
                 TOOL_RUN_MAX_RESULT_BYTES);
        put_error(out, why, strlen(why));
        return false;
    }
    if (json_parse(text, len, &limits, &value, &err)) {
        snprintf(why, sizeof(why), "the tool's result cannot be read: %s", err.text);
        put_error(out, why, strlen(why));
        return false;
    }
    bool object = cJSON_IsObject(value);
    cJSON_Delete(value);
    if (!object)
        buf_puts(out, "{\"result\":");
    buf_append(out, text, len);
    if (!object)
        buf_puts(out, "}");
    return true;
}

/* NO_MEMORY is there since the call was added, should there be none for this. */
static bool set_response(struct tool_run *run, struct buf *out)
{
    if (out->failed)
        return false;
    free(run->response);
    run->response = buf_take(out);
    return true;
}

bool tool_run_finish(struct tool_run *run, enum antiphon_status status, const char *text,
                     size_t len)
{
    struct buf out;
    bool done = false;

    if (is_over(run))
        return false;
    buf_init(&out, TOOL_RUN_MAX_RESULT_BYTES + 64);
    if (status) {
        len = len ? strnlen(text, len) : 0; /* a NUL in a JSON string is refused by many readers */
        if (len == 0) {
            text = status_name(status);
            len = strlen(text);
        }
        put_error(&out, text, len);
    } else if (len == 0) {
        done = put_value(&out, "null", 4);
    } else {
        done = put_value(&out, text, len);
    }
    run->state = set_response(run, &out) && done ? TOOL_DONE : TOOL_FAILED;
    buf_deinit(&out);
    return true;
}

bool tool_run_abort(struct tool_run *run, const char *text)
{
    struct buf out;

    if (is_over(run))
        return false;
    buf_init(&out, TOOL_RUN_MAX_RESULT_BYTES + 64);
    put_error(&out, text, strlen(text));
    (void)set_response(run, &out);
    run->state = TOOL_CANCELLED;
    buf_deinit(&out);
    return true;
}

void tool_run_replace(struct tool_run *run, const char *json, size_t len)
{
    char *copy = run->response ? strndup(json, len) : NULL;

    if (!copy)
        return;
    free(run->response);
    run->response = copy;
}

bool tool_run_cancel(struct tool_run *run)
{
    bool stopped = !is_over(run);

    run->state = TOOL_CANCELLED;
    free(run->response);
    run->response = NULL;
    return stopped;
}

/* ---- batches ------------------------------------------------------------------------------------
 */

static bool is_taken_back(const struct tool_run *run)
{
    return run->state == TOOL_CANCELLED && !run->response;
}

/* A batch that is not yet complete is over only if nobody wants any of it. */
static bool batch_over(const struct tool_runs *runs, uint64_t batch)
{
    bool wait = batch == runs->batch && runs->due > 0;

    for (size_t i = 0; i < runs->n; i++) {
        const struct tool_run *run = &runs->run[i];
        if (run->batch == batch && !is_taken_back(run) && (wait || !is_over(run)))
            return false;
    }
    return true;
}

static void put_batch(const struct tool_runs *runs, uint64_t batch, struct buf *out)
{
    const char *separator = "[";

    for (size_t i = 0; i < runs->n; i++) {
        const struct tool_run *run = &runs->run[i];
        if (run->batch != batch || is_taken_back(run))
            continue;
        buf_printf(out, "%s{", separator);
        separator = ",";
        if (!run->local_id) {
            buf_puts(out, "\"id\":");
            buf_json_string(out, run->id, strlen(run->id));
            buf_puts(out, ",");
        }
        buf_puts(out, "\"name\":");
        buf_json_string(out, run->name, strlen(run->name));
        buf_puts(out, ",\"response\":");
        buf_puts(out, run->response);
        if (run->scheduling)
            buf_printf(out, ",\"scheduling\":\"%s\"", run->scheduling);
        buf_puts(out, "}");
    }
    if (*separator == ',')
        buf_puts(out, "]");
}

/* Makes room: false if nothing is left that could be shortened. */
static bool shorten_longest(struct tool_runs *runs, uint64_t batch)
{
    struct tool_run *longest = NULL;
    size_t most = sizeof(TOO_LONG) - 1;

    for (size_t i = 0; i < runs->n; i++) {
        struct tool_run *run = &runs->run[i];
        if (run->batch == batch && run->response && strlen(run->response) > most) {
            longest = run;
            most = strlen(run->response);
        }
    }
    if (!longest)
        return false;
    memcpy(longest->response, TOO_LONG, sizeof(TOO_LONG));
    longest->state = TOOL_FAILED;
    return true;
}

static void remove_batch(struct tool_runs *runs, uint64_t batch, tool_runs_over_fn *over, void *ctx)
{
    size_t kept = 0;

    for (size_t i = 0; i < runs->n; i++) {
        struct tool_run *run = &runs->run[i];
        if (run->batch != batch) {
            runs->run[kept++] = *run;
            continue;
        }
        if (over)
            over(ctx, run);
        run_deinit(run);
    }
    runs->n = kept;
    if (kept > 0)
        return;
    free(runs->run); /* most sessions never have a call again for a long while */
    runs->run = NULL;
}

bool tool_runs_take_batch(struct tool_runs *runs, struct buf *results, tool_runs_over_fn *over,
                          void *ctx)
{
    size_t start = results->len;
    bool usable = !results->failed;

    for (size_t i = 0; i < runs->n; i++) {
        uint64_t batch = runs->run[i].batch;
        if (!batch_over(runs, batch))
            continue;
        put_batch(runs, batch, results);
        while (usable && results->failed == ANTIPHON_ETOOBIG && shorten_longest(runs, batch)) {
            buf_truncate(results, start);
            results->failed = ANTIPHON_OK;
            put_batch(runs, batch, results);
        }
        if (results->failed)
            buf_truncate(results, start);
        remove_batch(runs, batch, over, ctx);
        return true;
    }
    return false;
}

uint64_t tool_runs_deadline(const struct tool_runs *runs)
{
    uint64_t earliest = 0;

    for (size_t i = 0; i < runs->n; i++) {
        const struct tool_run *run = &runs->run[i];
        if ((run->state == TOOL_RUNNING || run->state == TOOL_ASKING) && run->deadline_ms &&
            (!earliest || run->deadline_ms < earliest))
            earliest = run->deadline_ms;
    }
    return earliest;
}

bool tool_runs_open(const struct tool_runs *runs)
{
    for (size_t i = 0; i < runs->n; i++) {
        if (!is_over(&runs->run[i]))
            return true;
    }
    return false;
}
