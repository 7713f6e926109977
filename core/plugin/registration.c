#include "plugin/registration.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/banned.h"

#define END_OF(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))
#define MIN_TOOL            END_OF(struct antiphon_tool, undo)
#define MIN_HOOK            END_OF(struct antiphon_hook, run)
#define MIN_MODEL           END_OF(struct antiphon_model, wake)

enum antiphon_status registration_copy(void *to, size_t to_size, const void *from, size_t min)
{
    uint32_t from_size, size = (uint32_t)to_size;

    if (!from)
        return ANTIPHON_EINVAL;
    memcpy(&from_size, from, sizeof(from_size));
    if (from_size < min)
        return ANTIPHON_EINVAL;
    memset(to, 0, to_size);
    memcpy(to, from, from_size < to_size ? from_size : to_size);
    memcpy(to, &size, sizeof(size));
    return ANTIPHON_OK;
}

static bool is_name(const char *name)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789.:-";
    size_t len = strlen(name);

    return len > 0 && len <= REGISTRATION_MAX_NAME && strchr(first, name[0]) &&
           strspn(name, rest) == len;
}

static enum antiphon_status check_text(const char *what, const char *text, struct err *err)
{
    if (!text || text[strspn(text, " \t\r\n")] == '\0')
        return err_set(err, ANTIPHON_EINVAL, "%s is missing", what);
    size_t len = strlen(text);
    if (len > REGISTRATION_MAX_TEXT)
        return err_set(err, ANTIPHON_EINVAL, "%s has %zu bytes, at most %zu are allowed", what, len,
                       REGISTRATION_MAX_TEXT);
    if (!json_is_utf8(text, len))
        return err_set(err, ANTIPHON_EINVAL, "%s is not UTF-8", what);
    return ANTIPHON_OK;
}

/* The copy's pointers are the plugin's until here; from here on they are its own. */
static enum antiphon_status own_texts(const char **const *texts, size_t n, struct err *err)
{
    enum antiphon_status status = ANTIPHON_OK;

    for (size_t i = 0; i < n; i++) {
        if (!*texts[i])
            continue;
        *texts[i] = status ? NULL : strdup(*texts[i]);
        if (!*texts[i])
            status = ANTIPHON_ENOMEM;
    }
    return status ? err_set(err, status, "no memory") : status;
}

static enum antiphon_status check_native(const struct antiphon_tool *tool, struct err *err)
{
    cJSON *fragment = NULL;
    struct err why;

    if (!tool->invoke && (tool->cancel || tool->undo || tool->params_schema))
        return err_set(err, ANTIPHON_EINVAL,
                       "a native tool without invoke() has no params_schema, cancel() or undo()");
    enum antiphon_status status = check_text("native_feature", tool->native_feature, err);
    if (!status)
        status = check_text("native_fragment", tool->native_fragment, err);
    if (status)
        return status;
    status =
        json_parse(tool->native_fragment, strlen(tool->native_fragment), NULL, &fragment, &why);
    if (status)
        return err_set(err, status, "native_fragment: %s", why.text);
    if (!cJSON_IsObject(fragment) || !fragment->child)
        status = err_set(err, ANTIPHON_EINVAL,
                         "native_fragment must be a JSON object such as {\"googleSearch\":{}}");
    cJSON_Delete(fragment);
    return status;
}

static enum antiphon_status compile(const struct antiphon_tool *tool, struct jschema **schema,
                                    struct err *err)
{
    struct jschema *made = NULL;
    struct err why;
    enum antiphon_status status = check_text("params_schema", tool->params_schema, err);

    if (status)
        return status;
    status = jschema_new("params_schema", tool->params_schema, &made, &why);
    if (status)
        return err_set(err, status, "%s", why.text);
    const char *type = json_get_string(jschema_tree(made), "type");
    if (!type || strcasecmp(type, "object") != 0) {
        jschema_free(made);
        return err_set(err, ANTIPHON_EINVAL, "params_schema: \"type\" must be \"object\"");
    }
    *schema = made;
    return ANTIPHON_OK;
}

static enum antiphon_status check_tool(const struct antiphon_tool *tool, struct jschema **schema,
                                       struct err *err)
{
    if (tool->flags & ANTIPHON_TOOL_SET) {
        if (!tool->invoke && !tool->undo && !tool->params_schema && !tool->native_feature && !tool->set)
            return ANTIPHON_OK;
        return err_set(err, ANTIPHON_EINVAL, "a set has a name and nothing else");
    }
    enum antiphon_status status = check_text("description", tool->description, err);
    if (!status && tool->set)
        status = check_text("set", tool->set, err);
    if (status)
        return status;
    if (tool->native_feature || tool->native_fragment) {
        status = check_native(tool, err);
        if (status || !tool->invoke)
            return status;
    }
    if (!tool->invoke)
        return err_set(err, ANTIPHON_EINVAL,
                       "invoke is NULL, and native_feature and native_fragment are not set");
    return tool->params_schema ? compile(tool, schema, err) : ANTIPHON_OK;
}

