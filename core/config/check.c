#include "config/check.h"

#include <stdio.h>

#include "base/embed.h"
#include "base/banned.h"

struct check {
    const struct yaml *yaml;
    struct report *report;
    const char *prefix; /* "": the whole tree */
};

static void on_fault(void *ctx, const char *path, const char *message)
{
    struct check *check = ctx;
    char whole[512];

    snprintf(whole, sizeof(whole), "%s%s%s", check->prefix, *check->prefix && *path ? "." : "",
             path);
    yaml_fault(check->yaml, check->report, whole, "%s", message);
}

enum antiphon_status check_tree(const struct yaml *yaml, cJSON *tree, const char *schema,
                                unsigned flags, struct report *report)
{
    return check_part(yaml, tree, "", schema, flags, report);
}

enum antiphon_status check_part(const struct yaml *yaml, cJSON *part, const char *path,
                                const char *schema, unsigned flags, struct report *report)
{
    struct check check = {yaml, report, path};
    const struct embed *file = embed_find(schema);
    struct jschema *compiled = NULL;
    struct err err = {ANTIPHON_ENOTFOUND, "it is not embedded"};

    if (!file || jschema_new(schema, file->data, &compiled, &err) != ANTIPHON_OK) {
        report_fault(report, NULL, 0, 0, "", "the schema %s is broken: %s", schema, err.text);
        return ANTIPHON_EINTERNAL;
    }
    enum antiphon_status status = jschema_check(compiled, part, flags, on_fault, &check);
    jschema_free(compiled);
    return status;
}

enum antiphon_status check_embedded(const char *name, cJSON **tree, struct err *err)
{
    static const struct json_limits limits = {.max_tokens = 65536};
    const struct embed *file = embed_find(name);

    if (!file)
        return err_set(err, ANTIPHON_ENOTFOUND, "%s is not embedded", name);
    enum antiphon_status status = json_parse(file->data, file->len, &limits, tree, err);
    if (status != ANTIPHON_OK)
        err_prefix(err, "%s", name);
    return status;
}
