#include "backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEVELOPER_BASE "https://generativelanguage.googleapis.com"
#define MAX_BASE_BYTES 1024
#define NO_CREDENTIALS                                                                             \
    "no Gemini credentials: set GOOGLE_API_KEY (https://aistudio.google.com/apikey) in .env or "   \
    "the "                                                                                         \
    "environment, or the Vertex variables, or start with --demo"

const char *backend_setting(const cJSON *config, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(config, name));
    return text && *text ? text : NULL;
}

bool backend_switch(const cJSON *config, const char *name)
{
    const char *text = backend_setting(config, name);
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(config, name)) ||
           (text && (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0));
}

bool backend_is_loopback(const char *url)
{
    const char *host = strstr(url, "://");
    if (!host)
        return false;
    host += 3;
    size_t n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    return (n == 9 &&
            (strncmp(host, "127.0.0.1", n) == 0 || strncasecmp(host, "localhost", n) == 0)) ||
           (n == 5 && strncmp(host, "[::1]", n) == 0);
}

static bool is_base(const char *url)
{
    static const char *const schemes[] = {"http://", "https://", "ws://", "wss://"};
    const char *host = NULL;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncasecmp(url, schemes[i], strlen(schemes[i])) == 0)
            host = url + strlen(schemes[i]);
    if (!host || strlen(url) > MAX_BASE_BYTES || strcspn(host, "/:") == 0)
        return false;
    for (const char *p = host; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || strchr("?#@\\\"<>", *p))
            return false;
    return true;
}

/* What is put into a host name or path must not change its shape. */
static bool is_plain(const char *text, const char *also)
{
    for (const char *p = text; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              strchr(also, *p)))
            return false;
    return *text && strlen(text) < 128;
}

static void vertex_base(const struct backend *backend, struct text *base)
{
    const char *location = backend->location;
    if (backend->auth != BACKEND_BEARER || strcmp(location, "global") == 0)
        text_puts(base, "https://aiplatform.googleapis.com");
    else if (strcmp(location, "us") == 0 || strcmp(location, "eu") == 0)
        text_printf(base, "https://aiplatform.%s.rep.googleapis.com", location);
    else
        text_printf(base, "https://%s-aiplatform.googleapis.com", location);
}

static void choose_auth(struct backend *backend, const cJSON *config)
{
    const char *key = backend_setting(config, "api_key");
    const char *project = backend_setting(config, "project");
    if (!backend->vertex)
        backend->auth = strncmp(key, "auth_tokens/", 12) == 0 ? BACKEND_EPHEMERAL : BACKEND_KEY;
    else if (project)
        backend->auth = BACKEND_BEARER;
    else if (key)
        backend->auth = BACKEND_KEY;
    else if (backend_setting(config, "vertex_base_url") &&
             !backend_setting(config, "credentials") && !backend_setting(config, "metadata_host")) {
        backend->auth = BACKEND_NONE;
        backend->bare = true;
    } else
        backend->auth = BACKEND_BEARER;
}

static bool copy(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return !from || *to;
}

static const char *fault_of(const struct backend *backend, const char *base)
{
    if (backend->key && strpbrk(backend->key, " \t\r\n\"'"))
        return "GOOGLE_API_KEY has a space, quote or line break in it";
    if (base && !is_base(base))
        return backend->vertex
                   ? "GOOGLE_VERTEX_BASE_URL must be an http(s) or ws(s) URL without query"
                   : "GOOGLE_GEMINI_BASE_URL must be an http(s) or ws(s) URL without query";
    if (*backend->location && !is_plain(backend->location, "-"))
        return "GOOGLE_CLOUD_LOCATION must be a location such as us-central1";
    if (backend->project && !is_plain(backend->project, "-_.:"))
        return "GOOGLE_CLOUD_PROJECT must be the id of a project";
    if (backend->api_version && !is_plain(backend->api_version, "_"))
        return "api_version must be a version such as v1beta";
    return NULL;
}

