/* Whatever stands in a stored event, what the history makes of it is JSON that a model takes: roles alternate, no content
 * is empty, every call has its response. The events are parted by newlines; the first byte is how many are kept. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "session/history.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static const char *id_of(const cJSON *function)
{
    const char *id = json_get_string(function, "id");

    return id ? id : json_get_string(function, "name");
}

/* A response of that id stands behind this part. */
static bool answered(const cJSON *content, const cJSON *part, const char *id)
{
    for (const cJSON *at = part->next; content; at = json_get(content, "parts")->child) {
        for (; at; at = at->next) {
            const cJSON *response = json_get(at, "functionResponse");
            if (response && strcmp(id_of(response), id) == 0)
                return true;
        }
        content = content->next;
        if (!content)
            break;
    }
    return false;
}

static void check_part(const cJSON *content, const cJSON *part, bool user)
{
    const cJSON *call = json_get(part, "functionCall"), *response = json_get(part, "functionResponse");

    MUST(cJSON_GetArraySize(part) == 1);
    if (call) {
        MUST(!user && cJSON_IsString(json_get(call, "name")) && json_get(call, "args"));
        MUST(answered(content, part, id_of(call)));
    } else if (response) {
        MUST(user && cJSON_IsString(json_get(response, "name")) && json_get(response, "response"));
    } else {
        MUST(json_get_string(part, "text") && json_get_string(part, "text")[0]);
    }
}

static void check_model(const struct history *history, double since)
{
    static const struct json_limits limits = {.max_bytes = 64u << 20, .max_tokens = 1u << 22};
    const cJSON *content, *part;
    const char *before = "";
    cJSON *tree = NULL;
    struct buf text;

    buf_init(&text, 64u << 20);
    MUST(history_print_model(history, since, &text) == ANTIPHON_OK);
    MUST(json_parse(text.data, text.len, &limits, &tree, NULL) == ANTIPHON_OK && cJSON_IsArray(tree));
    MUST(history_has(history, since) == (cJSON_GetArraySize(tree) > 0));
    cJSON_ArrayForEach(content, tree)
    {
        const char *role = json_get_string(content, "role");
        MUST(role && strcmp(role, before) != 0);
        MUST(cJSON_GetArraySize(json_get(content, "parts")) > 0);
        before = role;
        if (since > 0)
            continue; /* a call may be older than its response */
        cJSON_ArrayForEach(part, json_get(content, "parts"))
            check_part(content, part, strcmp(role, "user") == 0);
    }
    cJSON_Delete(tree);
    buf_deinit(&text);
}

static void check_client(const struct history *history)
{
    static const struct json_limits limits = {.max_bytes = 64u << 20, .max_tokens = 1u << 22};
    cJSON *tree = NULL;
    struct buf text;

    buf_init(&text, 64u << 20);
    MUST(history_print_client(history, &text) == ANTIPHON_OK);
    MUST(json_parse(text.data, text.len, &limits, &tree, NULL) == ANTIPHON_OK && cJSON_IsArray(tree));
    cJSON_Delete(tree);
    buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct history *history = NULL;
    const char *at = (const char *)data + 1, *end = (const char *)data + size;
    uint64_t item = 0;
    bool hidden = false;

    if (size == 0)
        return 0;
    MUST(history_new(data[0] % 16, &history) == ANTIPHON_OK);
    while (at < end) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        size_t len = line ? (size_t)(line - at) : (size_t)(end - at);
        enum antiphon_status status = history_add(history, at, len, &item);
        MUST(status == ANTIPHON_OK || status == ANTIPHON_EINVAL || status == ANTIPHON_ETOOBIG);
        /* every other text is under way to the model */
        hidden = !hidden;
        if (item && json_is_utf8(at, len))
            history_hide(history, item, hidden && !memmem(at, len, "unction", 7));
        at = line ? line + 1 : end;
    }
    check_model(history, 0);
    check_model(history, 2);
    check_client(history);
    history_free(history);
    return 0;
}
