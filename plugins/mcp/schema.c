/* schema - the part of message.h that is about schemas. */
#include <stdlib.h>
#include <string.h>

#include "message.h"

#define MAX_DEPTH  10
#define MAX_CHOICE 32

struct simplify {
    const cJSON *root;
    int budget; /* schemas that may still be written: references can multiply */
};

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* What "#/$defs/x" points at; NULL: nothing here. */
static const cJSON *resolve(const cJSON *root, const char *reference)
{
    const cJSON *at = root;
    char step[128];

    if (*reference++ != '#')
        return NULL;
    while (at && *reference == '/') {
        size_t len = strcspn(++reference, "/"), to = 0;
        for (size_t i = 0; i < len && to + 1 < sizeof(step); i++) {
            if (reference[i] == '~' && i + 1 < len)
                step[to++] = reference[++i] == '1' ? '/' : '~';
            else
                step[to++] = reference[i];
        }
        step[to] = '\0';
        at = member(at, step);
        reference += len;
    }
    return at;
}

static bool is_scalar(const cJSON *value)
{
    return cJSON_IsString(value) || cJSON_IsNumber(value) || cJSON_IsBool(value) ||
           cJSON_IsNull(value);
}

static bool is_type(const cJSON *value)
{
    static const char *const types[] = {"string", "number", "integer", "boolean",
                                        "object", "array",  "null"};
    const char *name = cJSON_GetStringValue(value);

    for (size_t i = 0; name && i < sizeof(types) / sizeof(types[0]); i++) {
        if (!strcmp(name, types[i]))
            return true;
    }
    return false;
}

static bool all(const cJSON *array, bool (*fits)(const cJSON *))
{
    const cJSON *item;

    if (!cJSON_IsArray(array) || !array->child)
        return false;
    cJSON_ArrayForEach (item, array) {
        if (!fits(item))
            return false;
    }
    return true;
}

static void copy(cJSON *to, const cJSON *from, const char *name, bool fits)
{
    if (fits)
        cJSON_AddItemToObject(to, name, cJSON_Duplicate(member(from, name), true));
}

static void copy_plain(cJSON *to, const cJSON *from)
{
    static const char *const texts[] = {"description", "title", "format"};
    static const char *const numbers[] = {"minimum", "maximum"};
    static const char *const counts[] = {"minLength", "maxLength", "minItems", "maxItems"};
    const cJSON *value;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        copy(to, from, texts[i], cJSON_IsString(member(from, texts[i])));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        copy(to, from, numbers[i], cJSON_IsNumber(member(from, numbers[i])));
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        value = member(from, counts[i]);
        copy(to, from, counts[i],
             cJSON_IsNumber(value) && value->valuedouble >= 0 && value->valuedouble < 1e6);
    }
    value = member(from, "type");
    copy(to, from, "type", is_type(value) || all(value, is_type));
    copy(to, from, "enum", all(member(from, "enum"), is_scalar));
    copy(to, from, "const", member(from, "const") && is_scalar(member(from, "const")));
}

static cJSON *simplify(struct simplify *work, const cJSON *schema, int depth);

static void copy_object(struct simplify *work, cJSON *to, const cJSON *from, int depth)
{
    const cJSON *properties = member(from, "properties"), *required = member(from, "required"),
                *one;
    const cJSON *others = member(from, "additionalProperties");

    if (cJSON_IsObject(properties)) {
        cJSON *made = cJSON_AddObjectToObject(to, "properties");
        cJSON_ArrayForEach (one, properties)
            cJSON_AddItemToObject(made, one->string, simplify(work, one, depth + 1));
    }
    if (cJSON_IsTrue(others) || cJSON_IsObject(others))
        cJSON_AddTrueToObject(to, "additionalProperties");
    cJSON *made = NULL;
    for (one = cJSON_IsArray(required) ? required->child : NULL; one; one = one->next) {
        const char *name = cJSON_GetStringValue(one);
        if (!name || !member(properties, name))
            continue;
        if (!made)
            made = cJSON_AddArrayToObject(to, "required");
        cJSON_AddItemToArray(made, cJSON_CreateString(name));
    }
}

static void copy_choice(struct simplify *work, cJSON *to, const cJSON *choices, int depth)
{
    const cJSON *one;
    cJSON *made;

    if (!cJSON_IsArray(choices) || !choices->child || cJSON_GetArraySize(choices) > MAX_CHOICE)
        return;
    made = cJSON_AddArrayToObject(to, "anyOf");
    cJSON_ArrayForEach (one, choices)
        cJSON_AddItemToArray(made, simplify(work, one, depth + 1));
}

static cJSON *simplify(struct simplify *work, const cJSON *schema, int depth)
{
    cJSON *made = cJSON_CreateObject();
    const char *reference = cJSON_GetStringValue(member(schema, "$ref"));
    const cJSON *together = member(schema, "allOf");

    for (int i = 0; reference && i < MAX_DEPTH; i++) {
        schema = resolve(work->root, reference);
        reference = cJSON_GetStringValue(member(schema, "$ref"));
    }
    if (cJSON_IsArray(together) && cJSON_GetArraySize(together) == 1 &&
        !member(schema, "properties")) {
        cJSON_Delete(made);
        return depth > MAX_DEPTH ? cJSON_CreateObject()
                                 : simplify(work, together->child, depth + 1);
    }
    if (depth > MAX_DEPTH || work->budget-- <= 0 || !cJSON_IsObject(schema))
        return made; /* anything goes */
    copy_plain(made, schema);
    copy_object(work, made, schema, depth);
    if (cJSON_IsObject(member(schema, "items")))
        cJSON_AddItemToObject(made, "items", simplify(work, member(schema, "items"), depth + 1));
    copy_choice(work, made,
                member(schema, "anyOf") ? member(schema, "anyOf") : member(schema, "oneOf"), depth);
    return made;
}

char *message_schema(const cJSON *schema)
{
    struct simplify work = {schema, 1000};
    cJSON *made = simplify(&work, schema, 0);

    cJSON_DeleteItemFromObjectCaseSensitive(made, "type");
    cJSON_DeleteItemFromObjectCaseSensitive(made, "anyOf");
    cJSON_DeleteItemFromObjectCaseSensitive(made, "enum");
    cJSON_DeleteItemFromObjectCaseSensitive(made, "const");
    cJSON_AddStringToObject(made, "type", "object");
    char *text = cJSON_PrintUnformatted(made);
    cJSON_Delete(made);
    return text;
}

bool message_wants_headers(const cJSON *schema)
{
    const cJSON *one;

    if (!schema)
        return false;
    if (schema->string && !strcmp(schema->string, "x-mcp-header"))
        return true;
    cJSON_ArrayForEach (one, schema) {
        if (message_wants_headers(one))
            return true;
    }
    return false;
}
