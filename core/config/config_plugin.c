#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/jschema.h"
#include "config/config.h"
#include "config/config_isolation.h"
#include "config/expand.h"
#include "config/secret.h"
#include "config/yaml.h"
#include "base/banned.h"

#define MAX_PATH      512
#define MAX_FROM_ENV  64
#define SECRET_PREFIX "secret:"

struct origin { /* a value that came from the environment */
    char path[MAX_PATH];
    const char *name; /* borrowed: the schema */
};
struct resolve {
    const struct config *config;
    const char *name; /* of the plugin */
    struct report *report;
    char *folder; /* owned; of the file, NULL: none */
    struct origin origins[MAX_FROM_ENV];
    size_t origins_n;
};

/* path is within the plugin's configuration; "" its root. */
static void fault(struct resolve *resolve, const char *path, const char *message)
{
    char full[MAX_PATH + 160];

    for (size_t i = 0; i < resolve->origins_n; i++) {
        if (strcmp(resolve->origins[i].path, path) == 0) {
            report_fault(resolve->report, NULL, 0, 0, resolve->origins[i].name, "plugin %s, %s: %s",
                         resolve->name, path, message);
            return;
        }
    }
    snprintf(full, sizeof(full), "plugins.%s%s%s", resolve->name, path[0] ? "." : "", path);
    if (resolve->config->source)
        yaml_fault(resolve->config->source, resolve->report, full, "%s", message);
    else
        report_fault(resolve->report, NULL, 0, 0, full, "%s", message);
}

static void on_schema_fault(void *ctx, const char *path, const char *message)
{
    fault(ctx, path, message);
}

/* ---- environment variables that a schema names
 * ----------------------------------------------------------- */

static bool allows(const cJSON *schema, const char *type)
{
    const cJSON *types = json_get(schema, "type"), *item;

    if (cJSON_IsString(types))
        return strcmp(types->valuestring, type) == 0;
    cJSON_ArrayForEach (item, types) {
        if (cJSON_IsString(item) && strcmp(item->valuestring, type) == 0)
            return true;
    }
    return !types && strcmp(type, "string") == 0;
}

/* The text of a variable as the type that the schema wants; NULL: it is none. */
static cJSON *convert(const cJSON *schema, const char *text)
{
    char *end;

    if (allows(schema, "string"))
        return cJSON_CreateString(text);
    if (allows(schema, "boolean")) {
        if (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0)
            return cJSON_CreateTrue();
        if (strcasecmp(text, "false") == 0 || strcmp(text, "0") == 0)
            return cJSON_CreateFalse();
        return NULL;
    }
    if (!allows(schema, "integer") && !allows(schema, "number"))
        return NULL;
    errno = 0;
    double number = strtod(text, &end);
    return errno || end == text || *end ? NULL : cJSON_CreateNumber(number);
}

static const char *first_set(const cJSON *names, const char **value)
{
    const cJSON *item;

    cJSON_ArrayForEach (item, names) {
        const char *text = cJSON_IsString(item) ? getenv(item->valuestring) : NULL;
        if (text && text[0]) {
            *value = text;
            return item->valuestring;
        }
    }
    return NULL;
}

static const char *wanted(const cJSON *schema)
{
    return allows(schema, "boolean")  ? "true or false"
           : allows(schema, "string") ? "UTF-8 text"
                                      : "a number";
}

static void take_variable(struct resolve *resolve, const cJSON *property, cJSON *target,
                          const char *path, bool add)
{
    const char *value = NULL;
    const char *name = first_set(json_get(property, "x-env"), &value);

    if (!name || resolve->origins_n == MAX_FROM_ENV)
        return;
    cJSON_DeleteItemFromObjectCaseSensitive(target, property->string);
    if (!add)
        return;
    struct origin *origin = &resolve->origins[resolve->origins_n++];
    snprintf(origin->path, sizeof(origin->path), "%s", path);
    origin->name = name;
    cJSON *node = json_is_utf8(value, strlen(value)) ? convert(property, value) : NULL;
    if (!node || !cJSON_AddItemToObject(target, property->string, node)) {
        cJSON_Delete(node);
        char message[64];
        snprintf(message, sizeof(message), "must be %s", wanted(property));
        fault(resolve, path, message);
    }
}

