#include "base/jschema.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jschema_impl.h"
#include "base/utf8.h"
#include "base/banned.h"

#define MAX_PATTERN 256 /* bytes */
/* Product of a pattern's {n,m}, and of 2 for each + behind a group or another operator: glibc writes x+ as xx*, and copies
 * the automaton that often. ((((a+)+)+)+)+ doubles with every +. */
#define MAX_REPETITION 256
/* That product times the operators that may match nothing: glibc's closures over them grow with its square.
 * (a?b?c?d?e?f?){1000} would take 283 MB, ((a*b*c*)*){1000} ten seconds. */
#define MAX_PATTERN_COST 1024
#define MAX_WORD 64 /* bytes of a word that has a nearest one */

struct compiler {
    struct jschema *schema;
    struct jschema_path path;
    struct err *err;
};

static size_t path_add(struct jschema_path *path, const char *fmt, const char *text, size_t index)
{
    size_t before = path->len, room = sizeof(path->text) - before;
    int n = text ? snprintf(path->text + before, room, "%s%s", fmt, text)
                 : snprintf(path->text + before, room, "[%zu]", index);

    if (n > 0)
        path->len = (size_t)n < room ? before + (size_t)n : sizeof(path->text) - 1;
    jschema_path_cut(path, utf8_cut(path->text, path->len));
    return before;
}

size_t jschema_path_member(struct jschema_path *path, const char *name)
{
    return path_add(path, path->len ? "." : "", name, 0);
}

size_t jschema_path_index(struct jschema_path *path, size_t index)
{
    return path_add(path, NULL, NULL, index);
}

void jschema_path_cut(struct jschema_path *path, size_t len)
{
    path->len = len;
    path->text[len] = '\0';
}

static enum antiphon_status refuse(struct compiler *c, const char *what)
{
    return err_set(c->err, ANTIPHON_EINVAL, "%s: schema: %s%s%s", c->schema->name, c->path.text,
                   c->path.len ? ": " : "", what);
}

/* ---- what each keyword must look like -------------------------------------------------------- */

static enum antiphon_status compile_node(struct compiler *c, cJSON *node);

static enum antiphon_status take_string(struct compiler *c, cJSON *value)
{
    return cJSON_IsString(value) ? ANTIPHON_OK : refuse(c, "must be a string");
}

static enum antiphon_status take_bool(struct compiler *c, cJSON *value)
{
    return cJSON_IsBool(value) ? ANTIPHON_OK : refuse(c, "must be true or false");
}

static enum antiphon_status take_number(struct compiler *c, cJSON *value)
{
    return cJSON_IsNumber(value) ? ANTIPHON_OK : refuse(c, "must be a number");
}

static enum antiphon_status take_count(struct compiler *c, cJSON *value)
{
    double n = value->valuedouble;
    bool good = cJSON_IsNumber(value) && n >= 0 && n <= INT_MAX && n == trunc(n);

    return good ? ANTIPHON_OK : refuse(c, "must be a whole number of 0 or more");
}

static enum antiphon_status take_any(struct compiler *c, cJSON *value)
{
    (void)c;
    (void)value;
    return ANTIPHON_OK;
}

static enum antiphon_status take_type(struct compiler *c, cJSON *value)
{
    const cJSON *one;
    bool good = cJSON_IsArray(value) && value->child;

    if (cJSON_IsString(value))
        good = jschema_type_bit(value->valuestring) != 0;
    else
        cJSON_ArrayForEach (one, value)
            good = good && cJSON_IsString(one) && jschema_type_bit(one->valuestring) != 0;
    return good ? ANTIPHON_OK
                : refuse(c, "must be string, number, integer, boolean, array, object or null, or "
                            "an array of these");
}

static enum antiphon_status take_strings(struct compiler *c, cJSON *value)
{
    const cJSON *one;
    bool good = cJSON_IsArray(value);

    cJSON_ArrayForEach (one, value)
        good = good && cJSON_IsString(one);
    return good ? ANTIPHON_OK : refuse(c, "must be an array of strings");
}

static bool is_scalar(const cJSON *value)
{
    return !cJSON_IsArray(value) && !cJSON_IsObject(value);
}

static enum antiphon_status take_scalar(struct compiler *c, cJSON *value)
{
    return is_scalar(value) ? ANTIPHON_OK
                            : refuse(c, "must be a string, a number, true, false or null");
}

static enum antiphon_status take_enum(struct compiler *c, cJSON *value)
{
    const cJSON *one;
    bool good = cJSON_IsArray(value) && value->child;

    cJSON_ArrayForEach (one, value)
        good = good && is_scalar(one);
    return good ? ANTIPHON_OK
                : refuse(c, "must be an array of strings, numbers, true, false or null");
}

static enum antiphon_status take_properties(struct compiler *c, cJSON *value)
{
    cJSON *one;
    enum antiphon_status status = ANTIPHON_OK;

