#include "config/yaml.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"
#include "config/places.h"
#include "config/yaml_build.h"
#include "base/banned.h"

#define YAML_MAX_PATH 4096 /* bytes of a path in a walk; deeper texts are not visited */

struct yaml {
    char *file;  /* owned */
    cJSON *tree; /* owned */
    struct places places;
};

enum antiphon_status yaml_parse(const char *file, const char *text, size_t len,
                                struct report *report, struct yaml **yaml)
{
    int line, column;
    struct err err;
    enum antiphon_status status = yaml_gate(text, len, &line, &column, &err);

    if (status != ANTIPHON_OK) {
        report_fault(report, file, line, column, "", "%s", err.text);
        return ANTIPHON_EINVAL;
    }
    struct yaml *made = calloc(1, sizeof(*made));
    if (!made || !(made->file = strdup(file))) {
        free(made);
        return ANTIPHON_ENOMEM;
    }
    places_init(&made->places, YAML_MAX_PLACES);
    status = yaml_build(file, text, len, report, &made->places, &made->tree);
    if (status != ANTIPHON_OK) {
        yaml_free(made);
        return status;
    }
    *yaml = made;
    return ANTIPHON_OK;
}

enum antiphon_status yaml_load(const char *file, struct report *report, struct yaml **yaml)
{
    char *text = NULL;
    size_t len = 0;
    struct err err;

    if (file_read(file, YAML_MAX_BYTES, &text, &len, &err) != ANTIPHON_OK) {
        report_fault(report, file, 0, 0, "", "%s", err.text);
        return ANTIPHON_EINVAL;
    }
    enum antiphon_status status = yaml_parse(file, text, len, report, yaml);
    free(text);
    return status;
}

void yaml_free(struct yaml *yaml)
{
    if (!yaml)
        return;
    places_deinit(&yaml->places);
    cJSON_Delete(yaml->tree);
    free(yaml->file);
    free(yaml);
}

cJSON *yaml_tree(struct yaml *yaml)
{
    return yaml->tree;
}

const char *yaml_file(const struct yaml *yaml)
{
    return yaml->file;
}

void yaml_place(const struct yaml *yaml, const char *path, int *line, int *column)
{
    const struct place *place = places_find(&yaml->places, path);

    *line = place ? place->line : 1;
    *column = place ? place->column : 1;
}

void yaml_fault(const struct yaml *yaml, struct report *report, const char *path, const char *fmt,
                ...)
{
    char message[1024];
    va_list args;
    int line, column;

    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    yaml_place(yaml, path, &line, &column);
    char *shown = places_show(&yaml->places, path);
    report_fault(report, yaml->file, line, column, shown ? shown : path, "%s", message);
    free(shown);
}

/* "maxOutputTokens" -> "max_output_tokens"; out has room for twice the bytes. */
static void snake(const char *in, char *out)
{
    for (const char *start = in; *in; in++) {
        bool upper = isupper((unsigned char)*in);
        if (upper && in > start && in[-1] != '.' && in[-1] != ']')
            *out++ = '_';
        *out++ = upper ? (char)tolower((unsigned char)*in) : *in;
    }
    *out = '\0';
}

static enum antiphon_status snake_tree(const struct yaml *yaml, cJSON *node, const char *path,
                                       struct report *report)
{
    for (cJSON *child = node->child; child; child = child->next) {
        if (snake_tree(yaml, child, path, report) != ANTIPHON_OK)
            return ANTIPHON_ENOMEM;
        if (!cJSON_IsObject(node))
            continue;
        char *name = cJSON_malloc(2 * strlen(child->string) + 1);
        if (!name)
            return ANTIPHON_ENOMEM;
        snake(child->string, name);
        if (strcmp(name, child->string) != 0 && cJSON_GetObjectItemCaseSensitive(node, name)) {
            yaml_fault(yaml, report, path, "\"%s\" and \"%s\" are the same key", name,
                       child->string);
            cJSON_free(name);
            continue;
        }
        cJSON_free(child->string);
        child->string = name;
    }
    return ANTIPHON_OK;
}

static cJSON *find(cJSON *root, const char *path)
{
    return path[0] ? cJSON_GetObjectItemCaseSensitive(root, path) : root;
}

enum antiphon_status yaml_snake_keys(struct yaml *yaml, const char *path, struct report *report)
{
    cJSON *node = find(yaml->tree, path);

    if (!node)
        return ANTIPHON_OK;
    enum antiphon_status status = snake_tree(yaml, node, path, report);
    return status == ANTIPHON_OK ? places_rename(&yaml->places, path, snake) : status;
}

void yaml_each_text(cJSON *node, const char *path, yaml_visit_fn *visit, void *ctx)
{
    char child_path[YAML_MAX_PATH];
    int index = 0;

    if (cJSON_IsString(node)) {
        visit(ctx, node, path);
        return;
    }
    for (cJSON *child = node->child; child; child = child->next) {
        int n = cJSON_IsObject(node)
                    ? snprintf(child_path, sizeof(child_path), "%s%s%s", path, path[0] ? "." : "",
                               child->string)
                    : snprintf(child_path, sizeof(child_path), "%s[%d]", path, index++);
        if (n > 0 && (size_t)n < sizeof(child_path))
            yaml_each_text(child, child_path, visit, ctx);
    }
}

enum antiphon_status yaml_set_text(cJSON *node, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = cJSON_malloc(size);

    if (!copy)
        return ANTIPHON_ENOMEM;
    memcpy(copy, text, size);
    cJSON_free(node->valuestring);
    node->valuestring = copy;
    return ANTIPHON_OK;
}
