/* Whatever schema, arguments and result: no secret is in what is shown, nothing else is missing from shown arguments, and
 * hiding twice is hiding once. Three lines: schema, arguments, result. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "session/tool_secret.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)
#define MAX_VIEWS 64 /* schemas that speak of one value */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All that is said of a value: told by the value, where tool_secret.c goes by the schema. */
struct views {
    const cJSON *schema[MAX_VIEWS];
    size_t n;
    bool secret, full;
};

static void add_view(struct views *views, const cJSON *schema)
{
    const cJSON *choice;

    if (!schema)
        return;
    views->full = views->full || views->n == MAX_VIEWS;
    if (views->full)
        return;
    views->schema[views->n++] = schema;
    views->secret = views->secret || cJSON_IsTrue(json_get(schema, "writeOnly"));
    cJSON_ArrayForEach(choice, json_get(schema, "anyOf"))
        add_view(views, choice);
}

static struct views views_of(const struct views *up, const cJSON *value)
{
    struct views views = {.full = up->full};

    for (size_t i = 0; i < up->n; i++) {
        const char *kind = value->string ? "properties" : "items";
        const cJSON *below = json_get(up->schema[i], kind);
        add_view(&views, value->string ? json_get(below, value->string) : below);
    }
    return views;
}

/* The texts of a secret that are long enough to be looked for. */
static void check_gone(const cJSON *secret, const cJSON *shown)
{
    const cJSON *child;

    cJSON_ArrayForEach(child, secret)
        check_gone(child, shown);
    if (!cJSON_IsString(secret) || strlen(secret->valuestring) < TOOL_SECRET_MIN_BYTES ||
        strstr(TOOL_SECRET_PLACEHOLDER, secret->valuestring))
        return;
    cJSON_ArrayForEach(child, shown)
    {
        MUST(!cJSON_IsString(child) || !strstr(child->valuestring, secret->valuestring));
        MUST(!child->string || !strstr(child->string, secret->valuestring));
        check_gone(secret, child);
    }
}

static bool is_placeholder(const cJSON *value)
{
    return cJSON_IsString(value) && strcmp(value->valuestring, TOOL_SECRET_PLACEHOLDER) == 0;
}

/* shown: NULL, or what became of value. result: NULL, or where the secrets of value must not be. */
static void check_value(const struct views *views, const cJSON *value, const cJSON *shown, const cJSON *result)
{
    const cJSON *child, *other = shown ? shown->child : NULL;

    if (views->full)
        return;
    if (views->secret) {
        MUST(!shown || is_placeholder(shown));
        check_gone(value, result);
        return;
    }
    MUST(!shown || (value->type == shown->type && cJSON_GetArraySize(value) == cJSON_GetArraySize(shown)));
    MUST(!shown || !cJSON_IsString(value) || strcmp(value->valuestring, shown->valuestring) == 0);
    cJSON_ArrayForEach(child, value)
    {
        struct views below = views_of(views, child);
        MUST(!shown || !child->string || strcmp(child->string, other->string) == 0);
        check_value(&below, child, other, result);
        other = other ? other->next : NULL;
    }
}

static const struct json_limits limits = {.max_bytes = 8u << 20, .max_depth = 64, .max_tokens = 1u << 20};

static cJSON *parsed(const char *text)
{
    cJSON *tree = NULL;

    return json_parse(text, strlen(text), &limits, &tree, NULL) == ANTIPHON_OK ? tree : NULL;
}

static void check(const struct jschema *schema, const char *args, const char *result)
{
    struct views root = {0};
    struct buf shown, again, stored;

    buf_init(&shown, 8u << 20);
    buf_init(&again, 8u << 20);
    buf_init(&stored, 8u << 20);
    MUST(tool_secret_hide_args(schema, args, &shown) == ANTIPHON_OK);
    MUST(tool_secret_hide_args(schema, buf_text(&shown), &again) == ANTIPHON_OK);
    MUST(tool_secret_hide_result(schema, args, result, &stored) == ANTIPHON_OK);
    if (!tool_secret_any(schema)) {
        MUST(strcmp(buf_text(&shown), args) == 0 && strcmp(buf_text(&stored), result) == 0);
    } else {
        cJSON *given = parsed(args), *seen = parsed(buf_text(&shown)), *kept = parsed(buf_text(&stored));
        MUST(cJSON_IsObject(seen) && cJSON_IsObject(kept) && strcmp(buf_text(&shown), buf_text(&again)) == 0);
        add_view(&root, jschema_tree(schema));
        bool whole = cJSON_IsObject(given) && !root.secret && (seen->child || !given->child);
        if (given)
            check_value(&root, given, whole ? seen : NULL, kept);
        cJSON_Delete(given);
        cJSON_Delete(seen);
        cJSON_Delete(kept);
    }
    buf_deinit(&shown);
    buf_deinit(&again);
    buf_deinit(&stored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(1, size + 1), *args, *result;
    struct jschema *schema = NULL;

    MUST(text);
    memcpy(text, data, size);
    args = strchr(text, '\n');
    result = args ? strchr(args + 1, '\n') : NULL;
    if (result) {
        *args++ = '\0';
        *result++ = '\0';
        if (jschema_new("fuzz", text, &schema, NULL) == ANTIPHON_OK)
            check(schema, args, result);
        jschema_free(schema);
    }
    free(text);
    return 0;
}