    if (!cJSON_IsObject(value))
        return refuse(c, "must be an object");
    cJSON_ArrayForEach (one, value) {
        size_t before = jschema_path_member(&c->path, one->string);
        if (json_get(value, one->string) != one)
            status = refuse(c, "is given twice");
        else
            status = compile_node(c, one);
        jschema_path_cut(&c->path, before);
        if (status)
            break;
    }
    return status;
}

static enum antiphon_status take_schemas(struct compiler *c, cJSON *value)
{
    cJSON *one;
    enum antiphon_status status = ANTIPHON_OK;
    size_t index = 0;

    if (!cJSON_IsArray(value) || !value->child)
        return refuse(c, "must be an array of schemas");
    cJSON_ArrayForEach (one, value) {
        size_t before = jschema_path_index(&c->path, index++);
        status = compile_node(c, one);
        jschema_path_cut(&c->path, before);
        if (status)
            break;
    }
    return status;
}

/* ---- patterns -------------------------------------------------------------------------------- */

/* at is behind a '['; answers the place of its ']' or of the end. */
static const char *skip_bracket(const char *at, const char **fault)
{
    if (*at == '^')
        at++;
    if (*at == ']')
        at++;
    for (; *at && *at != ']'; at++) {
        if (*at == '\\')
            *fault = "a backslash inside [] is no escape in a POSIX expression";
        if (*at == '[' && at[1] == ':' && strstr(at, ":]"))
            at = strstr(at, ":]") + 1;
    }
    return at;
}

/* The larger number of "{n,m}", at least 1; at is behind the brace. */
static unsigned long repetition(const char *at)
{
    unsigned long most = 1, n;
    char *end;

    while (isdigit((unsigned char)*at) || *at == ',') {
        n = *at == ',' ? 0 : strtoul(at, &end, 10);
        most = n > most ? n : most;
        at = *at == ',' ? at + 1 : end;
    }
    return most > MAX_REPETITION ? MAX_REPETITION + 1 : most;
}

/* JSON Schema means ECMAScript's expressions, we have POSIX's: what would silently mean something
 * else is refused, and so is what costs too much. NULL: nothing is wrong. */
static const char *pattern_fault(const char *pattern)
{
    const char *fault = NULL;
    unsigned long repeats = 1, loose = 0;

    if (strlen(pattern) > MAX_PATTERN)
        return "is too long";
    for (const char *at = pattern; *at && !fault; at++) {
        if (*at == '[') {
            at = skip_bracket(at + 1, &fault);
        } else if (*at == '\\') {
            at++;
            if (isalnum((unsigned char)*at) && !strchr("wWsSbB", *at))
                fault = "has an escape that POSIX expressions lack; write [0-9] for \\d";
        } else if (*at == '(' && at[1] == '?') {
            fault = "has (?, which POSIX expressions lack";
        } else if (*at == '{') {
            repeats *= repetition(at + 1);
        } else if (*at == '+' && at > pattern && strchr(")*+?}", at[-1])) {
            repeats *= 2;
        }
        if (repeats > MAX_REPETITION)
            fault = "repeats too often";
        if (*at == '\0')
            break;
        loose += strchr("?*+|{", *at) != NULL;
    }
    return !fault && repeats > 1 && repeats * loose > MAX_PATTERN_COST ? "repeats too often" : fault;
}

static enum antiphon_status take_pattern(struct compiler *c, cJSON *value)
{
    if (!cJSON_IsString(value))
        return refuse(c, "must be a string");
    const char *fault = pattern_fault(value->valuestring);
    return fault ? refuse(c, fault) : ANTIPHON_OK;
}

static enum antiphon_status compile_pattern(struct compiler *c, const cJSON *node)
{
    const char *text = json_get_string(node, "pattern");

    if (!text)
        return ANTIPHON_OK;
    struct jschema_pattern *pattern = calloc(1, sizeof(*pattern));
    if (!pattern)
        return err_set(c->err, ANTIPHON_ENOMEM, "%s: no memory", c->schema->name);
    int rc = regcomp(&pattern->regex, text, REG_EXTENDED | REG_NOSUB);
    if (rc) {
        char why[128];
        regerror(rc, &pattern->regex, why, sizeof(why));
        free(pattern);
        jschema_path_member(&c->path, "pattern");
        return refuse(c, why);
    }
    pattern->node = node;
    pattern->next = c->schema->patterns;
    c->schema->patterns = pattern;
    return ANTIPHON_OK;
}

/* ---- the schema ------------------------------------------------------------------------------ */

