#include "plugin/isolate_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/banned.h"

#define MAX_BODY    ((uint32_t)4 << 20) /* bytes of an HTTP answer */
#define MAX_HEADERS 64

static struct runner_message answer_to(uint64_t number, enum antiphon_status status)
{
    return (struct runner_message){
        .type = RUNNER_ANSWER, .number = number, .status = status > ANTIPHON_OK ? ANTIPHON_EINTERNAL : status};
}

static void answer(struct isolate_gen *gen, const struct runner_message *message, enum antiphon_status status)
{
    const struct runner_message reply = answer_to(message->number, status);

    isolate_reply(gen, gen->incarnation, &reply);
}

/* ---- about a call ---- */

static void state_get(struct isolate_gen *gen, const struct runner_message *message, struct antiphon_call *call)
{
    const struct antiphon_host *h = host_table(gen->host);
    char *value = malloc(HOST_MAX_JSON + 1);
    size_t len = 0;
    enum antiphon_status status =
        value ? h->state_get(h, call, message->text[0].data, value, HOST_MAX_JSON + 1, &len) : ANTIPHON_ENOMEM;
    struct runner_message reply = answer_to(message->number, status);

    if (!status)
        reply.text[0] = (struct runner_text){value, len};
    isolate_reply(gen, gen->incarnation, &reply);
    free(value);
}

static void about_call(struct isolate_gen *gen, const struct runner_message *message)
{
    const struct antiphon_host *h = host_table(gen->host);
    struct antiphon_call *call = isolate_call_find(gen, message->value[0]);
    const struct runner_text *text = message->text;
    enum antiphon_status status = ANTIPHON_ECANCELLED; /* the call has ended */

    if (call && message->type == RUNNER_STATE_GET) {
        state_get(gen, message, call);
        return;
    }
    if (call && message->type == RUNNER_RECEIPT)
        status = h->receipt(h, call, text[0].data, text[0].len);
    else if (call && message->type == RUNNER_PUBLISH)
        status = h->publish(h, call, text[0].data, text[1].data, text[1].len);
    else if (call)
        status = h->state_set(h, call, text[0].data, text[1].data, text[1].len);
    answer(gen, message, status);
}

/* ---- what may block: on a worker ---- */

struct job {
    struct pool_job job; /* first */
    struct isolate_gen *gen;
    unsigned incarnation;
    struct runner_message message;
    char *texts; /* owned */
};

static void store_get(struct job *job)
{
    const struct antiphon_host *h = host_table(job->gen->host);
    char *value = malloc(HOST_MAX_JSON + 1);
    size_t len = 0;
    enum antiphon_status status = value ? h->store_get(h, job->message.text[0].data, job->message.text[1].data, value,
                                                       HOST_MAX_JSON + 1, &len)
                                        : ANTIPHON_ENOMEM;
    struct runner_message reply = answer_to(job->message.number, status);

    if (!status)
        reply.text[0] = (struct runner_text){value, len};
    isolate_reply(job->gen, job->incarnation, &reply);
    free(value);
}

static bool send_row(void *ctx, const struct antiphon_row *row)
{
    struct job *job = ctx;
    const struct runner_message message = {.type = RUNNER_ROW,
                                           .number = job->message.number,
                                           .value = {(uint64_t)row->updated_ms},
                                           .text = {runner_text(row->key), {row->value, row->len}}};

    isolate_reply(job->gen, job->incarnation, &message);
    return true;
}

static void run_job(struct pool_job *pool_job, bool dropped)
{
    struct job *job = (struct job *)pool_job;
    const struct antiphon_host *h = host_table(job->gen->host);
    const struct runner_text *text = job->message.text;
    enum antiphon_status status = ANTIPHON_EUNAVAILABLE;

    if (!dropped && job->message.type == RUNNER_STORE_GET) {
        store_get(job);
    } else {
        if (!dropped && job->message.type == RUNNER_STORE_PUT) {
            status = h->store_put(h, text[0].data, text[1].data, text[2].data, text[2].len);
        } else if (!dropped && job->message.type == RUNNER_STORE_FIND) {
            const struct antiphon_store_query query = {.struct_size = sizeof(query),
                                                       .limit = (uint32_t)job->message.value[0],
                                                       .user_id = text[0].data,
                                                       .prefix = text[1].data,
                                                       .text = text[2].data};
            status = h->store_find(h, &query, send_row, job);
        } else if (!dropped) {
            const struct antiphon_notice notice = {.struct_size = sizeof(notice),
                                                   .ttl_s = (uint32_t)job->message.value[0],
                                                   .app = text[0].data,
                                                   .user_id = text[1].data,
                                                   .session_id = text[2].data,
                                                   .text = text[3].data,
                                                   .len = text[3].len};
            status = h->notify(h, &notice);
        }
        const struct runner_message reply = answer_to(job->message.number, status);
        isolate_reply(job->gen, job->incarnation, &reply);
    }
    atomic_fetch_sub(&job->gen->requests, 1);
    free(job->texts);
    free(job);
}

