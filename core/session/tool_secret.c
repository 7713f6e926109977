#include "session/tool_secret.h"

#include <string.h>

#include "base/json.h"
#include "base/banned.h"

#define MAX_SECRETS 64
#define MAX_TOKENS  65536u

static const struct json_limits limits = {.max_bytes = 2u << 20, .max_depth = 60, .max_tokens = MAX_TOKENS};

/* Keywords that hold schemas: properties (by name), items, anyOf. */
static bool any_below(const cJSON *schema)
{
    const cJSON *child;

    if (json_get_bool(schema, "writeOnly", false) || (json_get(schema, "items") && any_below(json_get(schema, "items"))))
        return true;
    cJSON_ArrayForEach (child, json_get(schema, "properties")) {
        if (any_below(child))
            return true;
    }
    cJSON_ArrayForEach (child, json_get(schema, "anyOf")) {
        if (any_below(child))
            return true;
    }
    return false;
}

bool tool_secret_any(const struct jschema *schema)
{
    return schema && any_below(jschema_tree(schema));
}

/* What the values of secrets and their names are. */
struct found {
    const char *name[MAX_SECRETS], *value[MAX_SECRETS];
    size_t names_n, values_n;
};

static void note_values(struct found *found, const cJSON *value)
{
    const cJSON *child;

    if (cJSON_IsString(value) && strlen(value->valuestring) >= TOOL_SECRET_MIN_BYTES && found->values_n < MAX_SECRETS)
        found->value[found->values_n++] = value->valuestring;
    cJSON_ArrayForEach (child, value)
        note_values(found, child);
}

/* In place, so that a member keeps its name and its order. */
static bool blot_out(cJSON *value)
{
    char *text = cJSON_malloc(sizeof(TOOL_SECRET_PLACEHOLDER));

    if (!text)
        return false;
    memcpy(text, TOOL_SECRET_PLACEHOLDER, sizeof(TOOL_SECRET_PLACEHOLDER));
    cJSON_Delete(value->child);
    value->child = NULL;
    cJSON_free(value->valuestring);
    value->valuestring = text;
    value->type = cJSON_String;
    return true;
}

/* Calls itself for all that the schema describes; with `hide` the values are replaced, else they are noted. */
static bool walk(const cJSON *schema, cJSON *value, struct found *found, bool hide)
{
    const cJSON *child, *choice;
    cJSON *member;

    cJSON_ArrayForEach (choice, json_get(schema, "anyOf")) {
        if (!walk(choice, value, found, hide))
            return false;
    }
    cJSON_ArrayForEach (child, json_get(schema, "properties")) {
        bool secret = json_get_bool(child, "writeOnly", false);
        if (secret && !hide && found->names_n < MAX_SECRETS)
            found->name[found->names_n++] = child->string;
        member = cJSON_GetObjectItemCaseSensitive(value, child->string);
        if (!member)
            continue;
        if (!secret) {
            if (!walk(child, member, found, hide))
                return false;
        } else if (!hide) {
            note_values(found, member);
        } else if (!blot_out(member)) {
            return false;
        }
    }
    if (!cJSON_IsArray(value) || !json_get(schema, "items"))
        return true;
    cJSON_ArrayForEach (member, value) {
        if (json_get_bool(json_get(schema, "items"), "writeOnly", false)) {
            if (!hide)
                note_values(found, member);
            else if (!blot_out(member))
                return false;
        } else if (!walk(json_get(schema, "items"), member, found, hide)) {
            return false;
        }
    }
    return true;
}

enum antiphon_status tool_secret_hide_args(const struct jschema *schema, const char *args, struct buf *out)
{
    struct found found = {0};
    enum antiphon_status status;
    cJSON *tree = NULL;

    if (!tool_secret_any(schema))
        return buf_puts(out, args);
    if (json_parse(args, strlen(args), &limits, &tree, NULL) || !cJSON_IsObject(tree)) {
        cJSON_Delete(tree);
        return buf_puts(out, "{}");
    }
    status = walk(jschema_tree(schema), tree, &found, true) ? json_print(tree, out) : ANTIPHON_ENOMEM;
    cJSON_Delete(tree);
    return status;
}

static bool is_secret(const struct found *found, const cJSON *value)
{
    for (size_t i = 0; value->string && i < found->names_n; i++) {
        if (strcmp(value->string, found->name[i]) == 0)
            return true;
    }
    for (size_t i = 0; cJSON_IsString(value) && i < found->values_n; i++) {
        if (strstr(value->valuestring, found->value[i]))
            return true;
    }
    return false;
}

static bool hide_below(const struct found *found, cJSON *parent)
{
    cJSON *child;

    cJSON_ArrayForEach (child, parent) {
        bool ok = is_secret(found, child) ? blot_out(child) : hide_below(found, child);
        if (!ok)
            return false;
    }
    return true;
}

enum antiphon_status tool_secret_hide_result(const struct jschema *schema, const char *args, const char *result,
                                             struct buf *out)
{
    struct found found = {0};
    enum antiphon_status status = ANTIPHON_OK;
    cJSON *tree = NULL, *given = NULL;

    if (!tool_secret_any(schema))
        return buf_puts(out, result);
    if (json_parse(args, strlen(args), &limits, &given, NULL) == ANTIPHON_OK)
        (void)walk(jschema_tree(schema), given, &found, false);
    if (json_parse(result, strlen(result), &limits, &tree, NULL) || !cJSON_IsObject(tree))
        status = buf_puts(out, "{\"result\":\"" TOOL_SECRET_PLACEHOLDER "\"}");
    else
        status = hide_below(&found, tree) ? json_print(tree, out) : ANTIPHON_ENOMEM;
    cJSON_Delete(given);
    cJSON_Delete(tree);
    return status;
}