/* add false: only takes out what the environment will replace, so that nobody resolves it in vain,
 * and what comes from the environment is never taken for a reference. */
static void take_variables(struct resolve *resolve, const cJSON *schema, cJSON *target,
                           const char *path, bool add)
{
    const cJSON *property;

    cJSON_ArrayForEach (property, json_get(schema, "properties")) {
        char below[MAX_PATH];
        int n =
            snprintf(below, sizeof(below), "%s%s%s", path, path[0] ? "." : "", property->string);
        if (n < 0 || (size_t)n >= sizeof(below))
            continue;
        take_variable(resolve, property, target, below, add);
        cJSON *child = cJSON_GetObjectItemCaseSensitive(target, property->string);
        if (!child && add && json_get(property, "properties"))
            child = cJSON_AddObjectToObject(target, property->string);
        if (!child || !cJSON_IsObject(child))
            continue;
        take_variables(resolve, property, child, below, add);
        if (add && !child->child)
            cJSON_Delete(cJSON_DetachItemViaPointer(target, child));
    }
}

/* ---- secrets
 * -------------------------------------------------------------------------------------------- */

/* The reference that a node holds ("secret:env:X", or {secret: "env:X"}), or NULL. */
static const char *reference(const cJSON *node)
{
    if (cJSON_IsString(node) &&
        strncmp(node->valuestring, SECRET_PREFIX, strlen(SECRET_PREFIX)) == 0)
        return node->valuestring + strlen(SECRET_PREFIX);
    if (!cJSON_IsObject(node) || cJSON_GetArraySize(node) != 1)
        return NULL;
    const char *text = json_get_string(node, "secret");
    return text && secret_is_reference(text) ? text : NULL;
}

static void resolve_one(struct resolve *resolve, cJSON *parent, cJSON *node, const char *ref,
                        const char *path)
{
    struct secret *secret = NULL;
    struct err err;

    while (*ref == ' ')
        ref++;
    if (secret_resolve(ref, resolve->folder, &secret, &err) != ANTIPHON_OK) {
        fault(resolve, path, err.text);
        return;
    }
    cJSON *text = cJSON_CreateString(secret_reveal(secret));
    secret_free(secret);
    bool ok =
        text && (node->string ? cJSON_ReplaceItemInObjectCaseSensitive(parent, node->string, text)
                              : cJSON_ReplaceItemViaPointer(parent, node, text));
    if (!ok) {
        cJSON_Delete(text);
        fault(resolve, path, "out of memory");
    }
}

static void resolve_secrets(struct resolve *resolve, cJSON *parent, const char *path)
{
    cJSON *next;
    int index = 0;

    for (cJSON *child = parent->child; child; child = next) {
        char below[MAX_PATH];
        int n = cJSON_IsObject(parent) ? snprintf(below, sizeof(below), "%s%s%s", path,
                                                  path[0] ? "." : "", child->string)
                                       : snprintf(below, sizeof(below), "%s[%d]", path, index++);
        next = child->next;
        if (n < 0 || (size_t)n >= sizeof(below))
            continue;
        const char *ref = reference(child);
        if (ref)
            resolve_one(resolve, parent, child, ref, below);
        else
            resolve_secrets(resolve, child, below);
    }
}

static void wipe(cJSON *node)
{
    if (node && node->valuestring)
        secret_wipe(node->valuestring, strlen(node->valuestring));
    for (cJSON *child = node ? node->child : NULL; child; child = child->next)
        wipe(child);
}

/* ---- all of it
 * ------------------------------------------------------------------------------------------ */

/* The plugin's schema, closed: a key that it does not name is a fault even if its author forgot to
 * say so. */
