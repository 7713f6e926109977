#include "catalog.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/reply.h"
#include "message.h"

#define MAX_NAME 128

static bool is_wanted(const cJSON *settings, const char *name)
{
    const cJSON *wanted = cJSON_GetObjectItemCaseSensitive(settings, "tools"), *one;

    if (!wanted)
        return true;
    cJSON_ArrayForEach (one, wanted) {
        if (cJSON_IsString(one) && !strcmp(one->valuestring, name))
            return true;
    }
    return false;
}

/* Prefix and name, with what a name may not have as '_'. */
static char *local_name(const cJSON *settings, const char *remote)
{
    const char *prefix = reply_text(settings, "prefix");
    char name[MAX_NAME];

    if (prefix)
        (void)snprintf(name, sizeof(name), "%s%s", prefix, remote);
    else
        (void)snprintf(name, sizeof(name), "%s_%s", reply_text(settings, "name"), remote);
    for (char *at = name; *at; at++) {
        if (!isascii((unsigned char)*at) ||
            !(isalnum((unsigned char)*at) || *at == '_' || *at == '-' || *at == '.'))
            *at = '_';
    }
    if (!isalpha((unsigned char)*name))
        *name = '_';
    return strdup(name);
}

static uint32_t flags_of(const cJSON *settings, const cJSON *tool)
{
    const cJSON *hints = cJSON_GetObjectItemCaseSensitive(tool, "annotations");
    bool reads = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(hints, "readOnlyHint"));
    const char *confirm = reply_text(settings, "confirm");

    if (confirm && (!strcmp(confirm, "always") || (!strcmp(confirm, "writes") && !reads)))
        return ANTIPHON_TOOL_NEEDS_CONFIRMATION;
    return reads ? ANTIPHON_TOOL_READ_ONLY : 0;
}

static enum antiphon_status add(const struct antiphon_host *h, const cJSON *settings,
                                bool headers_wanted, const cJSON *tool, struct catalog *catalog)
{
    const char *remote = reply_text(tool, "name"), *description = reply_text(tool, "description");
    const cJSON *schema = cJSON_GetObjectItemCaseSensitive(tool, "inputSchema");
    struct catalog_tool *made = &catalog->tools[catalog->n];

    if (!remote || !is_wanted(settings, remote))
        return ANTIPHON_OK;
    if (headers_wanted && message_wants_headers(schema)) {
        h->log(h, ANTIPHON_WARN, "%s: the tool %s is left out: it wants its arguments in headers",
               reply_text(settings, "name"), remote);
        return ANTIPHON_OK;
    }
    char *name = local_name(settings, remote);
    if (name && catalog_find(catalog, name)) {
        h->log(h, ANTIPHON_WARN, "%s: the tool %s is left out: another one is called like it",
               reply_text(settings, "name"), remote);
        free(name);
        return ANTIPHON_OK;
    }
    *made = (struct catalog_tool){name, strdup(remote),
                                  strdup(description && *description ? description : remote),
                                  message_schema(schema), flags_of(settings, tool)};
    catalog->n++;
    return made->name && made->remote && made->description && made->schema ? ANTIPHON_OK
                                                                           : ANTIPHON_ENOMEM;
}

enum antiphon_status catalog_new(const struct antiphon_host *h, const cJSON *settings,
                                 bool headers_wanted, const cJSON *listed, struct catalog *catalog)
{
    struct catalog made = {.tools =
                               calloc((size_t)cJSON_GetArraySize(listed) + 1, sizeof(*made.tools))};
    enum antiphon_status status = made.tools ? ANTIPHON_OK : ANTIPHON_ENOMEM;
    const cJSON *tool;

    cJSON_ArrayForEach (tool, listed) {
        if (!status)
            status = add(h, settings, headers_wanted, tool, &made);
    }
    if (status)
        catalog_free(&made);
    else
        *catalog = made;
    return status;
}

void catalog_free(struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->n; i++) {
        free(catalog->tools[i].name);
        free(catalog->tools[i].remote);
        free(catalog->tools[i].description);
        cJSON_free(catalog->tools[i].schema);
    }
    free(catalog->tools);
    *catalog = (struct catalog){0};
}

const struct catalog_tool *catalog_find(const struct catalog *catalog, const char *name)
{
    for (size_t i = 0; i < catalog->n; i++) {
        if (!strcmp(catalog->tools[i].name, name))
            return &catalog->tools[i];
    }
    return NULL;
}
