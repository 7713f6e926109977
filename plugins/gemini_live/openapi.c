#include "openapi.h"

#include <string.h>
#include <strings.h>

#include "tree.h"

#define OPENAPI_MAX_NODES 4096 /* of one schema; references can multiply */

struct rewrite {
    const cJSON *root;
    unsigned nodes;
    bool failed; /* out of memory */
};

static cJSON *rewrite_node(struct rewrite *rewrite, const cJSON *schema, unsigned depth);

static const cJSON *get(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

bool openapi_has_properties(const cJSON *schema)
{
    const cJSON *properties = get(schema, "properties");
    return get(schema, "$ref") || get(schema, "allOf") || get(schema, "anyOf") ||
           (cJSON_IsObject(properties) && properties->child);
}

static bool is_null_type(const cJSON *schema)
{
    const cJSON *type = get(schema, "type");
    return cJSON_IsString(type) &&
           (strcmp(type->valuestring, "null") == 0 || strcmp(type->valuestring, "NULL") == 0);
}

/* The place that "#/a/b" names, or NULL. */
static const cJSON *resolve_ref(const struct rewrite *rewrite, const char *ref)
{
    const cJSON *at = rewrite->root;
    if (strncmp(ref, "#/", 2) != 0)
        return NULL;
    for (ref += 2; at && *ref;) {
        char name[128];
        size_t n = strcspn(ref, "/");
        if (n >= sizeof name)
            return NULL;
        memcpy(name, ref, n);
        name[n] = '\0';
        at = get(at, name);
        ref += n + (ref[n] == '/');
    }
    return at;
}

static const char *guess_type(const cJSON *schema)
{
    const cJSON *first = get(schema, "enum") ? get(schema, "enum")->child : get(schema, "const");
    if (get(schema, "properties"))
        return "OBJECT";
    if (get(schema, "items") || get(schema, "prefixItems"))
        return "ARRAY";
    if (cJSON_IsNumber(first))
        return "NUMBER";
    if (cJSON_IsBool(first))
        return "BOOLEAN";
    return first || get(schema, "pattern") || get(schema, "maxLength") ? "STRING" : NULL;
}

/* Either case of the types there are; anything else is left out. */
static void set_type(struct rewrite *rewrite, cJSON *out, const char *type)
{
    static const char *const types[] = {"STRING",  "NUMBER", "INTEGER",
                                        "BOOLEAN", "ARRAY",  "OBJECT"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcasecmp(type, types[i]) == 0)
            tree_put_string(&rewrite->failed, out, "type", types[i]);
}

static bool has_type(const cJSON *out, const char *type)
{
    const char *have = cJSON_GetStringValue(get(out, "type"));
    return have && strcmp(have, type) == 0;
}

static void set_nullable(struct rewrite *rewrite, cJSON *out)
{
    if (!get(out, "nullable"))
        tree_put(&rewrite->failed, out, "nullable", cJSON_CreateTrue());
}

/* "type": "x", ["x", "null"] or ["x", "y"]. */
static void rewrite_type(struct rewrite *rewrite, const cJSON *schema, cJSON *out)
{
    const cJSON *type = get(schema, "type"), *one;
    const char *single = cJSON_GetStringValue(type);
    cJSON *any = NULL;
    int kinds = 0;
    cJSON_ArrayForEach (one, type) {
        const char *name = cJSON_GetStringValue(one);
        if (!name)
            continue;
        if (strcmp(name, "null") == 0)
            set_nullable(rewrite, out);
        else if (kinds++ == 0)
            single = name;
    }
    if (is_null_type(schema)) {
        set_nullable(rewrite, out);
        single = "STRING";
    }
    if (kinds > 1)
        any = tree_put(&rewrite->failed, out, "anyOf", cJSON_CreateArray());
    cJSON_ArrayForEach (one, type) {
        if (!any || !cJSON_IsString(one) || strcmp(one->valuestring, "null") == 0)
            continue;
        set_type(rewrite, tree_append(&rewrite->failed, any, cJSON_CreateObject()),
                 one->valuestring);
    }
    if (!any && !single)
        single = guess_type(schema);
    if (!any && single)
        set_type(rewrite, out, single);
}

/* Only lists of strings have a word in the subset. */
static void rewrite_enum(struct rewrite *rewrite, const cJSON *schema, cJSON *out)
{
    const cJSON *values = get(schema, "enum"), *constant = get(schema, "const"), *value;
    if (!has_type(out, "STRING"))
        return;
    if (cJSON_IsString(constant)) {
        cJSON *list = tree_put(&rewrite->failed, out, "enum", cJSON_CreateArray());
        if (list)
            tree_append(&rewrite->failed, list, cJSON_CreateString(constant->valuestring));
        return;
    }
    cJSON *list = NULL;
    cJSON_ArrayForEach (value, values) {
        if (cJSON_IsNull(value))
            set_nullable(rewrite, out);
        if (!cJSON_IsString(value))
            continue;
        if (!list)
            list = tree_put(&rewrite->failed, out, "enum", cJSON_CreateArray());
        tree_append(&rewrite->failed, list, cJSON_CreateString(value->valuestring));
    }
}

static void copy_plain(struct rewrite *rewrite, const cJSON *schema, cJSON *out)
{
    static const char *const kept[] = {"title",     "description",   "minimum",      "maximum",
                                       "minLength", "maxLength",     "pattern",      "minItems",
                                       "maxItems",  "minProperties", "maxProperties"};
    static const char *const formats[] = {"float", "double", "int32", "int64", "enum", "date-time"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        const cJSON *value = get(schema, kept[i]);
        if ((cJSON_IsString(value) || cJSON_IsNumber(value)) && !get(out, kept[i]))
            tree_put(&rewrite->failed, out, kept[i], cJSON_Duplicate(value, true));
    }
    const char *format = cJSON_GetStringValue(get(schema, "format"));
    for (size_t i = 0; format && i < sizeof formats / sizeof *formats; i++)
        if (strcmp(format, formats[i]) == 0 && !get(out, "format"))
            tree_put_string(&rewrite->failed, out, "format", format);
    if (cJSON_IsTrue(get(schema, "nullable")))
        set_nullable(rewrite, out);
}

static void rewrite_properties(struct rewrite *rewrite, const cJSON *schema, cJSON *out,
                               unsigned depth)
{
    const cJSON *property, *name;
    cJSON *properties = cJSON_GetObjectItemCaseSensitive(out, "properties");
    cJSON_ArrayForEach (property, get(schema, "properties")) {
        cJSON *node = rewrite_node(rewrite, property, depth);
        if (node && !properties)
            properties = tree_put(&rewrite->failed, out, "properties", cJSON_CreateObject());
        if (!node || get(properties, property->string))
            cJSON_Delete(node);
        else
            tree_put(&rewrite->failed, properties, property->string, node);
    }
    cJSON *required = cJSON_GetObjectItemCaseSensitive(out, "required");
    cJSON_ArrayForEach (name, get(schema, "required")) {
        if (!cJSON_IsString(name) || !get(properties, name->valuestring))
            continue;
        if (!required)
            required = tree_put(&rewrite->failed, out, "required", cJSON_CreateArray());
        tree_append(&rewrite->failed, required, cJSON_CreateString(name->valuestring));
    }
}

static void rewrite_items(struct rewrite *rewrite, const cJSON *schema, cJSON *out, unsigned depth)
{
    const cJSON *items = get(schema, "prefixItems");
    if (!cJSON_IsArray(items))
        items = get(schema, "items");
    if (cJSON_IsArray(items))
        items = items->child;
    if (!has_type(out, "ARRAY"))
        return;
    cJSON *node = cJSON_IsObject(items) ? rewrite_node(rewrite, items, depth) : NULL;
    if (!node) { /* the service refuses an array without items */
        node = cJSON_CreateObject();
        set_type(rewrite, node, "STRING");
    }
    tree_put(&rewrite->failed, out, "items", node);
}

/* Moves the members of node that out lacks. */
static void absorb(struct rewrite *rewrite, cJSON *out, cJSON *node)
{
    while (node && node->child) {
        cJSON *member = cJSON_DetachItemViaPointer(node, node->child);
        if (get(out, member->string))
            cJSON_Delete(member);
        else {
            char *name = member->string; /* adding frees it */
            member->string = NULL;
            tree_put(&rewrite->failed, out, name, member);
            cJSON_free(name);
        }
    }
    cJSON_Delete(node);
}

static void rewrite_any(struct rewrite *rewrite, const cJSON *schema, cJSON *out, unsigned depth)
{
    const cJSON *list = get(schema, "anyOf"), *branch;
    if (!cJSON_IsArray(list))
        list = get(schema, "oneOf");
    if (!cJSON_IsArray(list) || get(out, "anyOf"))
        return;
    cJSON *any = cJSON_CreateArray();
    cJSON_ArrayForEach (branch, list) {
        if (is_null_type(branch))
            set_nullable(rewrite, out);
        else {
            cJSON *node = rewrite_node(rewrite, branch, depth);
            if (node)
                tree_append(&rewrite->failed, any, node);
        }
    }
    if (cJSON_GetArraySize(any) > 1) {
        tree_put(&rewrite->failed, out, "anyOf", any);
        return;
    }
    absorb(rewrite, out, any ? cJSON_DetachItemFromArray(any, 0) : NULL);
    cJSON_Delete(any);
}

static cJSON *rewrite_node(struct rewrite *rewrite, const cJSON *schema, unsigned depth)
{
    if (!cJSON_IsObject(schema) || depth == 0 || rewrite->nodes == OPENAPI_MAX_NODES)
        return NULL;
    rewrite->nodes++;
    cJSON *out = cJSON_CreateObject();
    if (!out) {
        rewrite->failed = true;
        return NULL;
    }
    rewrite_type(rewrite, schema, out);
    copy_plain(rewrite, schema, out);
    rewrite_enum(rewrite, schema, out);
    rewrite_properties(rewrite, schema, out, depth - 1);
    rewrite_items(rewrite, schema, out, depth - 1);
    const cJSON *all = get(schema, "allOf"), *part;
    cJSON_ArrayForEach (part, all) {
        cJSON *node = rewrite_node(rewrite, part, depth - 1);
        rewrite_properties(rewrite, part, out, depth - 1);
        absorb(rewrite, out, node);
    }
    rewrite_any(rewrite, schema, out, depth - 1);
    const char *ref = cJSON_GetStringValue(get(schema, "$ref"));
    if (ref)
        absorb(rewrite, out, rewrite_node(rewrite, resolve_ref(rewrite, ref), depth - 1));
    return out;
}

cJSON *openapi_from(const cJSON *schema)
{
    struct rewrite rewrite = {schema, 0, false};
    cJSON *out = rewrite_node(&rewrite, schema, OPENAPI_MAX_DEPTH);
    if (!rewrite.failed)
        return out;
    cJSON_Delete(out);
    return NULL;
}
