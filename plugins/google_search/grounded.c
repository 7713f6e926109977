#include "grounded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_ANSWER 16384 /* bytes; the model asked for an answer, not for a book */

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

char *grounded_url(const char *base, bool vertex, const char *model)
{
    const char *scheme = "https", *path = vertex ? "v1/publishers/google/models" : "v1beta/models";
    char *url;

    if (!*model ||
        strspn(model, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
            strlen(model))
        return NULL;
    if (!base || !*base)
        base = vertex ? "https://aiplatform.googleapis.com"
                      : "https://generativelanguage.googleapis.com";
    if (!strncasecmp(base, "http:", 5) || !strncasecmp(base, "ws:", 3))
        scheme = "http";
    const char *rest = strstr(base, "://");
    rest = rest ? rest + 3 : base;
    size_t len = strlen(rest);
    while (len > 0 && rest[len - 1] == '/')
        len--;
    size_t size = strlen(scheme) + len + strlen(path) + strlen(model) + 32;
    url = malloc(size);
    if (url)
        (void)snprintf(url, size, "%s://%.*s/%s/%s:generateContent", scheme, (int)len, rest, path,
                       model);
    return url;
}

char *grounded_request(const char *query)
{
    cJSON *body = cJSON_CreateObject(), *content = cJSON_CreateObject(),
          *part = cJSON_CreateObject(), *tool = cJSON_CreateObject();

    cJSON_AddStringToObject(content, "role", "user");
    cJSON_AddItemToArray(cJSON_AddArrayToObject(content, "parts"), part);
    cJSON_AddStringToObject(part, "text", query);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "contents"), content);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "tools"), tool);
    cJSON_AddObjectToObject(tool, "googleSearch");
    char *text = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    return text;
}

/* The parts that are not thoughts, joined; cut between characters. */
static char *join_parts(const cJSON *parts)
{
    char *text = calloc(1, MAX_ANSWER + 1);
    size_t to = 0;
    const cJSON *part;

    cJSON_ArrayForEach (part, parts) {
        const char *more = cJSON_GetStringValue(member(part, "text"));
        if (!text || !more || cJSON_IsTrue(member(part, "thought")))
            continue;
        size_t len = strlen(more), room = MAX_ANSWER - to;
        if (len > room) {
            len = room;
            while (len > 0 && (more[len] & 0xc0) == 0x80)
                len--;
        }
        memcpy(text + to, more, len);
        to += len;
    }
    return text;
}

/* What the model can do something with. */
static cJSON *for_model(const cJSON *grounding)
{
    static const char *const names[] = {"webSearchQueries", "groundingChunks", "groundingSupports"};
    cJSON *made = cJSON_CreateObject();

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const cJSON *item = member(grounding, names[i]);
        if (cJSON_IsArray(item))
            cJSON_AddItemToObject(made, names[i], cJSON_Duplicate(item, true));
    }
    return made;
}

enum antiphon_status grounded_read(const char *body, size_t len, cJSON **answer, cJSON **grounding,
                                   char *why, size_t why_size)
{
    cJSON *tree = cJSON_ParseWithLength(body, len);
    const cJSON *candidate = cJSON_GetArrayItem(member(tree, "candidates"), 0);
    char *text = join_parts(member(member(candidate, "content"), "parts"));
    enum antiphon_status status = ANTIPHON_OK;

    *answer = *grounding = NULL;
    if (!cJSON_IsObject(tree)) {
        (void)snprintf(why, why_size, "the search answered with something that is not JSON");
        status = ANTIPHON_EPROTOCOL;
    } else if (!text || !*text) {
        const char *reason = cJSON_GetStringValue(member(candidate, "finishReason"));
        if (!reason)
            reason = cJSON_GetStringValue(member(member(tree, "promptFeedback"), "blockReason"));
        (void)snprintf(why, why_size, "the search has no answer%s%.40s", reason ? ": " : "",
                       reason ? reason : "");
        status = ANTIPHON_ENOTFOUND;
    } else {
        const cJSON *found = member(candidate, "groundingMetadata");
        *answer = cJSON_CreateObject();
        cJSON_AddStringToObject(*answer, "answer", text);
        if (cJSON_IsObject(found)) {
            cJSON_AddItemToObject(*answer, "groundingMetadata", for_model(found));
            *grounding = cJSON_Duplicate(found, true);
        }
    }
    free(text);
    cJSON_Delete(tree);
    return status;
}

void grounded_error(const char *body, size_t len, char *message, size_t size)
{
    cJSON *tree = cJSON_ParseWithLength(body, len);
    const char *text = cJSON_GetStringValue(member(member(tree, "error"), "message"));

    (void)snprintf(message, size, "%s", text ? text : "");
    cJSON_Delete(tree);
}
