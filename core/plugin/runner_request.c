#include "plugin/runner_impl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/thread.h"
#include "base/banned.h"

struct runner_request {
    struct runner_request *next;
    uint64_t number;
    bool answered, lost; /* a row of the answer, for want of memory */
    struct runner_answer answer;
    struct runner_row **last_row;
};

/* An HTTP request from its being taken to its answer. */
struct http_wait {
    struct pool_job job; /* first */
    antiphon_http_done_fn *done;
    antiphon_http_part_fn *part;
    void *ctx;
    bool enough; /* [events] said part(); the server goes on, and nobody looks */
    struct antiphon_http_response response;
    char *memory; /* owned: the texts of response */
};

static struct runner_request *find(struct runner *runner, uint64_t number)
{
    struct runner_request *request = runner->requests;

    while (request && request->number != number)
        request = request->next;
    return request;
}

static void begin(struct runner *runner, struct runner_request *request)
{
    pthread_mutex_lock(&runner->lock);
    request->number = ++runner->last_request;
    request->last_row = &request->answer.rows;
    request->next = runner->requests;
    runner->requests = request;
    pthread_mutex_unlock(&runner->lock);
}

static void end(struct runner *runner, struct runner_request *request, bool wait)
{
    struct runner_request **at = &runner->requests;

    pthread_mutex_lock(&runner->lock);
    while (wait && !request->answered)
        pthread_cond_wait(&runner->answered, &runner->lock);
    while (*at != request)
        at = &(*at)->next;
    *at = request->next;
    pthread_mutex_unlock(&runner->lock);
}

enum antiphon_status runner_ask(struct runner *runner, struct runner_message *message, struct runner_answer *answer)
{
    struct runner_request request = {0};

    begin(runner, &request);
    message->number = request.number;
    enum antiphon_status status = runner_send(runner, message);
    end(runner, &request, !status);
    *answer = request.answer;
    if (status)
        answer->status = status;
    return answer->status;
}

void runner_answer_deinit(struct runner_answer *answer)
{
    struct runner_row *next;

    for (struct runner_row *row = answer->rows; row; row = next) {
        next = row->next;
        free(row->key);
        free(row->value);
        free(row);
    }
    free(answer->data);
    *answer = (struct runner_answer){0};
}

void runner_on_answer(struct runner *runner, const struct runner_message *message)
{
    pthread_mutex_lock(&runner->lock);
    struct runner_request *request = find(runner, message->number);
    if (request && !request->answered) {
        struct runner_text copy;
        request->answered = true;
        request->answer.status = request->lost ? ANTIPHON_ENOMEM : message->status;
        if (message->text[0].data) {
            request->answer.data = runner_copy_texts(message, 1, &copy);
            request->answer.len = message->text[0].len;
            if (!request->answer.data)
                request->answer.status = ANTIPHON_ENOMEM;
        }
        pthread_cond_broadcast(&runner->answered);
    }
    pthread_mutex_unlock(&runner->lock);
}

static struct runner_row *row_new(const struct runner_message *message)
{
    struct runner_row *row = calloc(1, sizeof(*row));

    if (!row)
        return NULL;
    row->updated_ms = (int64_t)message->value[0];
    row->key = strdup(message->text[0].data);
    row->value = malloc(message->text[1].len + 1);
    row->len = message->text[1].len;
    if (row->key && row->value) {
        memcpy(row->value, message->text[1].data, row->len + 1);
        return row;
    }
    free(row->key);
    free(row->value);
    free(row);
    return NULL;
}

void runner_on_row(struct runner *runner, const struct runner_message *message)
{
    pthread_mutex_lock(&runner->lock);
    struct runner_request *request = find(runner, message->number);
    struct runner_row *row = request && !request->answered ? row_new(message) : NULL;
    if (request && !row)
        request->lost = true;
    if (row) {
        *request->last_row = row;
        request->last_row = &row->next;
    }
    pthread_mutex_unlock(&runner->lock);
}

/* ---- HTTP ---- */