static enum antiphon_status fill(struct backend *backend, const cJSON *config, char *why,
                                 size_t why_size)
{
    const char *location = backend_setting(config, "location");
    const char *base = backend_setting(config, backend->vertex ? "vertex_base_url" : "base_url");
    struct text url = {0};
    choose_auth(backend, config);
    bool keyed = backend->auth == BACKEND_KEY || backend->auth == BACKEND_EPHEMERAL;
    bool ok = copy(&backend->key, keyed ? backend_setting(config, "api_key") : NULL) &&
              copy(&backend->project,
                   backend->auth == BACKEND_BEARER ? backend_setting(config, "project") : NULL) &&
              copy(&backend->location, location          ? location
                                       : backend->vertex ? "global"
                                                         : "") &&
              copy(&backend->api_version, backend_setting(config, "api_version"));
    const char *fault = ok ? fault_of(backend, base) : NULL;
    if (fault) {
        snprintf(why, why_size, "%s", fault);
        return ANTIPHON_EINVAL;
    }
    backend->overridden = base != NULL;
    if (!ok)
        url.failed = true;
    else if (base)
        text_puts(&url, base);
    else if (backend->vertex)
        vertex_base(backend, &url);
    else
        text_puts(&url, DEVELOPER_BASE);
    while (url.len && url.data[url.len - 1] == '/')
        url.data[--url.len] = '\0';
    backend->base = text_take(&url);
    if (backend->base)
        return ANTIPHON_OK;
    snprintf(why, why_size, "out of memory");
    return ANTIPHON_ENOMEM;
}

enum antiphon_status backend_init(struct backend *backend, const cJSON *config, char *why,
                                  size_t why_size)
{
    *backend = (struct backend){.vertex = backend_switch(config, "vertex")};
    if (!backend->vertex && !backend_setting(config, "api_key")) {
        snprintf(why, why_size, "%s", NO_CREDENTIALS);
        return ANTIPHON_EINVAL;
    }
    enum antiphon_status status = fill(backend, config, why, why_size);
    if (status != ANTIPHON_OK)
        backend_deinit(backend);
    return status;
}

void backend_deinit(struct backend *backend)
{
    free(backend->base);
    free(backend->key);
    free(backend->project);
    free(backend->location);
    free(backend->api_version);
    *backend = (struct backend){0};
}

const char *backend_name(const struct backend *backend)
{
    return backend->vertex ? "vertex" : "gemini_api";
}

/* The base with the scheme of `secure`/`open`, whichever kind it has. */
static void add_base(const struct backend *backend, const char *open, const char *secure,
                     struct text *url)
{
    const char *rest = strstr(backend->base, "://");
    bool tls =
        strncasecmp(backend->base, "wss:", 4) == 0 || strncasecmp(backend->base, "https:", 6) == 0;
    text_puts(url, tls ? secure : open);
    text_puts(url, rest);
}

void backend_live_url(const struct backend *backend, const char *profile_version, struct text *url)
{
    const char *version = backend->api_version ? backend->api_version : profile_version;
    add_base(backend, "ws", "wss", url);
    if (backend->bare)
        text_puts(url, "/");
    else if (backend->vertex)
        text_printf(url, "/ws/google.cloud.aiplatform.%s.LlmBidiService/BidiGenerateContent",
                    version ? version : "v1beta1");
    else
        text_printf(url, "/ws/google.ai.generativelanguage.%s.GenerativeService.%s",
                    version ? version : "v1alpha",
                    backend->auth == BACKEND_EPHEMERAL ? "BidiGenerateContentConstrained"
                                                       : "BidiGenerateContent");
}

void backend_models_url(const struct backend *backend, struct text *url)
{
    add_base(backend, "http", "https", url);
    text_puts(url, "/v1beta/models?pageSize=1000");
}

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

void backend_model(const struct backend *backend, const char *project, const char *model,
                   struct text *resource)
{
    const char *slash = strchr(model, '/');
    if (backend->project)
        project = backend->project;
    if (!backend->vertex) {
        text_puts(resource, slash ? "" : "models/");
    } else if (!starts(model, "projects/") && !starts(model, "models/")) {
        if (project && backend->auth == BACKEND_BEARER)
            text_printf(resource, "projects/%s/locations/%s/", project, backend->location);
        if (!slash)
            text_puts(resource, "publishers/google/models/");
        else if (!starts(model, "publishers/")) {
            text_puts(resource, "publishers/");
            text_add(resource, model, (size_t)(slash - model));
            text_puts(resource, "/models");
            model = slash;
        }
    }
    text_puts(resource, model);
}