static char *copy_texts(const struct runner_message *from, struct runner_message *to)
{
    size_t size = 1;

    for (unsigned i = 0; i < RUNNER_MAX_TEXTS; i++)
        size += from->text[i].data ? from->text[i].len + 1 : 0;
    char *memory = malloc(size), *at = memory;
    *to = *from;
    for (unsigned i = 0; memory && i < RUNNER_MAX_TEXTS; i++) {
        if (!from->text[i].data)
            continue;
        to->text[i].data = memcpy(at, from->text[i].data, from->text[i].len + 1);
        at += from->text[i].len + 1;
    }
    return memory;
}

static void on_worker(struct isolate_gen *gen, const struct runner_message *message)
{
    struct job *job = calloc(1, sizeof(*job));

    if (job)
        job->texts = copy_texts(message, &job->message);
    if (!job || !job->texts) {
        free(job);
        answer(gen, message, ANTIPHON_ENOMEM);
        return;
    }
    job->job.run = run_job;
    job->gen = gen;
    job->incarnation = gen->incarnation;
    atomic_fetch_add(&gen->requests, 1);
    enum antiphon_status status = pool_submit(gen->isolate->io, &job->job);
    if (status) {
        atomic_fetch_sub(&gen->requests, 1);
        free(job->texts);
        free(job);
        answer(gen, message, status);
    }
}

/* ---- HTTP ---- */

struct http_wait {
    struct isolate_gen *gen;
    unsigned incarnation;
    uint64_t number, back;
};

/* [http] */
static void on_http_done(void *ctx, const struct antiphon_http_response *response)
{
    struct http_wait *wait = ctx;
    const struct runner_message message = {
        .type = RUNNER_HTTP_DONE,
        .status = response->status,
        .number = wait->number,
        .value = {(uint64_t)(uint32_t)response->http_status, wait->back},
        .text = {runner_text(response->error), runner_text(response->headers ? response->headers : ""),
                 {response->body_len ? response->body : "", response->body_len}}};

    isolate_reply(wait->gen, wait->incarnation, &message);
    atomic_fetch_sub(&wait->gen->requests, 1);
    free(wait);
}

/* [http] The runner says nothing back: it stops looking by itself. A body with a hole in it ends here. */
static bool on_http_part(void *ctx, const struct antiphon_http_response *response)
{
    const struct http_wait *wait = ctx;
    const struct runner_message message = {
        .type = RUNNER_HTTP_PART,
        .number = wait->number,
        .value = {(uint64_t)(uint32_t)response->http_status, wait->back},
        .text = {runner_text(response->headers ? response->headers : ""), {response->body, response->body_len}}};

    return isolate_reply(wait->gen, wait->incarnation, &message) == ANTIPHON_OK;
}

/* name NUL value NUL ... into an array; false: not that. */
static bool split_headers(const struct runner_text *joined, const char **headers)
{
    const char *at = joined->data, *end = at + joined->len;
    size_t n = 0;

    while (at < end && n < 2 * MAX_HEADERS) {
        headers[n++] = at;
        at += strlen(at) + 1; /* a NUL follows the last byte in any case */
    }
    headers[n] = NULL;
    return at >= end && n % 2 == 0;
}

static void on_http(struct isolate_gen *gen, const struct runner_message *message)
{
    const struct antiphon_host *h = host_table(gen->host);
    const char *headers[2 * MAX_HEADERS + 1];
    struct http_wait *wait = NULL;
    uint32_t max_body = (uint32_t)message->value[0];
    enum antiphon_status status = ANTIPHON_EINVAL;

    if (split_headers(&message->text[2], headers)) {
        const struct antiphon_http_request request = {.struct_size = sizeof(request),
                                                      .timeout_ms = (uint32_t)(message->value[0] >> 32),
                                                      .max_body = max_body < MAX_BODY ? max_body : MAX_BODY,
                                                      .flags = message->flags & ~RUNNER_HTTP_PARTS,
                                                      .part = message->flags & RUNNER_HTTP_PARTS ? on_http_part : NULL,
                                                      .method = message->text[0].data,
                                                      .url = message->text[1].data,
                                                      .headers = headers,
                                                      .body = message->text[3].data,
                                                      .body_len = message->text[3].len};
        wait = calloc(1, sizeof(*wait));
        status = ANTIPHON_ENOMEM;
        if (wait) {
            *wait = (struct http_wait){gen, gen->incarnation, message->number, message->value[1]};
            atomic_fetch_add(&gen->requests, 1);
            status = h->http(h, &request, on_http_done, wait);
        }
    }
    if (status && wait)
        atomic_fetch_sub(&gen->requests, 1);
    if (status)
        free(wait);
    answer(gen, message, status);
}

void isolate_on_request(struct isolate_gen *gen, const struct runner_message *message)
{
    switch (message->type) {
    case RUNNER_RECEIPT:
    case RUNNER_PUBLISH:
    case RUNNER_STATE_GET:
    case RUNNER_STATE_SET: about_call(gen, message); break;
    case RUNNER_STORE_GET:
    case RUNNER_STORE_PUT:
    case RUNNER_STORE_FIND:
    case RUNNER_NOTIFY: on_worker(gen, message); break;
    case RUNNER_HTTP: on_http(gen, message); break;
    default: isolate_kill(gen, "broke the protocol: sent %s", runner_type_name(message->type)); break;
    }
}
