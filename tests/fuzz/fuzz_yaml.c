/* Configuration files: nothing may crash, hang or leak; a tree that comes out keeps its bounds, a
 * refusal has a message, and every text in the tree has a place within the file. */
#include <stdlib.h>
#include <string.h>

#include "config/expand.h"
#include "config/yaml.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

/* libfyaml 0.7.12 loses the pieces of a long quoted scalar when the text behind it is malformed
 * ("[[''''''''''''''''''''[["): less than the text's own size, and nothing that we can free. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so\n";
}

struct walk {
    const struct yaml *yaml;
    int lines;
};

static const char *lookup(void *ctx, const char *name)
{
    (void)ctx;
    return name[0] == 'A' ? "value" : NULL;
}

static void on_text(void *ctx, cJSON *node, const char *path)
{
    struct walk *walk = ctx;
    struct buf out;
    struct err err = {0};
    int line, column;

    yaml_place(walk->yaml, path, &line, &column);
    MUST(line >= 1 && line <= walk->lines && column >= 1);
    MUST(json_is_utf8(node->valuestring, strlen(node->valuestring)));
    buf_init(&out, YAML_MAX_BYTES);
    if (expand_text(node->valuestring, lookup, NULL, &out, &err) != ANTIPHON_OK)
        MUST(err.text[0]);
    buf_deinit(&out);
}

static unsigned count(const cJSON *node, unsigned depth)
{
    unsigned n = 1;

    MUST(depth <= YAML_MAX_DEPTH);
    for (const cJSON *child = node->child; child; child = child->next)
        n += count(child, depth + 1);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct report report;
    struct yaml *yaml = NULL;
    char *text = malloc(size ? size : 1);

    MUST(text);
    if (size)
        memcpy(text, data, size);
    report_init(&report);
    enum antiphon_status status = yaml_parse("f", text, size, &report, &yaml);
    MUST((status == ANTIPHON_OK) == (report.faults == 0));
    if (status == ANTIPHON_OK) {
        struct walk walk = {yaml, 2};
        for (size_t i = 0; i < size; i++)
            walk.lines += text[i] == '\n' || text[i] == '\r';
        MUST(cJSON_IsObject(yaml_tree(yaml)));
        MUST(count(yaml_tree(yaml), 0) <= YAML_MAX_NODES);
        yaml_each_text(yaml_tree(yaml), "", on_text, &walk);
        MUST(yaml_snake_keys(yaml, "a", &report) == ANTIPHON_OK);
    } else {
        MUST(report.text.len > 0);
    }
    yaml_free(yaml);
    report_deinit(&report);
    free(text);
    return 0;
}
