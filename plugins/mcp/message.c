#include "message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const char *text_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(member(object, name));
}

/* ---- what is sent ---------------------------------------------------------------------------- */

static void add_client(cJSON *object, const char *name)
{
    cJSON *client = cJSON_AddObjectToObject(object, name);

    cJSON_AddStringToObject(client, "name", "antiphon");
    cJSON_AddStringToObject(client, "version", "1.0.0");
}

cJSON *message_initialize(void)
{
    cJSON *params = cJSON_CreateObject();

    cJSON_AddStringToObject(params, "protocolVersion", MESSAGE_OLDER);
    cJSON_AddObjectToObject(params, "capabilities");
    add_client(params, "clientInfo");
    return params;
}

char *message_print(int64_t id, const char *method, cJSON *params, const char *version,
                    bool progress)
{
    cJSON *message = cJSON_CreateObject();

    cJSON_AddStringToObject(message, "jsonrpc", "2.0");
    if (id)
        cJSON_AddNumberToObject(message, "id", (double)id);
    cJSON_AddStringToObject(message, "method", method);
    if (!params && (version || progress))
        params = cJSON_CreateObject();
    if (version || progress) {
        cJSON *meta = cJSON_AddObjectToObject(params, "_meta");
        if (progress)
            cJSON_AddNumberToObject(meta, "progressToken", (double)id);
        if (version) {
            cJSON_AddStringToObject(meta, "io.modelcontextprotocol/protocolVersion", version);
            add_client(meta, "io.modelcontextprotocol/clientInfo");
            cJSON_AddObjectToObject(meta, "io.modelcontextprotocol/clientCapabilities");
        }
    }
    if (params)
        cJSON_AddItemToObject(message, "params", params);
    char *text = cJSON_PrintUnformatted(message);
    cJSON_Delete(message);
    return text;
}

bool message_is_older(const char *version)
{
    static const char *const known[] = {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};

    for (size_t i = 0; version && i < sizeof(known) / sizeof(known[0]); i++) {
        if (!strcmp(version, known[i]))
            return true;
    }
    return false;
}

/* ---- what came back -------------------------------------------------------------------------- */

/* The other way round it would not fit: 1e300 is no integer. */
bool message_id_is(const cJSON *value, int64_t id)
{
    return cJSON_IsNumber(value) && value->valuedouble == (double)id;
}

static bool answers(const cJSON *message, int64_t id)
{
    return message_id_is(member(message, "id"), id) && !member(message, "method");
}

/* Takes the message; it, if it is the answer. */
static cJSON *sift(cJSON *message, int64_t id, message_other_fn *other, void *ctx)
{
    cJSON *one = cJSON_IsArray(message) ? message->child : NULL, *found = NULL;

    if (answers(message, id))
        return message;
    for (; one && !found; one = one->next) {
        if (answers(one, id))
            found = cJSON_Duplicate(one, true);
    }
    if (!found && other && cJSON_IsObject(message))
        other(ctx, message);
    cJSON_Delete(message);
    return found;
}

cJSON *message_find(const char *text, size_t len, int64_t id, message_other_fn *other, void *ctx)
{
    return sift(cJSON_ParseWithLength(text, len), id, other, ctx);
}

/* ---- what the server asks and tells -----------------------------------------------------------
 */

bool message_is_question(const cJSON *message)
{
    return member(message, "method") && member(message, "id");
}

char *message_answer(const cJSON *question)
{
    const char *method = text_of(question, "method");
    cJSON *answer = cJSON_CreateObject();

    cJSON_AddStringToObject(answer, "jsonrpc", "2.0");
    cJSON_AddItemToObject(answer, "id", cJSON_Duplicate(member(question, "id"), true));
    if (method && !strcmp(method, "ping")) {
        cJSON_AddObjectToObject(answer, "result");
    } else {
        cJSON *error = cJSON_AddObjectToObject(answer, "error");
        cJSON_AddNumberToObject(error, "code", -32601);
        cJSON_AddStringToObject(error, "message", "Method not found");
    }
    char *text = cJSON_PrintUnformatted(answer);
    cJSON_Delete(answer);
    return text;
}

