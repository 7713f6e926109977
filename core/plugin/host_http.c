#include "plugin/host_impl.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/clock.h"
#include "base/thread.h"
#include "plugin/registration.h"
#include "base/banned.h"

enum antiphon_status host_http(const struct antiphon_host *h,
                                      const struct antiphon_http_request *request,
                                      antiphon_http_done_fn *done, void *done_ctx)
{
    const struct host *host = host_of(h);
    struct antiphon_http_request full;

    if (registration_copy(&full, sizeof(full), request,
                          HOST_END_OF(struct antiphon_http_request, body_len)) ||
        !full.url || !done || (full.body_len && !full.body)) {
        log_error(host->name, "http() without size, url, body or done() was refused");
        return ANTIPHON_EINVAL;
    }
    if (!full.method)
        full.method = full.body ? "POST" : "GET";
    if (!host->services->http)
        return ANTIPHON_EUNAVAILABLE;
    return host->services->http(host->services->ctx, &full, done, done_ctx);
}

/* ---- waiting ---------------------------------------------------------------------------------------- */

#define LOOK_MS 20 /* how soon a waiting call notices that it was cancelled */

/* The answer on its way from the HTTP thread to the one that waits. Whoever comes last frees it. */
struct wait {
    pthread_mutex_t mutex;
    pthread_cond_t came;
    bool answered, left; /* under mutex */
    struct antiphon_http_response response;
    char *error, *headers, *body; /* owned */
};

static void wait_free(struct wait *wait)
{
    pthread_mutex_destroy(&wait->mutex);
    pthread_cond_destroy(&wait->came);
    free(wait->error);
    free(wait->headers);
    free(wait->body);
    free(wait);
}

static enum antiphon_status wait_new(struct wait **wait)
{
    struct wait *made = calloc(1, sizeof(*made));
    pthread_condattr_t attr;

    if (!made)
        return ANTIPHON_ENOMEM;
    pthread_mutex_init(&made->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&made->came, &attr);
    pthread_condattr_destroy(&attr);
    *wait = made;
    return ANTIPHON_OK;
}

static void keep(struct wait *wait, const struct antiphon_http_response *response)
{
    wait->response = *response;
    wait->error = response->error ? strdup(response->error) : NULL;
    wait->headers = strdup(response->headers ? response->headers : "");
    wait->body = malloc(response->body_len + 1);
    if (!wait->headers || !wait->body || (response->error && !wait->error)) {
        wait->response = (struct antiphon_http_response){.struct_size = sizeof(*response),
                                                         .status = ANTIPHON_ENOMEM,
                                                         .error = "out of memory",
                                                         .headers = "",
                                                         .body = ""};
        return;
    }
    if (response->body_len)
        memcpy(wait->body, response->body, response->body_len);
    wait->body[response->body_len] = '\0';
    wait->response.error = wait->error;
    wait->response.headers = wait->headers;
    wait->response.body = wait->body;
}

static void on_answer(void *ctx, const struct antiphon_http_response *response)
{
    struct wait *wait = ctx;

    pthread_mutex_lock(&wait->mutex);
    bool left = wait->left;
    if (!left) {
        keep(wait, response);
        wait->answered = true;
        pthread_cond_signal(&wait->came);
    }
    pthread_mutex_unlock(&wait->mutex);
    if (left)
        wait_free(wait);
}

/* False: the call was cancelled meanwhile, and on_answer() frees wait. */
static bool wait_for(struct wait *wait, const struct antiphon_host *h, const struct antiphon_call *call)
{
    pthread_mutex_lock(&wait->mutex);
    while (!wait->answered && !(call && host_cancelled(h, call))) {
        uint64_t at = clock_now_ms() + LOOK_MS;
        struct timespec until = {(time_t)(at / 1000), (long)(at % 1000) * 1000000};
        if (call)
            (void)pthread_cond_timedwait(&wait->came, &wait->mutex, &until);
        else
            (void)pthread_cond_wait(&wait->came, &wait->mutex);
    }
    bool answered = wait->answered;
    wait->left = !answered;
    pthread_mutex_unlock(&wait->mutex);
    return answered;
}

enum antiphon_status host_http_wait(const struct antiphon_host *h, const struct antiphon_call *call,
                                    const struct antiphon_http_request *request, antiphon_http_done_fn *done,
                                    void *done_ctx)
{
    static const struct antiphon_http_response given_up = {.struct_size = sizeof(given_up),
                                                           .status = ANTIPHON_ECANCELLED,
                                                           .error = "the call was cancelled",
                                                           .headers = "",
                                                           .body = ""};
    const struct host *host = host_of(h);
    struct wait *wait = NULL;
    enum antiphon_status status;

    if (!done || !thread_may_block()) {
        log_error(host->name, "http_wait() was refused: %s",
                  done ? "it blocks, and this thread must not" : "done() is NULL");
        return done ? ANTIPHON_EDENIED : ANTIPHON_EINVAL;
    }
    status = wait_new(&wait);
    if (status)
        return status;
    status = host_http(h, request, on_answer, wait);
    if (status) {
        wait_free(wait);
        return status;
    }
    if (!wait_for(wait, h, call)) {
        done(done_ctx, &given_up);
        return ANTIPHON_OK;
    }
    done(done_ctx, &wait->response);
    wait_free(wait);
    return ANTIPHON_OK;
}