static const struct keyword {
    const char *name;
    enum antiphon_status (*take)(struct compiler *c, cJSON *value);
} keywords[] = {
    {"type", take_type},        {"properties", take_properties},
    {"required", take_strings}, {"additionalProperties", take_bool},
    {"items", compile_node},    {"enum", take_enum},
    {"const", take_scalar},     {"minimum", take_number},
    {"maximum", take_number},   {"minLength", take_count},
    {"maxLength", take_count},  {"minItems", take_count},
    {"maxItems", take_count},   {"pattern", take_pattern},
    {"anyOf", take_schemas},    {"nullable", take_bool},
    {"default", take_any},      {"description", take_string},
    {"title", take_string},     {"format", take_string},
    {"x-env", take_strings},    {"writeOnly", take_bool},
    {"x-host-only", take_bool},
    {"$schema", take_string},   {"$comment", take_string},
    {"examples", take_any},
};

static enum antiphon_status compile_keyword(struct compiler *c, cJSON *value)
{
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
        if (strcmp(keywords[i].name, value->string) == 0)
            return keywords[i].take(c, value);
    }
    return refuse(c, "unknown or unsupported keyword");
}

/* A member that is demanded and forbidden makes a schema that nothing can fit. */
static enum antiphon_status compile_required(struct compiler *c, const cJSON *node)
{
    const cJSON *properties = json_get(node, "properties"), *name;

    if (json_get_bool(node, "additionalProperties", true))
        return ANTIPHON_OK;
    cJSON_ArrayForEach (name, json_get(node, "required")) {
        if (json_get(properties, name->valuestring))
            continue;
        jschema_path_member(&c->path, "required");
        jschema_path_member(&c->path, name->valuestring);
        return refuse(c, "is not among the properties");
    }
    return ANTIPHON_OK;
}

static enum antiphon_status compile_node(struct compiler *c, cJSON *node)
{
    cJSON *value;

    if (!cJSON_IsObject(node))
        return refuse(c, "must be a schema (an object)");
    cJSON_ArrayForEach (value, node) {
        size_t before = jschema_path_member(&c->path, value->string);
        bool twice = json_get(node, value->string) != value;
        enum antiphon_status status =
            twice ? refuse(c, "is given twice") : compile_keyword(c, value);
        if (status)
            return status;
        jschema_path_cut(&c->path, before);
    }
    enum antiphon_status status = compile_required(c, node);
    if (!status)
        status = compile_pattern(c, node);
    if (status)
        return status;
    cJSON *fallback = cJSON_GetObjectItemCaseSensitive(node, "default");
    if (fallback && !jschema_fits(c->schema, node, fallback)) {
        jschema_path_member(&c->path, "default");
        return refuse(c, "does not fit the schema it stands in");
    }
    return ANTIPHON_OK;
}

enum antiphon_status jschema_new(const char *name, const char *text, struct jschema **schema,
                                 struct err *err)
{
    const struct json_limits limits = {.max_depth = JSON_DEPTH_CEILING, .max_tokens = 32768};
    struct jschema *made = calloc(1, sizeof(*made));
    enum antiphon_status status = ANTIPHON_ENOMEM;

    if (made)
        made->name = strdup(name);
    if (!made || !made->name) {
        err_set(err, status, "%s: no memory for its schema", name);
        goto out;
    }
    status = json_parse(text, strlen(text), &limits, &made->tree, err);
    if (status) {
        err_prefix(err, "%s: schema", name);
        goto out;
    }
    struct compiler compiler = {.schema = made, .err = err};
    status = compile_node(&compiler, made->tree);
    if (status)
        goto out;
    *schema = made;
    made = NULL;
out:
    jschema_free(made);
    return status;
}

void jschema_free(struct jschema *schema)
{
    if (!schema)
        return;
    while (schema->patterns) {
        struct jschema_pattern *next = schema->patterns->next;
        regfree(&schema->patterns->regex);
        free(schema->patterns);
        schema->patterns = next;
    }
    cJSON_Delete(schema->tree);
    free(schema->name);
    free(schema);
}

const cJSON *jschema_tree(const struct jschema *schema)
{
    return schema->tree;
}

/* ---- the nearest word ------------------------------------------------------------------------ */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Inserted, left out, changed and swapped characters; both words have at most MAX_WORD bytes. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned rows[3][MAX_WORD + 1];
    unsigned *two_up = rows[0], *up = rows[1], *row = rows[2];

    for (unsigned j = 0; j <= b_len; j++)
        up[j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        row[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            unsigned change = up[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least(change, least(up[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], two_up[j - 2] + 1);
        }
        unsigned *oldest = two_up;
        two_up = up;
        up = row;
        row = oldest;
    }
    return up[b_len];
}

const char *jschema_nearest(const char *word, const char *const *candidates, size_t n)
{
    const char *best = NULL;
    size_t len = strlen(word);
    unsigned limit = (unsigned)(len / 3), least_yet = limit + 1;

    if (len > MAX_WORD)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(candidates[i]);
        if (other > MAX_WORD || other > len + limit || len > other + limit)
            continue;
        unsigned d = distance(word, len, candidates[i], other);
        if (d < least_yet) {
            least_yet = d;
            best = candidates[i];
        }
    }
    return best;
}
