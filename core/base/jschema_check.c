#include "base/jschema_impl.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "base/banned.h"

#define MAX_MESSAGE 400 /* bytes; what would not fit is left out */

struct check {
    const struct jschema *schema;
    unsigned flags;
    bool dry; /* nothing is reported or changed, the first fault ends it */
    jschema_report_fn *report;
    void *ctx;
    unsigned faults;
    enum antiphon_status status; /* ENOMEM */
    struct jschema_path path;
};

static bool done(const struct check *c)
{
    return c->status || c->faults >= (c->dry ? 1 : JSCHEMA_MAX_REPORTS);
}

static void fault(struct check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void fault(struct check *c, const char *fmt, ...)
{
    char text[MAX_MESSAGE + 1];
    va_list args;

    if (done(c))
        return; /* one value can have several faults: the bound holds for them too */
    c->faults++;
    if (c->dry || !c->report)
        return;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (n < 0)
        return;
    text[utf8_cut(text, strlen(text))] = '\0';
    c->report(c->ctx, c->path.text, text);
}

/* ---- types ----------------------------------------------------------------------------------- */

static const struct {
    const char *name, *upper, *text;
} types[] = {
    {"string", "STRING", "a string"},
    {"number", "NUMBER", "a number"},
    {"integer", "INTEGER", "a whole number"},
    {"boolean", "BOOLEAN", "true or false"},
    {"array", "ARRAY", "a list"},
    {"object", "OBJECT", "an object"},
    {"null", "NULL", "null"},
};
#define TYPES (sizeof(types) / sizeof(types[0]))

unsigned jschema_type_bit(const char *name)
{
    for (unsigned i = 0; i < TYPES; i++) {
        if (strcmp(name, types[i].name) == 0 || strcmp(name, types[i].upper) == 0)
            return 1u << i;
    }
    return 0;
}

static unsigned type_of(const cJSON *value)
{
    const char *name = cJSON_IsString(value)   ? "string"
                       : cJSON_IsNumber(value) ? "number"
                       : cJSON_IsBool(value)   ? "boolean"
                       : cJSON_IsArray(value)  ? "array"
                       : cJSON_IsObject(value) ? "object"
                                               : "null";
    unsigned bits = jschema_type_bit(name);

    if (cJSON_IsNumber(value) && value->valuedouble == trunc(value->valuedouble))
        bits |= jschema_type_bit("integer");
    return bits;
}

/* 0: any. */
static unsigned types_allowed(const cJSON *node)
{
    const cJSON *type = json_get(node, "type"), *one;
    unsigned bits = 0;

    if (cJSON_IsString(type))
        return jschema_type_bit(type->valuestring);
    cJSON_ArrayForEach (one, type)
        bits |= jschema_type_bit(one->valuestring);
    return bits;
}

static bool type_fits(const cJSON *node, const cJSON *value)
{
    unsigned allowed = types_allowed(node);

    return allowed == 0 || (allowed & type_of(value)) != 0;
}

static void report_type(struct check *c, const cJSON *node)
{
    unsigned allowed = types_allowed(node);
    struct buf text;

    if (json_get_bool(node, "nullable", false))
        allowed |= jschema_type_bit("null");
    buf_init(&text, MAX_MESSAGE);
    for (unsigned i = 0; i < TYPES; i++) {
        if (allowed & 1u << i)
            buf_printf(&text, "%s%s", text.len ? " or " : "", types[i].text);
    }
    fault(c, "must be %s", buf_text(&text));
    buf_deinit(&text);
}

/* ---- values of each type --------------------------------------------------------------------- */

static bool same(const cJSON *a, const cJSON *b)
{
    if ((a->type & 0xFF) != (b->type & 0xFF))
        return false;
    if (cJSON_IsString(a))
        return strcmp(a->valuestring, b->valuestring) == 0;
    return !cJSON_IsNumber(a) || a->valuedouble == b->valuedouble;
}

/* The member names (or, of an array, the strings) of list that come nearest to word. */
static const char *nearest_in(const cJSON *list, const char *word)
{
    const cJSON *one;
    size_t n = 0, count = (size_t)cJSON_GetArraySize(list);
    const char **words = calloc(count ? count : 1, sizeof(*words));
    const char *best = NULL;

    if (!words)
        return NULL;
    cJSON_ArrayForEach (one, list) {
        const char *candidate = cJSON_IsObject(list) ? one->string : one->valuestring;
        if (candidate && n < count)
            words[n++] = candidate;
    }
    best = jschema_nearest(word, words, n);
    free(words);
    return best;
}

static void report_choice(struct check *c, const cJSON *choices, const cJSON *value)
{
    const cJSON *one;
    const char *near = cJSON_IsString(value) ? nearest_in(choices, value->valuestring) : NULL;
    struct buf text;

    buf_init(&text, MAX_MESSAGE / 2);
    cJSON_ArrayForEach (one, choices) {
        size_t before = text.len;
        buf_puts(&text, before ? ", " : "");
        if (json_print(one, &text)) {
            buf_truncate(&text, before);
            break;
        }
    }
    fault(c, "must be one of %s%s%s%s%s", buf_text(&text), buf_status(&text) ? ", ..." : "",
          near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    buf_deinit(&text);
}

static void check_choice(struct check *c, const cJSON *node, const cJSON *value)
{
    const cJSON *choices = json_get(node, "enum"), *only = json_get(node, "const"), *one;
    bool found = !choices;

    cJSON_ArrayForEach (one, choices)
        found = found || same(one, value);
    if (!found)
        report_choice(c, choices, value);
    if (!only || same(only, value))
        return;
    struct buf text;
    buf_init(&text, MAX_MESSAGE / 2);
    enum antiphon_status status = json_print(only, &text);
    fault(c, "must be %s", status ? "the one constant of its schema" : buf_text(&text));
    buf_deinit(&text);
}

static void check_number(struct check *c, const cJSON *node, const cJSON *value)
{
    double low = json_get_number(node, "minimum", -INFINITY);
    double high = json_get_number(node, "maximum", INFINITY);

    if (value->valuedouble < low)
        fault(c, "must be at least %.15g", low);
    if (value->valuedouble > high)
        fault(c, "must be at most %.15g", high);
}

/* unit is "characters" or "items". */
static void check_count(struct check *c, double low, double high, size_t count, const char *unit)
{
    if ((double)count < low)
        fault(c, "must have at least %.0f %s", low, unit);
    if ((double)count > high)
        fault(c, "must have at most %.0f %s", high, unit);
}

static void check_string(struct check *c, const cJSON *node, const cJSON *value)
{
    const char *text = value->valuestring;
    double low = json_get_number(node, "minLength", 0);
    double high = json_get_number(node, "maxLength", INFINITY);
    const struct jschema_pattern *pattern = c->schema->patterns;

    check_count(c, low, high, utf8_count(text, strlen(text)), "characters");
    if (!json_get(node, "pattern"))
        return;
    while (pattern && pattern->node != node)
        pattern = pattern->next;
    assert(pattern);
    if (regexec(&pattern->regex, text, 0, NULL, 0))
        fault(c, "must match %s", json_get_string(node, "pattern"));
}

static void check_value(struct check *c, const cJSON *node, cJSON *value);

static void check_items(struct check *c, const cJSON *node, cJSON *value)
{
    const cJSON *items = json_get(node, "items");
    double low = json_get_number(node, "minItems", 0);
    double high = json_get_number(node, "maxItems", INFINITY);
    size_t index = 0;
    cJSON *one;

    check_count(c, low, high, (size_t)cJSON_GetArraySize(value), "items");
    if (!items)
        return;
    cJSON_ArrayForEach (one, value) {
        if (done(c))
            break;
        size_t before = jschema_path_index(&c->path, index++);
        check_value(c, items, one);
        jschema_path_cut(&c->path, before);
    }
}

/* ---- objects --------------------------------------------------------------------------------- */

static void check_required(struct check *c, const cJSON *node, const cJSON *value)
{
    const cJSON *properties = json_get(node, "properties"), *name;

    cJSON_ArrayForEach (name, json_get(node, "required")) {
        if (done(c))
            break;
        bool filled = (c->flags & JSCHEMA_FILL_DEFAULTS) &&
                      json_get(json_get(properties, name->valuestring), "default");
        if (!filled && !json_get(value, name->valuestring))
            fault(c, "\"%s\" is missing", name->valuestring);
    }
}

static bool is_required(const cJSON *node, const char *name)
{
    const cJSON *one;

    cJSON_ArrayForEach (one, json_get(node, "required")) {
        if (strcmp(one->valuestring, name) == 0)
            return true;
    }
    return false;
}

/* A member that properties does not name; it may be gone afterwards. */
static void check_unknown(struct check *c, const cJSON *node, cJSON *value, cJSON *member)
{
    const cJSON *properties = json_get(node, "properties");
    const cJSON *additional = json_get(node, "additionalProperties");
    bool closed = cJSON_IsFalse(additional), open = cJSON_IsTrue(additional);

    if ((c->flags & JSCHEMA_DROP_UNKNOWN) && (closed || (properties && !open))) {
        if (!c->dry && !is_required(node, member->string))
            cJSON_Delete(cJSON_DetachItemViaPointer(value, member));
        return;
    }
    if (!closed)
        return;
    const char *near = c->dry ? NULL : nearest_in(properties, member->string);
    if (near)
        fault(c, "is not known; did you mean \"%s\"?", near);
    else
        fault(c, "is not known");
}

static void check_members(struct check *c, const cJSON *node, cJSON *value)
{
    const cJSON *properties = json_get(node, "properties");
    cJSON *next;

    for (cJSON *member = value->child; member && !done(c); member = next) {
        const cJSON *property = json_get(properties, member->string);
        size_t before = jschema_path_member(&c->path, member->string);
        next = member->next;
        if (!property)
            check_unknown(c, node, value, member);
        else if (json_get(value, member->string) != member)
            fault(c, "is given twice"); /* we would take the first, others take the last */
        else
            check_value(c, property, member);
        jschema_path_cut(&c->path, before);
    }
}

static void fill_defaults(struct check *c, const cJSON *node, cJSON *value)
{
    const cJSON *property;

    cJSON_ArrayForEach (property, json_get(node, "properties")) {
        const cJSON *fallback = json_get(property, "default");
        if (!fallback || json_get(value, property->string))
            continue;
        cJSON *copy = cJSON_Duplicate(fallback, true);
        if (!copy || !cJSON_AddItemToObject(value, property->string, copy)) {
            cJSON_Delete(copy);
            c->status = ANTIPHON_ENOMEM;
            return;
        }
        check_value(c, property, copy); /* defaults within the default */
    }
}

static void check_object(struct check *c, const cJSON *node, cJSON *value)
{
    check_required(c, node, value);
    check_members(c, node, value);
    if ((c->flags & JSCHEMA_FILL_DEFAULTS) && !c->dry && !done(c))
        fill_defaults(c, node, value);
}

/* ---- alternatives ---------------------------------------------------------------------------- */

static bool fits_dry(const struct check *c, const cJSON *node, cJSON *value)
{
    struct check dry = *c;

    dry.dry = true;
    dry.faults = 0;
    check_value(&dry, node, value);
    return dry.faults == 0;
}

static void check_any_of(struct check *c, const cJSON *node, cJSON *value)
{
    const cJSON *alternatives = json_get(node, "anyOf"), *one, *chosen = NULL, *likely = NULL;
    unsigned flags = c->flags, count = 0, of_type = 0;

    if (!alternatives)
        return;
    /* Members that the node itself names are not an alternative's to remove. */
    if (json_get(node, "properties"))
        c->flags &= ~JSCHEMA_DROP_UNKNOWN;
    cJSON_ArrayForEach (one, alternatives) {
        count++;
        if (fits_dry(c, one, value)) {
            chosen = one;
            break;
        }
        if (type_fits(one, value)) {
            of_type++;
            likely = one;
        }
    }
    if (chosen && !c->dry)
        check_value(c, chosen, value);
    else if (!chosen && of_type == 1 && !c->dry)
        check_value(c, likely, value); /* to say what is wrong with it */
    else if (!chosen)
        fault(c, "fits none of its %u allowed forms", count);
    c->flags = flags;
}

static void check_value(struct check *c, const cJSON *node, cJSON *value)
{
    if (done(c) || (cJSON_IsNull(value) && json_get_bool(node, "nullable", false)))
        return;
    if (!type_fits(node, value)) {
        report_type(c, node);
        return;
    }
    check_choice(c, node, value);
    check_any_of(c, node, value);
    if (cJSON_IsNumber(value))
        check_number(c, node, value);
    else if (cJSON_IsString(value))
        check_string(c, node, value);
    else if (cJSON_IsArray(value))
        check_items(c, node, value);
    else if (cJSON_IsObject(value))
        check_object(c, node, value);
}

bool jschema_fits(const struct jschema *schema, const cJSON *node, cJSON *value)
{
    struct check check = {.schema = schema};

    return fits_dry(&check, node, value);
}

enum antiphon_status jschema_check(const struct jschema *schema, cJSON *value, unsigned flags,
                                   jschema_report_fn *report, void *ctx)
{
    struct check check = {.schema = schema, .flags = flags, .report = report, .ctx = ctx};

    check_value(&check, schema->tree, value);
    if (check.status)
        return check.status;
    return check.faults ? ANTIPHON_EINVAL : ANTIPHON_OK;
}
