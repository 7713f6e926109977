#include "plugin/host_impl.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/clock.h"
#include "base/thread.h"
#include "plugin/registration.h"
#include "base/banned.h"

#define MAX_HEADERS      64
#define MAX_FILLED_BYTES ((size_t)16 << 20) /* of headers and body with their secrets */

/* ---- what the manifest permits ------------------------------------------------------------------------ */

/* The host of a URL as curl will understand it; false where the two of us could disagree. */
static bool host_of_url(const char *url, char *host, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    const char *at = strstr(url, "://");
    size_t len;

    if (!at)
        return false;
    at += 3;
    if (*at == '[') {
        at++;
        len = strspn(at, "0123456789abcdefABCDEF:.");
        if (at[len] != ']' || !strchr(":/?#", at[len + 1]))
            return false;
    } else {
        len = strspn(at, plain);
        if (!strchr(":/?#", at[len]))
            return false;
    }
    if (len == 0 || len >= size)
        return false;
    const char *port = at + len + (at[len] == ']');
    if (*port == ':' && !strchr("/?#", port[1 + strspn(port + 1, "0123456789")]))
        return false;
    memcpy(host, at, len);
    host[len] = '\0';
    return true;
}

static enum antiphon_status check_permission(const struct host *host, struct antiphon_http_request *request)
{
    char name[256];

    if (!host->manifest)
        return ANTIPHON_OK;
    if ((request->flags & ANTIPHON_HTTP_ALLOW_PRIVATE) && !manifest_permits(host->manifest, "private")) {
        log_error(host->name, "http() to private addresses was refused: the manifest does not ask for \"private\"");
        return ANTIPHON_EDENIED;
    }
    if (manifest_permits_host(host->manifest, "")) /* any */
        return ANTIPHON_OK;
    if (!host_of_url(request->url, name, sizeof(name)) || !manifest_permits_host(host->manifest, name)) {
        log_error(host->name, "http() was refused: the manifest does not ask for that host under \"http\"");
        return ANTIPHON_EDENIED;
    }
    request->flags |= ANTIPHON_HTTP_NO_REDIRECT;
    return ANTIPHON_OK;
}

/* ---- secrets ------------------------------------------------------------------------------------------- */

/* A request with its secrets filled in: everything in one piece of memory, which is wiped. */
struct filled {
    struct buf text;
    const char *headers[2 * MAX_HEADERS + 1];
    size_t at[2 * MAX_HEADERS + 1]; /* places in text; 0: taken over as it is */
};

static bool wants_secrets(const struct antiphon_http_request *request)
{
    if (request->body_len && secrets_wanted(request->body, request->body_len))
        return true;
    for (size_t i = 0; request->headers && request->headers[i] && request->headers[i + 1]; i += 2) {
        if (secrets_wanted(request->headers[i + 1], strlen(request->headers[i + 1])))
            return true;
    }
    return false;
}

static enum antiphon_status fill(const struct secrets *secrets, struct antiphon_http_request *request,
                                 struct filled *filled)
{
    struct buf *text = &filled->text;
    /* At once, so that growing leaves no copies behind where it can be helped. */
    enum antiphon_status status = buf_reserve(text, request->body_len + 16384);
    size_t n = 0, body;

    if (!status)
        status = buf_append(text, "", 1);

    while (!status && request->headers && request->headers[n] && request->headers[n + 1]) {
        if (n == 2 * MAX_HEADERS)
            return ANTIPHON_ETOOBIG;
        filled->headers[n] = request->headers[n];
        filled->at[n + 1] = text->len;
        status = secrets_fill(secrets, request->headers[n + 1], strlen(request->headers[n + 1]), text);
        if (!status)
            status = buf_append(text, "", 1);
        n += 2;
    }
    body = text->len;
    if (!status && request->body_len)
        status = secrets_fill(secrets, request->body, request->body_len, text);
    if (status)
        return status;
    for (size_t i = 1; i < n; i += 2)
        filled->headers[i] = text->data + filled->at[i];
    filled->headers[n] = NULL;
    request->headers = filled->headers;
    if (request->body_len) {
        request->body = text->data + body;
        request->body_len = text->len - body;
    }
    request->flags |= ANTIPHON_HTTP_NO_REDIRECT;
    return ANTIPHON_OK;
}

static enum antiphon_status send_filled(const struct host *host, struct antiphon_http_request *request,
                                        antiphon_http_done_fn *done, void *done_ctx)
{
    const struct host_services *services = host->services;
    struct filled *filled = calloc(1, sizeof(*filled));
    enum antiphon_status status;

    if (!filled)
        return ANTIPHON_ENOMEM;
    buf_init(&filled->text, MAX_FILLED_BYTES);
    status = fill(host->secrets, request, filled);
    if (status == ANTIPHON_EINVAL)
        log_error(host->name, "http() was refused: the configuration has no secret of that name");
    if (!status)
        status = services->http(services->ctx, request, done, done_ctx);
    if (filled->text.data)
        explicit_bzero(filled->text.data, filled->text.cap);
    buf_deinit(&filled->text);
    free(filled);
    return status;
}

enum antiphon_status host_http(const struct antiphon_host *h, const struct antiphon_http_request *request,
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
    if (secrets_wanted(full.url, strlen(full.url))) {
        log_error(host->name, "http() was refused: a URL never holds a secret");
        return ANTIPHON_EINVAL;
    }
    if (!full.method)
        full.method = full.body ? "POST" : "GET";
    if (!host->services->http)
        return ANTIPHON_EUNAVAILABLE;
    enum antiphon_status status = check_permission(host, &full);
    if (status)
        return status;
    if (host->secrets && wants_secrets(&full))
        return send_filled(host, &full, done, done_ctx);
    return host->services->http(host->services->ctx, &full, done, done_ctx);
}

/* ---- waiting ---------------------------------------------------------------------------------------- */

#define LOOK_MS 20 /* how soon a waiting call notices that it was cancelled */

/* The answer on its way from the HTTP thread to the one that waits. Whoever comes last frees it. */
struct wait {
    pthread_mutex_t mutex;
    pthread_cond_t came;
    bool answered, left; /* under mutex */
    antiphon_http_part_fn *part;
    void *ctx; /* of part */
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

/* Not while wait_for() lets go of the caller's ctx. */
static bool on_part(void *ctx, const struct antiphon_http_response *response)
{
    struct wait *wait = ctx;

    pthread_mutex_lock(&wait->mutex);
    bool more = !wait->left && wait->part(wait->ctx, response);
    pthread_mutex_unlock(&wait->mutex);
    return more;
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
    struct antiphon_http_request full = {0};
    if (!registration_copy(&full, sizeof(full), request, HOST_END_OF(struct antiphon_http_request, body_len)) &&
        full.part) {
        wait->part = full.part;
        wait->ctx = done_ctx;
        full.part = on_part;
        request = &full;
    }
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
