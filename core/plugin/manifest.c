#include "plugin/manifest.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/embed.h"
#include "base/jschema.h"
#include "plugin/elf_note.h"
#include "base/banned.h"

#define MAX_TOKENS 16384u

struct manifest {
    cJSON *note;       /* owned: {"abi", "manifest"} */
    const cJSON *tree; /* in note */
    char *config;      /* owned; or NULL */
};

struct fault {
    struct err *err;
    bool any;
};

static void keep_first(void *ctx, const char *path, const char *message)
{
    struct fault *fault = ctx;

    if (!fault->any)
        err_set(fault->err, ANTIPHON_EINVAL, "%s%s%s", path, *path ? ": " : "", message);
    fault->any = true;
}

static enum antiphon_status check_shape(cJSON *tree, struct err *err)
{
    const struct embed *file = embed_find("plugin.schema.json");
    struct fault fault = {.err = err};
    struct jschema *schema = NULL;

    if (!file)
        return err_set(err, ANTIPHON_EINTERNAL, "plugin.schema.json is not in this program");
    enum antiphon_status status = jschema_new("plugin.schema.json", file->data, &schema, err);
    if (status)
        return status;
    status = jschema_check(schema, tree, 0, keep_first, &fault);
    jschema_free(schema);
    return status;
}

/* A schema in the manifest, within the subset that is understood; *text gets it printed if that is wanted. */
static enum antiphon_status check_schema(const cJSON *schema, const char *name, char **text, struct err *err)
{
    struct jschema *compiled = NULL;
    struct buf printed;
    enum antiphon_status status;

    buf_init(&printed, MANIFEST_MAX_BYTES * 2);
    status = json_print(schema, &printed);
    if (status)
        err_set(err, status, "%s: no memory", name);
    else
        status = jschema_new(name, buf_text(&printed), &compiled, err);
    if (!status && text) {
        *text = buf_take(&printed);
        if (!*text)
            status = err_set(err, ANTIPHON_ENOMEM, "%s: no memory", name);
    }
    jschema_free(compiled);
    buf_deinit(&printed);
    return status;
}

static enum antiphon_status check_tools(const struct manifest *manifest, struct err *err)
{
    const cJSON *tool;

    cJSON_ArrayForEach (tool, json_get(manifest->tree, "tools")) {
        const char *name = json_get_string(tool, "name");
        const cJSON *parameters = json_get(tool, "parameters");
        enum antiphon_status status = ANTIPHON_OK;
        if (manifest_tool(manifest, name) != tool)
            return err_set(err, ANTIPHON_EEXISTS, "tool %s is there twice", name);
        if (parameters)
            status = check_schema(parameters, "parameters", NULL, err);
        if (status) {
            err_prefix(err, "tool %s", name);
            return status;
        }
    }
    return ANTIPHON_OK;
}

static enum antiphon_status check(struct manifest *manifest, struct err *err)
{
    const cJSON *config;
    enum antiphon_status status = check_shape((cJSON *)(uintptr_t)manifest->tree, err);

    if (!status)
        status = check_tools(manifest, err);
    config = json_get(manifest->tree, "config");
    if (!status && config)
        status = check_schema(config, "config", &manifest->config, err);
    return status;
}

enum antiphon_status manifest_parse(const char *text, size_t len, struct manifest **manifest, struct err *err)
{
    const struct json_limits limits = {.max_bytes = MANIFEST_MAX_BYTES, .max_tokens = MAX_TOKENS};
    struct manifest *made;
    enum antiphon_status status;

    while (len > 0 && text[len - 1] == '\0')
        len--;
    made = calloc(1, sizeof(*made));
    if (!made)
        return err_set(err, ANTIPHON_ENOMEM, "no memory");
    status = json_parse(text, len, &limits, &made->note, err);
    if (!status) {
        made->tree = json_get(made->note, "manifest");
        if (!cJSON_IsObject(made->tree) || !json_get_string(made->note, "abi"))
            status = err_set(err, ANTIPHON_EINVAL, "not what ANTIPHON_MANIFEST() writes");
    }
    if (!status)
        status = check(made, err);
    if (status)
        manifest_free(made);
    else
        *manifest = made;
    return status;
}

static bool read_at(void *ctx, uint64_t offset, void *to, size_t len)
{
    const int *fd = ctx;

    if (offset > INT64_MAX - len)
        return false;
    return pread(*fd, to, len, (off_t)offset) == (ssize_t)len;
}

