#include "token.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "backend.h"

struct token_cache {
    pthread_mutex_t lock;
    const struct antiphon_host *host;
    const struct credentials *credentials;
    bool need_project, closed;
    unsigned refs;            /* the owner and the request under way */
    uint64_t now_fetching;    /* number of the fetch under way, 0: none */
    uint64_t fetched;         /* number of the last fetch that ended */
    char *token, *project;    /* owned; secret */
    uint64_t token_number;    /* fetch that brought the token */
    uint64_t good_until_ms;   /* host clock */
    struct token_fault fault; /* of fetch `fetched`; status OK if it succeeded */
    antiphon_sink *waiters;   /* owned */
    size_t waiters_n, waiters_cap;
};

static void free_secret(char *secret)
{
    if (secret)
        OPENSSL_cleanse(secret, strlen(secret));
    free(secret);
}

struct token_cache *token_cache_new(const struct antiphon_host *host,
                                    const struct credentials *credentials, bool need_project)
{
    struct token_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return NULL;
    pthread_mutex_init(&cache->lock, NULL);
    cache->host = host;
    cache->credentials = credentials;
    cache->need_project = need_project;
    cache->refs = 1;
    return cache;
}

/* Unlocks, and frees if that was the last reference. */
static void unlock_and_drop(struct token_cache *cache)
{
    bool last = --cache->refs == 0;
    pthread_mutex_unlock(&cache->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&cache->lock);
    free_secret(cache->token);
    free(cache->project);
    free(cache->waiters);
    free(cache);
}

void token_cache_free(struct token_cache *cache)
{
    if (!cache)
        return;
    pthread_mutex_lock(&cache->lock);
    cache->closed = true;
    unlock_and_drop(cache);
}

void token_free(struct token *token)
{
    free_secret(token->text);
    free(token->project);
    *token = (struct token){0};
}

/* ---- what went wrong ------------------------------------------------------------------------- */

static void set_fault(struct token_fault *fault, enum antiphon_status status, const char *cause,
                      const char *next)
{
    fault->status = status;
    snprintf(fault->cause, sizeof fault->cause, "%s", cause);
    snprintf(fault->next, sizeof fault->next, "%s", next);
}

static void fault_of_answer(struct token_fault *fault, enum credentials_kind kind, int http)
{
    static const char *const causes[] = {
        [CREDENTIALS_SERVICE_ACCOUNT] = "Google refused the service account's key",
        [CREDENTIALS_USER] = "The Google sign-in has expired or was revoked",
        [CREDENTIALS_METADATA] = "The metadata server gave no access token",
    };
    static const char *const nexts[] = {
        [CREDENTIALS_SERVICE_ACCOUNT] =
            "Check that the key still exists and that the clock is right.",
        [CREDENTIALS_USER] = "Run gcloud auth application-default login, then restart.",
        [CREDENTIALS_METADATA] = "Give the machine a service account with access to Vertex AI.",
    };
    char cause[128];
    snprintf(cause, sizeof cause, "%s (HTTP %d).", causes[kind], http);
    set_fault(fault, ANTIPHON_EDENIED, cause, nexts[kind]);
}

static void fault_of_transfer(struct token_fault *fault, enum credentials_kind kind,
                              enum antiphon_status status)
{
    if (kind == CREDENTIALS_METADATA)
        set_fault(
            fault, status,
            "No Google credentials: no file was found and no metadata server answers.",
            "Set GOOGLE_APPLICATION_CREDENTIALS, or run gcloud auth application-default login.");
    else
        set_fault(fault, status, "Google's sign-in server could not be reached.",
                  "Check the network and a proxy (https_proxy), then try again.");
}

/* ---- fetching -------------------------------------------------------------------------------- */

static bool has_flavor(const char *headers)
{
    return headers && strcasestr(headers, "metadata-flavor: google") != NULL;
}

static void on_token(void *ctx, const struct antiphon_http_response *response);
static void on_project(void *ctx, const struct antiphon_http_response *response);