static void run_http_done(struct pool_job *job, bool dropped)
{
    struct http_wait *wait = (struct http_wait *)job;

    if (wait->enough)
        wait->response.status = ANTIPHON_ECANCELLED;
    if (!dropped)
        wait->done(wait->ctx, &wait->response);
    free(wait->memory);
    free(wait);
}

struct http_part {
    struct pool_job job; /* first */
    struct http_wait *wait;
    struct antiphon_http_response response;
    char *memory; /* owned: its texts */
};

static void run_http_part(struct pool_job *job, bool dropped)
{
    struct http_part *part = (struct http_part *)job;

    if (!dropped && !part->wait->enough)
        part->wait->enough = !part->wait->part(part->wait->ctx, &part->response);
    free(part->memory);
    free(part);
}

void runner_on_http_part(struct runner *runner, const struct runner_message *message)
{
    struct http_part *part = calloc(1, sizeof(*part));
    struct runner_text texts[2];

    if (part)
        part->memory = runner_copy_texts(message, 2, texts);
    if (!part || !part->memory)
        _exit(RUNNER_EXIT_LOST); /* a body with a hole in it would be believed */
    part->wait = (struct http_wait *)(uintptr_t)message->value[1];
    part->response = (struct antiphon_http_response){.struct_size = sizeof(part->response),
                                                     .http_status = (int32_t)message->value[0],
                                                     .headers = texts[0].data,
                                                     .body = texts[1].data,
                                                     .body_len = texts[1].len};
    part->job.run = run_http_part;
    if (pool_submit(runner->events_pool, &part->job))
        _exit(RUNNER_EXIT_LOST);
}

void runner_on_http_done(struct runner *runner, const struct runner_message *message)
{
    /* The server gives back what it was given with the request; it is believed, not the other way round. */
    struct http_wait *wait = (struct http_wait *)(uintptr_t)message->value[1];
    struct runner_text texts[3];

    wait->memory = runner_copy_texts(message, 3, texts);
    wait->response = (struct antiphon_http_response){.struct_size = sizeof(wait->response),
                                                     .status = message->status,
                                                     .http_status = (int32_t)message->value[0]};
    if (wait->memory) {
        wait->response.error = texts[0].data;
        wait->response.headers = texts[1].data;
        wait->response.body = texts[2].data;
        wait->response.body_len = texts[2].len;
    } else {
        wait->response.status = ANTIPHON_ENOMEM;
        wait->response.error = "out of memory";
        wait->response.headers = wait->response.body = "";
    }
    wait->job.run = run_http_done;
    if (pool_submit(runner->events_pool, &wait->job))
        run_http_done(&wait->job, true);
}

static enum antiphon_status join_headers(const char *const *headers, struct buf *out)
{
    buf_init(out, (size_t)256 << 10);
    buf_reserve(out, 1);
    for (size_t i = 0; headers && headers[i]; i++)
        buf_append(out, headers[i], strlen(headers[i]) + 1);
    return buf_status(out);
}

enum antiphon_status runner_http(struct runner *runner, const struct antiphon_http_request *request,
                                 antiphon_http_done_fn *done, void *done_ctx)
{
    struct http_wait *wait = calloc(1, sizeof(*wait));
    struct runner_answer answer = {0};
    struct buf headers = {0};
    enum antiphon_status status = wait ? join_headers(request->headers, &headers) : ANTIPHON_ENOMEM;

    if (!status) {
        wait->done = done;
        wait->ctx = done_ctx;
        wait->part = request->part;
        struct runner_message message = {
            .type = RUNNER_HTTP,
            .flags = request->flags | (request->part ? RUNNER_HTTP_PARTS : 0),
            .value = {(uint64_t)request->timeout_ms << 32 | request->max_body, (uint64_t)(uintptr_t)wait},
            .text = {runner_text(request->method),
                     runner_text(request->url),
                     {headers.data, headers.len},
                     {request->body_len ? request->body : NULL, request->body_len}}};
        status = runner_ask(runner, &message, &answer);
        runner_answer_deinit(&answer);
    }
    buf_deinit(&headers);
    if (status)
        free(wait);
    return status;
}
