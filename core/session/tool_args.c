#include "session/tool_args.h"

#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "base/banned.h"

static enum antiphon_status not_an_object(const char *name, const char *fault, struct buf *why)
{
    buf_printf(why,
               "Invoking `%s()` failed as its arguments are not a JSON object%s%s.\n"
               "You could retry calling this tool, but it is IMPORTANT for you to provide the "
               "parameters as one JSON object.",
               name, *fault ? ": " : "", fault);
    return ANTIPHON_EINVAL;
}

/* All that is missing at once, one name a line. */
static bool report_missing(const struct registry_tool *tool, const cJSON *value, struct buf *why)
{
    const cJSON *required = json_get(jschema_tree(tool->schema), "required"), *name;
    bool any = false;

    cJSON_ArrayForEach (name, required) {
        if (!cJSON_IsString(name) || json_get(value, name->valuestring))
            continue;
        if (!any)
            buf_printf(why,
                       "Invoking `%s()` failed as the following mandatory input parameters are not "
                       "present:\n",
                       tool->tool.name);
        any = true;
        buf_printf(why, "%s\n", name->valuestring);
    }
    if (any)
        buf_puts(why, "You could retry calling this tool, but it is IMPORTANT for you to provide "
                      "all the mandatory parameters.");
    return any;
}

struct faults {
    const char *name;
    struct buf *why;
    bool any;
};

static void report_fault(void *ctx, const char *path, const char *message)
{
    struct faults *faults = ctx;

    if (!faults->any)
        buf_printf(faults->why,
                   "Invoking `%s()` failed as the following input parameters are not valid:\n",
                   faults->name);
    faults->any = true;
    buf_printf(faults->why, "%s: %s\n", *path ? path : "arguments", message);
}

static size_t count_nodes(const cJSON *value)
{
    size_t n = 0;

    for (; value; value = value->next)
        n += 1 + count_nodes(value->child);
    return n;
}

static enum antiphon_status check(const struct registry_tool *tool, cJSON *value, struct buf *why)
{
    struct faults faults = {.name = tool->tool.name, .why = why};

    if (report_missing(tool, value, why))
        return ANTIPHON_EINVAL;
    enum antiphon_status status =
        jschema_check(tool->schema, value, JSCHEMA_DROP_UNKNOWN, report_fault, &faults);
    if (faults.any)
        buf_puts(why, "You could retry calling this tool, but it is IMPORTANT for you to provide "
                      "valid values for all parameters.");
    return status;
}

enum antiphon_status tool_args_check(const struct registry_tool *tool, const char *args, size_t len,
                                     struct buf *clean, struct buf *why)
{
    struct err err = {0};
    cJSON *value = NULL;

    if (len == 0) {
        args = "{}";
        len = 2;
    }
    enum antiphon_status status = json_parse(args, len, NULL, &value, &err);
    if (status == ANTIPHON_ENOMEM)
        return status;
    if (status || !cJSON_IsObject(value)) {
        status = not_an_object(tool->tool.name, err.text, why);
    } else if (!tool->schema) {
        status = buf_puts(clean, "{}");
    } else {
        size_t before = count_nodes(value);
        status = check(tool, value, why);
        if (!status)
            status = count_nodes(value) == before ? buf_append(clean, args, len)
                                                  : json_print(value, clean);
    }
    cJSON_Delete(value);
    return status;
}

void tool_unknown_text(const char *name, const char *const *names, size_t n, struct buf *why)
{
    size_t len = strlen(name);

    if (len > TOOL_ARGS_MAX_NAME_BYTES)
        len = utf8_cut(name, TOOL_ARGS_MAX_NAME_BYTES);
    buf_printf(why, "Invoking `%.*s()` failed as no tool with that name is available. ", (int)len,
               name);
    if (n == 0) {
        buf_puts(why, "There is no tool that you can call. It is IMPORTANT that you answer without "
                      "calling one.");
        return;
    }
    buf_puts(why, "The tools you can call are: ");
    for (size_t i = 0; i < n; i++)
        buf_printf(why, "%s%s", i ? ", " : "", names[i]);
    buf_puts(why,
             ". You could retry, but it is IMPORTANT that you only call a tool from that list.");
}