static enum antiphon_status ask_metadata(struct token_cache *cache, const char *path,
                                         antiphon_http_done_fn *done)
{
    static const char *const headers[] = {"Metadata-Flavor", "Google", NULL};
    struct text url = {0};
    text_printf(&url, "http://%s/computeMetadata/v1/%s", cache->credentials->metadata_host, path);
    struct antiphon_http_request request = {
        .struct_size = sizeof request,
        .timeout_ms = TOKEN_TIMEOUT_MS,
        .max_body = 64 * 1024,
        .flags = ANTIPHON_HTTP_ALLOW_PRIVATE,
        .method = "GET",
        .url = url.data,
        .headers = headers,
    };
    enum antiphon_status status =
        url.failed ? ANTIPHON_ENOMEM : cache->host->http(cache->host, &request, done, cache);
    text_free(&url);
    return status;
}

static enum antiphon_status ask_endpoint(struct token_cache *cache)
{
    static const char *const headers[] = {"Content-Type", "application/x-www-form-urlencoded",
                                          NULL};
    struct text form = {0};
    enum antiphon_status status = credentials_form(cache->credentials, time(NULL), &form);
    struct antiphon_http_request request = {
        .struct_size = sizeof request,
        .timeout_ms = TOKEN_TIMEOUT_MS,
        .max_body = 64 * 1024,
        .flags =
            backend_is_loopback(cache->credentials->token_uri) ? ANTIPHON_HTTP_ALLOW_PRIVATE : 0,
        .method = "POST",
        .url = cache->credentials->token_uri,
        .headers = headers,
        .body = form.data,
        .body_len = form.len,
    };
    if (status == ANTIPHON_OK)
        status = cache->host->http(cache->host, &request, on_token, cache);
    if (form.data)
        OPENSSL_cleanse(form.data, form.len);
    text_free(&form);
    return status;
}

static enum antiphon_status start(struct token_cache *cache)
{
    if (cache->credentials->kind != CREDENTIALS_METADATA)
        return ask_endpoint(cache);
    return ask_metadata(cache,
                        "instance/service-accounts/default/token?scopes="
                        "https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform",
                        on_token);
}

/* The fetch is over. The lock is held, so that the host outlives the wake-ups: token_cache_free()
 * waits for us. */
static void end_fetch(struct token_cache *cache)
{
    const struct antiphon_host *host = cache->host;
    cache->fetched = cache->now_fetching;
    cache->now_fetching = 0;
    for (size_t i = 0; !cache->closed && i < cache->waiters_n; i++)
        host->wake(host, cache->waiters[i]);
    free(cache->waiters);
    cache->waiters = NULL;
    cache->waiters_n = cache->waiters_cap = 0;
}

static bool take_answer(struct token_cache *cache, const struct antiphon_http_response *response)
{
    enum credentials_kind kind = cache->credentials->kind;
    char *token = NULL;
    int64_t seconds = 0;
    if (response->status != ANTIPHON_OK) {
        fault_of_transfer(&cache->fault, kind, response->status);
        return false;
    }
    bool ours = kind != CREDENTIALS_METADATA || has_flavor(response->headers);
    if (response->http_status != 200 || !ours ||
        credentials_answer(response->body, response->body_len, &token, &seconds) != ANTIPHON_OK) {
        fault_of_answer(&cache->fault, kind, response->http_status);
        return false;
    }
    free_secret(cache->token);
    cache->token = token;
    cache->token_number = cache->now_fetching;
    cache->good_until_ms = cache->host->now_ms(cache->host) + (uint64_t)seconds * 1000;
    cache->fault.status = ANTIPHON_OK;
    return true;
}

static void on_token(void *ctx, const struct antiphon_http_response *response)
{
    struct token_cache *cache = ctx;
    pthread_mutex_lock(&cache->lock);
    bool more = !cache->closed && take_answer(cache, response) && cache->need_project &&
                !cache->project && cache->credentials->kind == CREDENTIALS_METADATA;
    if (more) {
        enum antiphon_status status = ask_metadata(cache, "project/project-id", on_project);
        if (status == ANTIPHON_OK) { /* the reference goes on to that request */
            pthread_mutex_unlock(&cache->lock);
            return;
        }
        fault_of_transfer(&cache->fault, CREDENTIALS_METADATA, status);
    }
    end_fetch(cache);
    unlock_and_drop(cache);
}