enum antiphon_status manifest_read(int fd, struct manifest **manifest, struct err *err)
{
    char *text = NULL;
    size_t len = 0;
    enum antiphon_status status =
        elf_note_find(read_at, &fd, ANTIPHON_NOTE_OWNER, ANTIPHON_NOTE_MANIFEST, &text, &len, err);

    if (!status)
        status = manifest_parse(text, len, manifest, err);
    free(text);
    return status;
}

void manifest_free(struct manifest *manifest)
{
    if (!manifest)
        return;
    cJSON_Delete(manifest->note);
    free(manifest->config);
    free(manifest);
}

const cJSON *manifest_tree(const struct manifest *manifest)
{
    return manifest->tree;
}

const char *manifest_abi(const struct manifest *manifest)
{
    return json_get_string(manifest->note, "abi");
}

const char *manifest_name(const struct manifest *manifest)
{
    return json_get_string(manifest->tree, "name");
}

const char *manifest_version(const struct manifest *manifest)
{
    return json_get_string(manifest->tree, "version");
}

const char *manifest_config(const struct manifest *manifest)
{
    return manifest->config;
}

const cJSON *manifest_tool(const struct manifest *manifest, const char *name)
{
    const cJSON *tool;

    cJSON_ArrayForEach (tool, json_get(manifest->tree, "tools")) {
        if (strcmp(json_get_string(tool, "name"), name) == 0)
            return tool;
    }
    return NULL;
}

static bool has_word(const cJSON *array, const char *word)
{
    const cJSON *one;

    cJSON_ArrayForEach (one, array) {
        if (strcmp(one->valuestring, word) == 0)
            return true;
    }
    return false;
}

uint32_t manifest_tool_flags(const cJSON *tool)
{
    static const struct {
        const char *word;
        uint32_t flag;
    } words[] = {
        {"read_only", ANTIPHON_TOOL_READ_ONLY},
        {"exclusive", ANTIPHON_TOOL_EXCLUSIVE},
        {"needs_confirmation", ANTIPHON_TOOL_NEEDS_CONFIRMATION},
        {"long_running", ANTIPHON_TOOL_LONG_RUNNING},
        {"non_blocking", ANTIPHON_TOOL_NON_BLOCKING},
        {"keep_on_interrupt", ANTIPHON_TOOL_KEEP_ON_INTERRUPT},
    };
    uint32_t flags = 0;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (has_word(json_get(tool, "flags"), words[i].word))
            flags |= words[i].flag;
    }
    return flags;
}

bool manifest_tool_native(const cJSON *tool)
{
    return has_word(json_get(tool, "flags"), "native");
}

uint32_t manifest_hook_points(const struct manifest *manifest)
{
    static const char *const words[] = {
        [ANTIPHON_HOOK_USER_TEXT] = "user_text",
        [ANTIPHON_HOOK_INPUT_TRANSCRIPT] = "input_transcript",
        [ANTIPHON_HOOK_OUTPUT_TRANSCRIPT] = "output_transcript",
        [ANTIPHON_HOOK_BEFORE_TOOL] = "before_tool",
        [ANTIPHON_HOOK_AFTER_TOOL] = "after_tool",
    };
    uint32_t points = 0;

    for (unsigned i = ANTIPHON_HOOK_USER_TEXT; i <= ANTIPHON_HOOK_AFTER_TOOL; i++) {
        if (has_word(json_get(manifest->tree, "hooks"), words[i]))
            points |= ANTIPHON_HOOK_AT(i);
    }
    return points;
}

bool manifest_permits(const struct manifest *manifest, const char *what)
{
    return json_get_bool(json_get(manifest->tree, "permissions"), what, false);
}

static bool fits_host(const char *pattern, const char *host)
{
    if (pattern[0] != '*')
        return strcasecmp(pattern, host) == 0;
    size_t tail = strlen(pattern + 1), len = strlen(host);
    return len > tail && strcasecmp(host + len - tail, pattern + 1) == 0;
}

bool manifest_permits_host(const struct manifest *manifest, const char *host)
{
    const cJSON *hosts = json_get(json_get(manifest->tree, "permissions"), "http"), *one;

    if (!cJSON_IsArray(hosts))
        return cJSON_IsTrue(hosts);
    cJSON_ArrayForEach (one, hosts) {
        if (fits_host(one->valuestring, host))
            return true;
    }
    return false;
}
