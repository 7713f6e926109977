#include "config/expand.h"

#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

#define MAX_NAME 256 /* bytes of a variable's name with NUL */
#define OPEN     "${env:"
#define ESCAPED  "$${env:"

static size_t name_len(const char *text)
{
    size_t n = 0;

    while ((text[n] >= 'A' && text[n] <= 'Z') || (text[n] >= 'a' && text[n] <= 'z') ||
           text[n] == '_' || (n > 0 && text[n] >= '0' && text[n] <= '9'))
        n++;
    return n;
}

/* ref points behind OPEN; *end behind the closing brace. */
static enum antiphon_status expand_one(const char *ref, expand_get_fn *get, void *ctx,
                                       struct buf *out, const char **end, struct err *err)
{
    char name[MAX_NAME];
    size_t n = name_len(ref);
    const char *close = strchr(ref, '}');
    const char *fallback = NULL;

    if (!close)
        return err_set(err, ANTIPHON_EINVAL, "\"" OPEN "\" without its closing brace");
    if (n == 0 || n >= sizeof(name))
        return err_set(err, ANTIPHON_EINVAL, "expected the name of a variable behind \"" OPEN "\"");
    if (ref[n] == ':' && ref[n + 1] == '-')
        fallback = ref + n + 2;
    else if (ref[n] != '}')
        return err_set(err, ANTIPHON_EINVAL, "expected ${env:NAME} or ${env:NAME:-default}");
    memcpy(name, ref, n);
    name[n] = '\0';
    const char *value = get(ctx, name);
    *end = close + 1;
    if (fallback && (!value || !value[0]))
        return buf_append(out, fallback, (size_t)(close - fallback));
    if (!value)
        return err_set(err, ANTIPHON_EINVAL,
                       "the environment variable %s is not set and the reference has no default "
                       "(write ${env:%s:-default} or set it)",
                       name, name);
    if (!json_is_utf8(value, strlen(value)))
        return err_set(err, ANTIPHON_EINVAL, "the environment variable %s is not valid UTF-8",
                       name);
    return buf_puts(out, value);
}

enum antiphon_status expand_text(const char *text, expand_get_fn *get, void *ctx, struct buf *out,
                                 struct err *err)
{
    while (*text) {
        enum antiphon_status status;
        if (strncmp(text, ESCAPED, strlen(ESCAPED)) == 0) {
            status = buf_puts(out, OPEN);
            text += strlen(ESCAPED);
        } else if (strncmp(text, OPEN, strlen(OPEN)) == 0) {
            status = expand_one(text + strlen(OPEN), get, ctx, out, &text, err);
        } else {
            size_t n = 1 + strcspn(text + 1, "$");
            status = buf_append(out, text, n);
            text += n;
        }
        if (status == ANTIPHON_ENOMEM || status == ANTIPHON_ETOOBIG)
            return err_set(err, status, "the expanded text is too large");
        if (status != ANTIPHON_OK)
            return status;
    }
    return ANTIPHON_OK;
}

struct walk {
    const struct yaml *yaml;
    struct report *report;
    bool failed;
};

static const char *from_environment(void *ctx, const char *name)
{
    (void)ctx;
    return getenv(name);
}

static void expand_node(void *ctx, cJSON *node, const char *path)
{
    struct walk *walk = ctx;
    struct buf out;
    struct err err;

    if (!strstr(node->valuestring, OPEN))
        return;
    buf_init(&out, YAML_MAX_BYTES);
    enum antiphon_status status =
        expand_text(node->valuestring, from_environment, NULL, &out, &err);
    if (status == ANTIPHON_OK && yaml_set_text(node, buf_text(&out)) != ANTIPHON_OK)
        status = err_set(&err, ANTIPHON_ENOMEM, "out of memory");
    if (status != ANTIPHON_OK) {
        yaml_fault(walk->yaml, walk->report, path, "%s", err.text);
        walk->failed = true;
    }
    buf_deinit(&out);
}

enum antiphon_status expand_tree(const struct yaml *yaml, cJSON *node, const char *path,
                                 struct report *report)
{
    struct walk walk = {yaml, report, false};

    yaml_each_text(node, path, expand_node, &walk);
    return walk.failed ? ANTIPHON_EINVAL : ANTIPHON_OK;
}