static void on_project(void *ctx, const struct antiphon_http_response *response)
{
    struct token_cache *cache = ctx;
    pthread_mutex_lock(&cache->lock);
    size_t n = response->body_len;
    bool ok = response->status == ANTIPHON_OK && response->http_status == 200 && n > 0 && n < 128;
    if (ok)
        cache->project = strndup(response->body, n);
    for (const char *p = cache->project; p && *p; p++)
        ok &= (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '-' || *p == ':' ||
              *p == '.';
    if (!ok || !cache->project) {
        free(cache->project);
        cache->project = NULL;
        set_fault(&cache->fault, ANTIPHON_EINVAL, "No Google Cloud project is set.",
                  "Set GOOGLE_CLOUD_PROJECT.");
    }
    end_fetch(cache);
    unlock_and_drop(cache);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static bool add_waiter(struct token_cache *cache, antiphon_sink sink)
{
    if (cache->waiters_n == TOKEN_MAX_WAITERS)
        return false;
    if (cache->waiters_n == cache->waiters_cap) {
        size_t cap = cache->waiters_cap ? cache->waiters_cap * 2 : 16;
        antiphon_sink *waiters = realloc(cache->waiters, cap * sizeof *waiters);
        if (!waiters)
            return false;
        cache->waiters = waiters;
        cache->waiters_cap = cap;
    }
    cache->waiters[cache->waiters_n++] = sink;
    return true;
}

static bool is_good(const struct token_cache *cache, uint64_t spare_s)
{
    return cache->token &&
           (!cache->need_project || cache->project ||
            cache->credentials->kind != CREDENTIALS_METADATA) &&
           cache->host->now_ms(cache->host) + spare_s * 1000 < cache->good_until_ms;
}

static enum antiphon_status give(const struct token_cache *cache, struct token *token,
                                 struct token_fault *fault)
{
    *token = (struct token){strdup(cache->token), cache->project ? strdup(cache->project) : NULL,
                            cache->token_number};
    if (token->text && (token->project || !cache->project))
        return ANTIPHON_OK;
    token_free(token);
    set_fault(fault, ANTIPHON_ENOMEM, "The server is out of memory.", "Try again later.");
    return ANTIPHON_ENOMEM;
}

/* The lock is held; the answer comes on another thread. */
static void fetch(struct token_cache *cache, uint64_t number)
{
    cache->now_fetching = number;
    enum antiphon_status status = start(cache);
    if (status == ANTIPHON_OK) {
        cache->refs++;
        return;
    }
    fault_of_transfer(&cache->fault, cache->credentials->kind, status);
    end_fetch(cache);
}

enum antiphon_status token_get(struct token_cache *cache, antiphon_sink sink, uint64_t *ticket,
                               struct token *token, struct token_fault *fault)
{
    enum antiphon_status status = ANTIPHON_EBUSY;
    pthread_mutex_lock(&cache->lock);
    bool ended = *ticket && cache->fetched >= *ticket;
    /* What was fetched for this asker is given to it, however short its life. */
    bool good = is_good(cache, ended ? 0 : TOKEN_SPARE_S);
    if (!good && ended && cache->fault.status == ANTIPHON_OK) {
        /* Refused to somebody else in the meantime. */
        *ticket = 0;
        ended = false;
    }
    if (!good && ended) {
        *fault = cache->fault;
        status = fault->status;
    } else if (!good && *ticket == 0) {
        bool waits = add_waiter(cache, sink);
        *ticket = cache->now_fetching ? cache->now_fetching : cache->fetched + 1;
        if (!waits) {
            set_fault(fault, ANTIPHON_EUNAVAILABLE, "Too many connections wait to sign in.",
                      "Try again in a moment.");
            status = ANTIPHON_EUNAVAILABLE;
        } else if (!cache->now_fetching) {
            fetch(cache, *ticket);
        }
    } else if (good) {
        if (!is_good(cache, TOKEN_REFRESH_S) && !cache->now_fetching)
            fetch(cache, cache->fetched + 1);
        status = give(cache, token, fault);
    }
    pthread_mutex_unlock(&cache->lock);
    return status;
}

void token_refused(struct token_cache *cache, uint64_t number)
{
    pthread_mutex_lock(&cache->lock);
    if (cache->token_number == number)
        cache->good_until_ms = 0;
    pthread_mutex_unlock(&cache->lock);
}