const char *message_progress(const cJSON *message, int64_t id)
{
    const char *method = text_of(message, "method");
    const cJSON *params = member(message, "params"), *token = member(params, "progressToken");
    bool its = message_id_is(token, id);

    return method && !strcmp(method, "notifications/progress") && its ? text_of(params, "message")
                                                                      : NULL;
}

cJSON *message_listen(void)
{
    cJSON *params = cJSON_CreateObject();

    cJSON_AddTrueToObject(cJSON_AddObjectToObject(params, "notifications"), "toolsListChanged");
    return params;
}

int message_error(const cJSON *answer, char *why, size_t size)
{
    const cJSON *error = member(answer, "error"), *code = member(error, "code");
    const char *text = text_of(error, "message");

    (void)snprintf(why, size, "%s", error ? text ? text : "an error without a message" : "");
    if (!error)
        return 0;
    return cJSON_IsNumber(code) && code->valueint != 0 ? code->valueint : -1;
}

bool message_is_newer_error(const cJSON *answer)
{
    return cJSON_IsArray(member(member(member(answer, "error"), "data"), "supported"));
}

/* ---- results --------------------------------------------------------------------------------- */

static void put_note(FILE *out, const cJSON *item)
{
    const char *type = text_of(item, "type"), *mime = text_of(item, "mimeType");
    const cJSON *resource = member(item, "resource");
    const char *text = text_of(resource, "text");

    if (!type)
        return;
    if (!strcmp(type, "text")) {
        (void)fprintf(out, "%s", text_of(item, "text") ? text_of(item, "text") : "");
    } else if (!strcmp(type, "resource") && text) {
        (void)fprintf(out, "%s", text);
    } else if (!strcmp(type, "resource")) {
        (void)fprintf(out, "[a file, %s, cannot be read here: %s]",
                      text_of(resource, "mimeType") ? text_of(resource, "mimeType")
                                                    : "of unknown type",
                      text_of(resource, "uri") ? text_of(resource, "uri") : "");
    } else if (!strcmp(type, "resource_link")) {
        (void)fprintf(out, "[see %s: %s]",
                      text_of(item, "name") ? text_of(item, "name") : "a resource",
                      text_of(item, "uri") ? text_of(item, "uri") : "");
    } else {
        const char *data = text_of(item, "data");
        (void)fprintf(out, "[%s, %s, %zu bytes, cannot be shown here]", type,
                      mime ? mime : "of unknown type", data ? strlen(data) / 4 * 3 : 0);
    }
}

/* All of content as one text, caller frees. */
static char *join_content(const cJSON *content)
{
    char *text = NULL;
    size_t len = 0;
    const cJSON *item;
    bool first = true;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return NULL;
    cJSON_ArrayForEach (item, content) {
        if (!first)
            (void)fputs("\n", out);
        first = false;
        put_note(out, item);
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    if (len > MESSAGE_MAX_TEXT) {
        static const char cut[] = "\n[the rest is left out]";
        size_t at = MESSAGE_MAX_TEXT - sizeof(cut);
        while (at > 0 && (text[at] & 0xc0) == 0x80)
            at--;
        memcpy(text + at, cut, sizeof(cut));
    }
    return text;
}

cJSON *message_result(const cJSON *result, char *why, size_t size)
{
    const cJSON *structured = member(result, "structuredContent");
    const char *type = text_of(result, "resultType");
    cJSON *made = NULL;

    if (type && !strcmp(type, "input_required")) {
        (void)snprintf(why, size,
                       "the tool wants to ask something back, which is not possible here");
        return NULL;
    }
    char *text = join_content(member(result, "content"));
    if (cJSON_IsTrue(member(result, "isError"))) {
        (void)snprintf(why, size, "%s",
                       text && *text ? text : "the tool failed and does not say why");
    } else if (cJSON_IsObject(structured)) {
        made = cJSON_Duplicate(structured, true);
    } else if (text) {
        made = cJSON_CreateObject();
        cJSON_AddStringToObject(made, "text", text);
    }
    if (!made && !cJSON_IsTrue(member(result, "isError")))
        (void)snprintf(why, size, "there was not enough memory for this");
    free(text);
    return made;
}
