#include "session/tool_secret.h"

#include <string.h>

#include "base/json.h"
#include "base/banned.h"

#define MAX_SECRETS 64
#define MAX_TOKENS  65536u

static const struct json_limits limits = {.max_bytes = 2u << 20, .max_depth = 60, .max_tokens = MAX_TOKENS};

/* What a schema says of a value as a whole: itself, or as one of the choices. */
static bool is_write_only(const cJSON *schema)
{
    const cJSON *choice;

    if (json_get_bool(schema, "writeOnly", false))
        return true;
    cJSON_ArrayForEach (choice, json_get(schema, "anyOf")) {
        if (is_write_only(choice))
            return true;
    }
    return false;
}

/* Keywords that hold schemas: properties (by name), items, anyOf. */
static bool any_below(const cJSON *schema)
{
    const cJSON *child;

    if (is_write_only(schema) || (json_get(schema, "items") && any_below(json_get(schema, "items"))))
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

/* Calls visit() for every value that the schema calls a secret; false as soon as that answers false. */
typedef bool visit_fn(void *ctx, cJSON *value);

static bool walk(const cJSON *schema, cJSON *value, visit_fn *visit, void *ctx)
{
    const cJSON *child, *items = json_get(schema, "items");
    cJSON *member;

    if (is_write_only(schema))
        return visit(ctx, value);
    cJSON_ArrayForEach (child, json_get(schema, "anyOf")) {
        if (!walk(child, value, visit, ctx))
            return false;
    }
    cJSON_ArrayForEach (child, json_get(schema, "properties")) {
        cJSON_ArrayForEach (member, value) { /* a name may come twice */
            if (member->string && strcmp(member->string, child->string) == 0 && !walk(child, member, visit, ctx))
                return false;
        }
    }
    if (!cJSON_IsArray(value) || !items)
        return true;
    cJSON_ArrayForEach (member, value) {
        if (!walk(items, member, visit, ctx))
            return false;
    }
    return true;
}

static bool put_placeholder(char **text)
{
    char *made = cJSON_malloc(sizeof(TOOL_SECRET_PLACEHOLDER));

    if (!made)
        return false;
    memcpy(made, TOOL_SECRET_PLACEHOLDER, sizeof(TOOL_SECRET_PLACEHOLDER));
    cJSON_free(*text);
    *text = made;
    return true;
}

/* In place, so that a member keeps its name and its order. */
static bool blot_out(void *ctx, cJSON *value)
{
    (void)ctx;
    if (!put_placeholder(&value->valuestring))
        return false;
    cJSON_Delete(value->child);
    value->child = NULL;
    value->type = cJSON_String;
    return true;
}

enum antiphon_status tool_secret_hide_args(const struct jschema *schema, const char *args, struct buf *out)
{
    enum antiphon_status status;
    cJSON *tree = NULL;

    if (!tool_secret_any(schema))
        return buf_puts(out, args);
    if (is_write_only(jschema_tree(schema)) || json_parse(args, strlen(args), &limits, &tree, NULL) ||
        !cJSON_IsObject(tree)) {
        cJSON_Delete(tree);
        return buf_puts(out, "{}");
    }
    status = walk(jschema_tree(schema), tree, blot_out, NULL) ? json_print(tree, out) : ANTIPHON_ENOMEM;
    cJSON_Delete(tree);
    return status;
}

/* ---- results: a tool may say again what it was told ---- */

/* What the values of secrets and their names are. */
struct found {
    const char *name[MAX_SECRETS], *value[MAX_SECRETS]; /* borrowed: the schema's, the arguments' */
    size_t names_n, values_n;
};

/* False: there are too many to keep. */
static bool note(const char **list, size_t *n, const char *text)
{
    if (*n == MAX_SECRETS)
        return false;
    list[(*n)++] = text;
    return true;
}

static bool note_values(void *ctx, cJSON *value)
{
    struct found *found = ctx;
    cJSON *child;

    if (cJSON_IsString(value) && strlen(value->valuestring) >= TOOL_SECRET_MIN_BYTES &&
        !note(found->value, &found->values_n, value->valuestring))
        return false;
    cJSON_ArrayForEach (child, value) {
        if (!note_values(found, child))
            return false;
    }
    return true;
}

/* Of all properties that are secrets or lists of them, whether or not an argument was given. */
static bool note_names(struct found *found, const cJSON *schema)
{
    const cJSON *child;

    cJSON_ArrayForEach (child, json_get(schema, "properties")) {
        bool secret = is_write_only(child) || is_write_only(json_get(child, "items"));
        if ((secret && !note(found->name, &found->names_n, child->string)) || !note_names(found, child))
            return false;
    }
    cJSON_ArrayForEach (child, json_get(schema, "anyOf")) {
        if (!note_names(found, child))
            return false;
    }
    return !json_get(schema, "items") || note_names(found, json_get(schema, "items"));
}

static bool is_named_as_secret(const struct found *found, const char *name)
{
    for (size_t i = 0; name && i < found->names_n; i++) {
        if (strcmp(name, found->name[i]) == 0)
            return true;
    }
    return false;
}

static bool has_secret(const struct found *found, const char *text)
{
    for (size_t i = 0; text && i < found->values_n; i++) {
        if (strstr(text, found->value[i]))
            return true;
    }
    return false;
}

static bool hide_below(const struct found *found, cJSON *parent)
{
    cJSON *child;

    cJSON_ArrayForEach (child, parent) {
        bool secret = is_named_as_secret(found, child->string) || has_secret(found, cJSON_GetStringValue(child));
        if (!(secret ? blot_out(NULL, child) : hide_below(found, child)))
            return false;
        if (has_secret(found, child->string) && !put_placeholder(&child->string))
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
    bool known = json_parse(args, strlen(args), &limits, &given, NULL) == ANTIPHON_OK &&
                 walk(jschema_tree(schema), given, note_values, &found) && note_names(&found, jschema_tree(schema));
    if (!known || json_parse(result, strlen(result), &limits, &tree, NULL) || !cJSON_IsObject(tree))
        status = buf_puts(out, "{\"result\":\"" TOOL_SECRET_PLACEHOLDER "\"}");
    else
        status = hide_below(&found, tree) ? json_print(tree, out) : ANTIPHON_ENOMEM;
    cJSON_Delete(given);
    cJSON_Delete(tree);
    return status;
}
