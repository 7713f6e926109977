#include "access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *after(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text && !strncmp(text, prefix, len) ? text + len : NULL;
}

static const char *read_version(struct access *access, const char *text,
                                const char *const *versions)
{
    for (; text && *versions; versions++) {
        const char *rest = after(text, *versions);
        if (rest && *rest == '.') {
            snprintf(access->version, sizeof access->version, "%s", *versions);
            return rest + 1;
        }
    }
    return NULL;
}

bool access_read_path(struct access *access, const char *path)
{
    static const char *const developer[] = {"v1", "v1beta", "v1alpha", NULL};
    static const char *const vertex[] = {"v1", "v1beta1", NULL};
    const char *ws = NULL;
    *access = (struct access){.version = "v1beta1"};
    if (!strcmp(path, "/")) {
        access->vertex = true;
        return true;
    }
    for (const char *at = strstr(path, "/ws/"); at; at = strstr(at + 1, "/ws/"))
        ws = at + 4;
    const char *rest = read_version(access, after(ws, "google.ai.generativelanguage."), developer);
    rest = after(rest, "GenerativeService.BidiGenerateContent");
    if (rest && (!*rest || !strcmp(rest, "Constrained"))) {
        access->constrained = *rest != 0;
        return true;
    }
    rest = read_version(access, after(ws, "google.cloud.aiplatform."), vertex);
    access->vertex = rest && !strcmp(rest, "LlmBidiService/BidiGenerateContent");
    return access->vertex;
}

/* The credential of the request; owned by the caller, NULL when there is none. */
static char *find_credential(const struct http_request *request, bool *bearer)
{
    const char *query = http_query(request), *header = http_header(request, "authorization");
    char *value = http_field(query, "key");
    *bearer = false;
    if (!value)
        value = http_field(query, "access_token");
    if (!value && *http_header(request, "x-goog-api-key"))
        value = mem_text(http_header(request, "x-goog-api-key"));
    if (!value && after(header, "Token "))
        value = mem_text(header + strlen("Token "));
    if (!value && after(header, "Bearer ")) {
        *bearer = true;
        value = mem_text(header + strlen("Bearer "));
    }
    return value;
}

int access_check(const struct access *access, const struct http_request *request, const char *key,
                 const char **reason)
{
    static const char unregistered[] =
        "Method doesn't allow unregistered callers (callers without established identity). Please "
        "use API Key or other form of API consumer identity to call this API.";
    bool bearer;
    int code = 0;
    char *credential = find_credential(request, &bearer);
    bool ephemeral = credential && after(credential, "auth_tokens/");
    *reason = "";
    if (!credential || !*credential) {
        if (access->vertex && (key || strcmp(bytes_str(&request->url), "/") != 0))
            code = 401;
        else if (!access->vertex) {
            code = 1008;
            *reason = unregistered;
        }
    } else if (ephemeral) {
        if (!access->constrained) {
            code = 1008;
            *reason = unregistered;
        }
    } else if (bearer && key && !after(credential, ACCESS_TOKEN_PREFIX)) {
        code = 1008;
        *reason = "Request had invalid authentication credentials. Expected OAuth 2 access token, "
                  "login cookie or other valid authentication credential.";
    } else if (!bearer && key && strcmp(credential, key) != 0) {
        code = 1007;
        *reason = "API key not valid. Please pass a valid API key.";
    }
    free(credential);
    return code;
}