static enum antiphon_status compile(const char *name, const char *text, struct jschema **schema,
                                    struct err *err)
{
    static const struct json_limits limits = {.max_tokens = 65536};
    cJSON *tree = NULL;
    struct buf closed;
    enum antiphon_status status = json_parse(text, strlen(text), &limits, &tree, err);

    if (status != ANTIPHON_OK)
        return status;
    buf_init(&closed, 1024u * 1024);
    if (cJSON_IsObject(tree) && !json_get(tree, "additionalProperties"))
        cJSON_AddFalseToObject(tree, "additionalProperties");
    status = json_print(tree, &closed);
    cJSON_Delete(tree);
    if (status == ANTIPHON_OK)
        status = jschema_new(name, buf_text(&closed), schema, err);
    else
        err_set(err, status, "the schema is too large");
    buf_deinit(&closed);
    return status;
}

static enum antiphon_status resolve_all(struct resolve *resolve, const struct jschema *schema,
                                        cJSON *value)
{
    char path[MAX_PATH];
    unsigned before = resolve->report->faults;
    enum antiphon_status status = ANTIPHON_OK;

    snprintf(path, sizeof(path), "plugins.%s", resolve->name);
    take_variables(resolve, jschema_tree(schema), value, "", false);
    if (resolve->config->source)
        status = expand_tree(resolve->config->source, value, path, resolve->report);
    if (status == ANTIPHON_ENOMEM)
        return status;
    resolve_secrets(resolve, value, "");
    take_variables(resolve, jschema_tree(schema), value, "", true);
    status = jschema_check(schema, value, JSCHEMA_FILL_DEFAULTS, on_schema_fault, resolve);
    return status == ANTIPHON_OK && resolve->report->faults > before ? ANTIPHON_EINVAL : status;
}

static enum antiphon_status set_folder(struct resolve *resolve)
{
    const char *file = resolve->config->source ? yaml_file(resolve->config->source) : "";
    const char *slash = strrchr(file, '/');

    if (!slash)
        return ANTIPHON_OK;
    resolve->folder = slash == file ? strdup("/") : strndup(file, (size_t)(slash - file));
    return resolve->folder ? ANTIPHON_OK : ANTIPHON_ENOMEM;
}

static enum antiphon_status print(const cJSON *value, char **json)
{
    struct buf out;

    buf_init(&out, 4u * 1024 * 1024);
    enum antiphon_status status = json_print(value, &out);
    if (status == ANTIPHON_OK && !(*json = buf_take(&out)))
        status = ANTIPHON_ENOMEM;
    buf_deinit(&out);
    return status;
}

enum antiphon_status config_plugin(const struct config *config, const char *name,
                                   const char *schema_text, struct report *report, char **json)
{
    struct resolve resolve = {.config = config, .name = name, .report = report};
    const cJSON *given = json_get(config->plugins, name);
    bool empty = !given || cJSON_IsNull(given);
    cJSON *value = empty ? cJSON_CreateObject() : cJSON_Duplicate(given, true);
    struct jschema *schema = NULL;
    struct err err = {ANTIPHON_ENOMEM, "out of memory"};
    enum antiphon_status status = value ? set_folder(&resolve) : ANTIPHON_ENOMEM;

    if (status != ANTIPHON_OK)
        goto out;
    config_isolation_strip(value);
    if (!schema_text && value->child) {
        fault(&resolve, "", "this plugin has no settings");
        status = ANTIPHON_EINVAL;
        goto out;
    }
    if (schema_text) {
        status = compile(name, schema_text, &schema, &err);
        if (status != ANTIPHON_OK) {
            report_fault(report, NULL, 0, 0, "",
                         "plugin %s: its configuration schema is broken: %s", name, err.text);
            goto out;
        }
        status = resolve_all(&resolve, schema, value);
    }
    if (status == ANTIPHON_OK)
        status = print(value, json);
out:
    if (status == ANTIPHON_ENOMEM)
        report_fault(report, NULL, 0, 0, "", "plugin %s: out of memory", name);
    wipe(value);
    cJSON_Delete(value);
    jschema_free(schema);
    free(resolve.folder);
    return status;
}
