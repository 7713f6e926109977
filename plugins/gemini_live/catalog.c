#include "catalog.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"

struct catalog {
    pthread_mutex_t lock;
    const struct antiphon_host *host;
    antiphon_sink sink;
    unsigned refs; /* the asker and the request */
    bool dropped, settled;
    struct text ids;
};

static bool has_live(struct value model)
{
    struct value methods =
        reader_get(model, "supportedGenerationMethods", "supported_generation_methods");
    struct value method;
    if (!reader_is(methods, '['))
        return false;
    struct reader r = reader_open(methods);
    while (reader_element(&r, &method))
        if (reader_is(method, '"') &&
            reader_equals((struct value){method.p + 1, method.n - 2}, "bidiGenerateContent"))
            return true;
    return false;
}

static bool is_id(const char *id)
{
    return *id && strlen(id) <= 96 &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/") ==
               strlen(id);
}

/* Appends the id of one entry of the listing, if it is a live model; 1 if it did. */
static size_t add_id(struct value model, bool first, struct text *out)
{
    struct text name = {0};
    const char *id = NULL;
    if (has_live(model) && reader_string(reader_get(model, "name", NULL), &name) && !name.failed)
        id = strncmp(name.data, "models/", 7) == 0 ? name.data + 7 : name.data;
    bool good = id && is_id(id);
    if (good) {
        text_puts(out, first ? "" : ", ");
        text_puts(out, id);
    }
    text_free(&name);
    return good;
}

void catalog_ids(const char *json, size_t len, struct text *out)
{
    struct value listing, models, model;
    size_t where, n = 0;
    if (!json || !reader_check(json, len, &listing, &where))
        return;
    models = reader_get(listing, "models", NULL);
    if (!reader_is(models, '['))
        return;
    struct reader r = reader_open(models);
    while (n < CATALOG_MAX_IDS && reader_element(&r, &model))
        n += add_id(model, n == 0, out);
}

static void unlock_and_drop(struct catalog *catalog)
{
    bool last = --catalog->refs == 0;
    pthread_mutex_unlock(&catalog->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&catalog->lock);
    text_free(&catalog->ids);
    free(catalog);
}

static void on_listing(void *ctx, const struct antiphon_http_response *response)
{
    struct catalog *catalog = ctx;
    pthread_mutex_lock(&catalog->lock);
    if (!catalog->dropped) {
        if (response->status == ANTIPHON_OK && response->http_status == 200)
            catalog_ids(response->body, response->body_len, &catalog->ids);
        catalog->settled = true;
        catalog->host->wake(catalog->host, catalog->sink);
    }
    unlock_and_drop(catalog);
}

static enum antiphon_status ask(struct catalog *catalog, const struct backend *backend)
{
    const char *headers[] = {"x-goog-api-key", backend->key, NULL};
    struct text url = {0};
    backend_models_url(backend, &url);
    struct antiphon_http_request request = {
        .struct_size = sizeof request,
        .timeout_ms = CATALOG_TIMEOUT_MS,
        .flags = backend->overridden ? ANTIPHON_HTTP_ALLOW_PRIVATE : 0,
        .method = "GET",
        .url = url.data,
        .headers = headers,
    };
    enum antiphon_status status =
        url.failed ? ANTIPHON_ENOMEM
                   : catalog->host->http(catalog->host, &request, on_listing, catalog);
    text_free(&url);
    return status;
}

struct catalog *catalog_ask(const struct antiphon_host *host, antiphon_sink sink,
                            const struct backend *backend)
{
    struct catalog *catalog =
        !backend->vertex && backend->auth == BACKEND_KEY ? calloc(1, sizeof *catalog) : NULL;
    if (!catalog)
        return NULL;
    pthread_mutex_init(&catalog->lock, NULL);
    catalog->host = host;
    catalog->sink = sink;
    catalog->refs = 2;
    if (ask(catalog, backend) == ANTIPHON_OK)
        return catalog;
    catalog->refs = 1;
    catalog_free(catalog);
    return NULL;
}

bool catalog_answer(struct catalog *catalog, struct text *out)
{
    pthread_mutex_lock(&catalog->lock);
    bool settled = catalog->settled;
    if (settled && catalog->ids.len && !catalog->ids.failed)
        text_add(out, catalog->ids.data, catalog->ids.len);
    pthread_mutex_unlock(&catalog->lock);
    return settled;
}

void catalog_free(struct catalog *catalog)
{
    if (!catalog)
        return;
    pthread_mutex_lock(&catalog->lock);
    catalog->dropped = true;
    unlock_and_drop(catalog);
}
