#include "history.h"

#include <stdlib.h>
#include <string.h>

#include "setup.h"

static const cJSON *get(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static bool says(const cJSON *object, const char *name, const char *word)
{
    const char *value = cJSON_GetStringValue(get(object, name));
    return value && strcmp(value, word) == 0;
}

static void add_json(struct text *out, const cJSON *tree)
{
    char *json = tree ? cJSON_PrintUnformatted(tree) : NULL;
    if (json)
        text_puts(out, json);
    else if (tree)
        out->failed = true;
    free(json);
}

static bool is_model(const cJSON *turn)
{
    return says(turn, "role", "model");
}

/* A turn as one paragraph of the tale. */
static void tell_turn(struct text *tale, const cJSON *turn)
{
    const cJSON *part;
    cJSON_ArrayForEach (part, get(turn, "parts")) {
        const char *text = cJSON_GetStringValue(get(part, "text"));
        const cJSON *call = get(part, "functionCall"), *response = get(part, "functionResponse");
        const cJSON *tool = call ? call : response;
        const char *name = cJSON_GetStringValue(get(tool, "name"));
        if (text && *text) {
            text_puts(tale, is_model(turn) ? "\nYou: " : "\nUser: ");
            text_puts(tale, text);
        } else if (name) {
            text_printf(tale, call ? "\n(You called %s with " : "\n(%s answered ", name);
            add_json(tale, get(tool, call ? "args" : "response"));
            text_puts(tale, ")");
        }
    }
}

/* The first turn from which on the rest fits, beginning with the user. */
static const cJSON *first_that_fits(const cJSON *turns, bool *failed)
{
    const cJSON *first = NULL;
    size_t bytes = 0;
    for (const cJSON *turn = turns->child->prev;; turn = turn->prev) {
        char *json = cJSON_PrintUnformatted(turn);
        *failed |= json == NULL;
        bytes += json ? strlen(json) + 1 : 0;
        free(json);
        if (bytes > HISTORY_MAX_BYTES || *failed)
            break;
        if (!is_model(turn) || turn == turns->child)
            first = turn;
        if (turn == turns->child)
            break;
    }
    return first;
}

static void collapsed(struct text *out, const cJSON *turn)
{
    struct text tale = {0};
    text_puts(&tale, "Our conversation so far:");
    for (; turn; turn = turn->next)
        tell_turn(&tale, turn);
    text_puts(out, "[{\"role\":\"user\",\"parts\":[{\"text\":");
    if (tale.failed)
        out->failed = true;
    else
        text_json(out, tale.data, tale.len);
    text_puts(out, "}]}]");
    text_free(&tale);
}

static void one_by_one(struct text *out, const cJSON *turn, bool end_user)
{
    const cJSON *last = NULL;
    text_puts(out, "[");
    for (; turn; turn = turn->next) {
        text_puts(out, last ? "," : "");
        add_json(out, turn);
        last = turn;
    }
    if (end_user && is_model(last))
        text_puts(out, ",{\"role\":\"user\",\"parts\":[{\"text\":\" \"}]}");
    text_puts(out, "]");
}

enum antiphon_status history_message(const cJSON *run, char **message)
{
    const cJSON *profile = get(run, "profile"), *live = get(run, "live");
    const cJSON *turns = get(run, "history");
    const char *handle = cJSON_GetStringValue(get(get(run, "resumption"), "handle"));
    struct text out = {0};
    *message = NULL;
    if (!cJSON_IsArray(turns) || !turns->child || says(profile, "history", "none") ||
        says(live, "history", "none") ||
        (handle && *handle && !says(profile, "history", "client_content")))
        return ANTIPHON_OK;
    const cJSON *first = first_that_fits(turns, &out.failed);
    text_puts(&out, "{\"clientContent\":{\"turns\":");
    if (says(live, "history", "collapsed") || cJSON_IsTrue(get(profile, "history_collapsed")))
        collapsed(&out, first);
    else
        one_by_one(&out, first, cJSON_IsTrue(get(profile, "history_end_user")));
    text_printf(&out, ",\"turnComplete\":%s}}", setup_initial_history(run) ? "true" : "false");
    *message = text_take(&out);
    return *message ? ANTIPHON_OK : ANTIPHON_ENOMEM;
}