enum antiphon_status registration_tool(const struct antiphon_tool *from, struct registry_tool *to,
                                       struct err *err)
{
    struct antiphon_tool tool;
    struct jschema *schema = NULL;

    if (registration_copy(&tool, sizeof(tool), from, MIN_TOOL))
        return err_set(err, ANTIPHON_EINVAL,
                       "tool: struct_size must be sizeof(struct antiphon_tool)");
    if (!tool.name || !is_name(tool.name))
        return err_set(err, ANTIPHON_EINVAL,
                       "tool: the name must be a letter or '_' and at most 127 letters, digits "
                       "or _ . : - more");
    enum antiphon_status status = check_tool(&tool, &schema, err);
    if (status) {
        err_prefix(err, "tool %s", tool.name);
        return status;
    }
    const char **const texts[] = {&tool.name, &tool.description, &tool.params_schema,
                                  &tool.native_feature, &tool.native_fragment, &tool.scheduling,
                                  &tool.set};
    if (!tool.description)
        tool.description = ""; /* of a set */
    *to = (struct registry_tool){.schema = schema};
    status = own_texts(texts, sizeof(texts) / sizeof(texts[0]), err);
    to->tool = tool;
    if (status)
        registration_tool_free(to);
    return status;
}

void registration_tool_free(struct registry_tool *tool)
{
    free((void *)(uintptr_t)tool->tool.name);
    free((void *)(uintptr_t)tool->tool.description);
    free((void *)(uintptr_t)tool->tool.params_schema);
    free((void *)(uintptr_t)tool->tool.native_feature);
    free((void *)(uintptr_t)tool->tool.native_fragment);
    free((void *)(uintptr_t)tool->tool.scheduling);
    free((void *)(uintptr_t)tool->tool.set);
    jschema_free((struct jschema *)(uintptr_t)tool->schema);
    *tool = (struct registry_tool){0};
}

enum antiphon_status registration_model(const struct antiphon_model *from,
                                        struct registry_model *to, struct err *err)
{
    struct antiphon_model model;

    if (registration_copy(&model, sizeof(model), from, MIN_MODEL))
        return err_set(err, ANTIPHON_EINVAL,
                       "model: struct_size must be sizeof(struct antiphon_model)");
    if (!model.name || !is_name(model.name))
        return err_set(err, ANTIPHON_EINVAL,
                       "model: the name must be a letter or '_' and at most 127 letters, digits "
                       "or _ . : - more");
    if (!model.backend || !model.open || !model.send || !model.close)
        return err_set(err, ANTIPHON_EINVAL,
                       "model %s: backend, open, send and close must all be set", model.name);
    const char **const texts[] = {&model.name};
    enum antiphon_status status = own_texts(texts, 1, err);
    if (!status)
        *to = (struct registry_model){.model = model};
    return status;
}

void registration_model_free(struct registry_model *model)
{
    free((void *)(uintptr_t)model->model.name);
    *model = (struct registry_model){0};
}

enum antiphon_status registration_hook(const struct antiphon_hook *from, struct registry_hook *to,
                                       struct err *err)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const uint32_t known =
        ANTIPHON_HOOK_AT(ANTIPHON_HOOK_AFTER_TOOL + 1) - ANTIPHON_HOOK_AT(ANTIPHON_HOOK_USER_TEXT);
    struct antiphon_hook hook;

    if (registration_copy(&hook, sizeof(hook), from, MIN_HOOK))
        return err_set(err, ANTIPHON_EINVAL,
                       "hook: struct_size must be sizeof(struct antiphon_hook)");
    size_t len = hook.name ? strlen(hook.name) : 0;
    if (len == 0 || len > REGISTRATION_MAX_NAME || strspn(hook.name, letters) != len)
        return err_set(err, ANTIPHON_EINVAL,
                       "hook: the name must be 1 to %d letters, digits, '_' or '-'",
                       REGISTRATION_MAX_NAME);
    if (!hook.run)
        return err_set(err, ANTIPHON_EINVAL, "hook %s: run is NULL", hook.name);
    if (hook.points == 0 || (hook.points & ~known))
        return err_set(err, ANTIPHON_EINVAL,
                       "hook %s: points must be one or more of ANTIPHON_HOOK_AT(...)", hook.name);
    if (hook.budget_ms > REGISTRATION_MAX_HOOK_BUDGET_MS)
        return err_set(err, ANTIPHON_EINVAL, "hook %s: a budget of at most %u ms is allowed",
                       hook.name, REGISTRATION_MAX_HOOK_BUDGET_MS);
    if (hook.budget_ms == 0)
        hook.budget_ms = REGISTRATION_HOOK_BUDGET_MS;
    const char **const texts[] = {&hook.name};
    enum antiphon_status status = own_texts(texts, 1, err);
    if (!status)
        *to = (struct registry_hook){.hook = hook};
    return status;
}

void registration_hook_free(struct registry_hook *hook)
{
    free((void *)(uintptr_t)hook->hook.name);
    *hook = (struct registry_hook){0};
}
