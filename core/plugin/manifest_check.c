#include "plugin/manifest_check.h"

#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

static const char *shown(const char *text)
{
    return text ? text : "nothing";
}

/* Whether two schemas mean the same: white space and the order of members do not count. */
static bool same_schema(const char *text, const cJSON *tree)
{
    cJSON *other = text ? cJSON_Parse(text) : NULL;
    bool same = text ? other && cJSON_Compare(other, tree, true) : !tree;

    cJSON_Delete(other);
    return same;
}

enum antiphon_status manifest_check_plugin(const struct manifest *manifest, const struct antiphon_plugin *plugin,
                                           struct err *err)
{
    const char *abi = manifest_abi(manifest);

    if (strtoul(abi, NULL, 10) != strtoul(ANTIPHON_ABI, NULL, 10))
        return err_set(err, ANTIPHON_EINVAL, "it is built for version %s of the plugin ABI, this program has %s", abi,
                       ANTIPHON_ABI);
    if (!plugin)
        return ANTIPHON_OK;
    if (strcmp(shown(plugin->name), manifest_name(manifest)) != 0)
        return err_set(err, ANTIPHON_EINVAL, "it says name %s, the plugin says %s", manifest_name(manifest),
                       shown(plugin->name));
    if (strcmp(shown(plugin->version), manifest_version(manifest)) != 0)
        return err_set(err, ANTIPHON_EINVAL, "it says version %s, the plugin says %s", manifest_version(manifest),
                       shown(plugin->version));
    if (plugin->config_schema &&
        !same_schema(plugin->config_schema, json_get(manifest_tree(manifest), "config")))
        return err_set(err, ANTIPHON_EINVAL, "its config is not the plugin's config_schema");
    return ANTIPHON_OK;
}

static enum antiphon_status check_tool(const struct manifest *manifest, const struct antiphon_tool *tool,
                                       struct err *err)
{
    const cJSON *said = manifest_tool(manifest, tool->name);
    const char *description = json_get_string(said, "description");

    if (!said && json_get_bool(manifest_tree(manifest), "dynamic_tools", false))
        return ANTIPHON_OK;
    if (!said)
        return err_set(err, ANTIPHON_EINVAL, "it does not have the tool %s, which the plugin registers", tool->name);
    if (description && strcmp(description, tool->description) != 0)
        return err_set(err, ANTIPHON_EINVAL, "tool %s: its description is not the plugin's", tool->name);
    if (tool->invoke && !same_schema(tool->params_schema, json_get(said, "parameters")))
        return err_set(err, ANTIPHON_EINVAL, "tool %s: its parameters are not the plugin's", tool->name);
    if (manifest_tool_flags(said) != tool->flags)
        return err_set(err, ANTIPHON_EINVAL, "tool %s: its flags are not the plugin's", tool->name);
    /* By configuration it may be a function and nothing else. */
    if (!manifest_tool_native(said) && tool->native_feature)
        return err_set(err, ANTIPHON_EINVAL, "tool %s: the plugin says native, and it does not", tool->name);
    return ANTIPHON_OK;
}

static bool has_tool(const struct registry_tool *tools, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(tools[i].tool.name, name) == 0)
            return true;
    }
    return false;
}

static enum antiphon_status check_tools(const struct manifest *manifest, const struct host *host, struct err *err)
{
    const struct registry_tool *tools;
    size_t n = host_tools(host, &tools);
    const cJSON *said;

    for (size_t i = 0; i < n; i++) {
        enum antiphon_status status = check_tool(manifest, &tools[i].tool, err);
        if (status)
            return status;
    }
    if (json_get_bool(manifest_tree(manifest), "dynamic_tools", false))
        return ANTIPHON_OK;
    cJSON_ArrayForEach (said, json_get(manifest_tree(manifest), "tools")) {
        const char *name = json_get_string(said, "name");
        if (!has_tool(tools, n, name))
            return err_set(err, ANTIPHON_EINVAL, "it has the tool %s, which the plugin did not register", name);
    }
    return ANTIPHON_OK;
}

static enum antiphon_status check_models(const struct manifest *manifest, const struct host *host, struct err *err)
{
    const cJSON *said = json_get(manifest_tree(manifest), "models"), *one;
    const struct registry_model *models;
    size_t n = host_models(host, &models);

    if (n != (size_t)cJSON_GetArraySize(said))
        return err_set(err, ANTIPHON_EINVAL, "it has %d models, the plugin registered %zu", cJSON_GetArraySize(said),
                       n);
    for (size_t i = 0; i < n; i++) {
        bool found = false;
        cJSON_ArrayForEach (one, said)
            found = found || strcmp(one->valuestring, models[i].model.name) == 0;
        if (!found)
            return err_set(err, ANTIPHON_EINVAL, "it does not have the model %s, which the plugin registers",
                           models[i].model.name);
    }
    return ANTIPHON_OK;
}

enum antiphon_status manifest_check_registered(const struct manifest *manifest, const struct host *host,
                                               struct err *err)
{
    const struct registry_hook *hooks;
    size_t n = host_hooks(host, &hooks);
    uint32_t points = 0;
    enum antiphon_status status = check_tools(manifest, host, err);

    if (!status)
        status = check_models(manifest, host, err);
    for (size_t i = 0; i < n; i++)
        points |= hooks[i].hook.points;
    if (!status && (points & ~manifest_hook_points(manifest)))
        status = err_set(err, ANTIPHON_EINVAL, "its hooks are not those of the plugin");
    return status;
}

enum antiphon_status manifest_fill_tool(const struct manifest *manifest, const struct antiphon_tool *tool,
                                        const char **description, char **parameters, uint32_t *flags)
{
    const cJSON *said = manifest && tool->name ? manifest_tool(manifest, tool->name) : NULL;
    const cJSON *schema = json_get(said, "parameters");
    struct buf text;
    enum antiphon_status status = ANTIPHON_OK;

    *description = tool->description ? NULL : json_get_string(said, "description");
    *flags = tool->flags ? tool->flags : manifest_tool_flags(said);
    *parameters = NULL;
    if (tool->params_schema || !schema || !tool->invoke)
        return ANTIPHON_OK;
    buf_init(&text, MANIFEST_MAX_BYTES * 2);
    status = json_print(schema, &text);
    if (!status) {
        *parameters = buf_take(&text);
        status = *parameters ? ANTIPHON_OK : ANTIPHON_ENOMEM;
    }
    buf_deinit(&text);
    return status;
}
