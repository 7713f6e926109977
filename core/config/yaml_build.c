#include "config/yaml_build.h"

#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#include "config/yaml.h"
#include "config/yaml_scalar.h"
#include "base/banned.h"

struct frame {
    cJSON *node;     /* borrowed: part of the tree */
    size_t path_len; /* of this container */
    char *key;       /* owned; the key whose value comes next, NULL: a key comes next */
    int key_line, key_column;
    int anchor; /* index of the anchor that names this container, -1 none */
};
struct anchor {
    char *name;  /* owned */
    cJSON *node; /* borrowed; NULL until the node is complete */
};
struct build {
    const char *file;
    struct report *report;
    struct places *places;
    cJSON *root;
    struct frame frames[YAML_MAX_DEPTH];
    unsigned depth;
    struct anchor anchors[YAML_MAX_ANCHORS];
    int anchors_n;
    unsigned nodes;
    size_t copied; /* bytes of text that aliases have doubled */
    struct buf path;
    bool stop;
};

static void stop(struct build *build, const char *why, int line, int column)
{
    report_fault(build->report, build->file, line, column, "", "%s", why);
    build->stop = true;
}

static void fault(struct build *build, int line, int column, const char *message)
{
    report_fault(build->report, build->file, line, column, buf_text(&build->path), "%s", message);
}

static struct frame *top(struct build *build)
{
    return build->depth ? &build->frames[build->depth - 1] : NULL;
}

/* Sets build->path to the node that comes next and *line, *column to where messages should point.
 */
static void enter_path(struct build *build, int *line, int *column)
{
    struct frame *frame = top(build);

    build->path.len = frame ? frame->path_len : 0;
    if (build->path.data)
        build->path.data[build->path.len] = '\0';
    if (frame && frame->key) {
        buf_printf(&build->path, "%s%s", frame->path_len ? "." : "", frame->key);
        *line = frame->key_line;
        *column = frame->key_column;
    } else if (frame) {
        buf_printf(&build->path, "[%d]", cJSON_GetArraySize(frame->node));
    }
}

/* Hangs node (owned) into the container on top; false: it was freed. */
static bool attach(struct build *build, cJSON *node, int line, int column)
{
    struct frame *frame = top(build);
    bool ok = false, twice = false;

    if (++build->nodes > YAML_MAX_NODES) {
        stop(build, "too many values in one file", line, column);
    } else if (places_add(build->places, buf_text(&build->path), line, column) != ANTIPHON_OK) {
        stop(build, "the keys of this file take too much memory", line, column);
    } else if (!frame) {
        build->root = node;
        return true;
    } else if (cJSON_IsArray(frame->node)) {
        ok = cJSON_AddItemToArray(frame->node, node);
    } else if (cJSON_GetObjectItemCaseSensitive(frame->node, frame->key)) {
        fault(build, line, column, "this key is there twice");
        twice = true;
    } else {
        ok = cJSON_AddItemToObject(frame->node, frame->key, node);
    }
    if (frame) {
        free(frame->key);
        frame->key = NULL;
    }
    if (!ok && !twice && !build->stop)
        stop(build, "out of memory", line, column);
    if (!ok)
        cJSON_Delete(node);
    return ok;
}

static int add_anchor(struct build *build, struct fy_token *token, int line, int column)
{
    size_t len = 0;
    const char *name = token ? fy_token_get_text(token, &len) : NULL;

    if (!name)
        return -1;
    if (build->anchors_n == YAML_MAX_ANCHORS) {
        stop(build, "too many anchors in one file", line, column);
        return -1;
    }
    char *copy = strndup(name, len);
    if (!copy) {
        stop(build, "out of memory", line, column);
        return -1;
    }
    build->anchors[build->anchors_n] = (struct anchor){copy, NULL};
    return build->anchors_n++;
}

/* Counts what a copy of node would cost; false: over a bound. */
static bool afford(struct build *build, const cJSON *node, unsigned depth)
{
    if (depth > YAML_MAX_DEPTH || ++build->nodes > YAML_MAX_NODES)
        return false;
    if (node->valuestring)
        build->copied += strlen(node->valuestring);
    if (node->string)
        build->copied += strlen(node->string);
    if (build->copied > YAML_MAX_BYTES)
        return false;
    for (const cJSON *child = node->child; child; child = child->next) {
        if (!afford(build, child, depth + 1))
            return false;
    }
    return true;
}

static void on_alias(struct build *build, struct fy_event *event, int line, int column)
{
    size_t len = 0;
    const char *name = fy_token_get_text(event->alias.anchor, &len);
    const struct anchor *found = NULL;

    enter_path(build, &line, &column);
    for (int i = 0; name && i < build->anchors_n; i++) {
        const struct anchor *anchor = &build->anchors[i];
        if (strlen(anchor->name) == len && memcmp(anchor->name, name, len) == 0)
            found = anchor; /* the last of that name counts */
    }
    if (!found || !found->node) {
        stop(build, found ? "an alias to a value that contains it" : "an alias without its anchor",
             line, column);
    } else if (!afford(build, found->node, build->depth)) {
        stop(build, "the aliases of this file stand for too much", line, column);
    } else {
        cJSON *copy = cJSON_Duplicate(found->node, true);
        if (!copy)
            stop(build, "out of memory", line, column);
        else
            attach(build, copy, line, column);
    }
}

static void on_key(struct build *build, struct fy_event *event, int line, int column)
{
    struct frame *frame = top(build);
    size_t len = 0;
    const char *text = fy_token_get_text(event->scalar.value, &len);

    if (!text || len == 0)
        stop(build, "a key must not be empty", line, column);
    else if (len > YAML_MAX_KEY)
        stop(build, "a key is too long", line, column);
    else if (memchr(text, '\0', len) || !json_is_utf8(text, len))
        stop(build, "a key must be valid UTF-8 text", line, column);
    else if (len == 2 && memcmp(text, "<<", 2) == 0)
        stop(build, "merge keys (<<) are not supported", line, column);
    else if (!(frame->key = strndup(text, len)))
        stop(build, "out of memory", line, column);
    frame->key_line = line;
    frame->key_column = column;
}

/* Whether the tag, if any, is one we know; *is_text for !!str. */
static bool check_tag(struct fy_token *tag, bool *is_text)
{
    size_t len = 0;
    const char *text = tag ? fy_token_get_text(tag, &len) : NULL;
    static const char str[] = "tag:yaml.org,2002:str";

    if (!tag)
        return true;
    *is_text = text && len == sizeof(str) - 1 && memcmp(text, str, len) == 0;
    return *is_text;
}

static void on_scalar(struct build *build, struct fy_event *event, int line, int column)
{
    struct err err;
    cJSON *node = NULL;
    bool is_text = false;
    size_t len = 0;
    int anchor = add_anchor(build, event->scalar.anchor, line, column);

    enter_path(build, &line, &column);
    if (build->stop)
        return;
    if (!check_tag(event->scalar.tag, &is_text)) {
        stop(build, "tags other than !!str are not supported", line, column);
        return;
    }
    const char *text = event->scalar.value ? fy_token_get_text(event->scalar.value, &len) : "";
    enum fy_node_style style = fy_event_get_node_style(event);
    bool plain = (style == FYNS_PLAIN || style == FYNS_ANY || !event->scalar.value) && !is_text;
    if (yaml_scalar(text ? text : "", text ? len : 0, plain, &node, &err) != ANTIPHON_OK) {
        fault(build, line, column, err.text);
        node = cJSON_CreateNull(); /* keeps its place, so that the rest is checked as well */
    }
    if (!node)
        stop(build, "out of memory", line, column);
    else if (attach(build, node, line, column) && anchor >= 0)
        build->anchors[anchor].node = node;
}

static void on_open(struct build *build, cJSON *node, struct fy_token *anchor_token,
                    struct fy_token *tag, int line, int column)
{
    bool is_text = false;
    int anchor = add_anchor(build, anchor_token, line, column);

    enter_path(build, &line, &column);
    if (!node)
        stop(build, "out of memory", line, column);
    else if (build->depth == YAML_MAX_DEPTH)
        stop(build, "nested too deep", line, column);
    else if (!check_tag(tag, &is_text) || is_text)
        stop(build, "a tag that is not supported here", line, column);
    if (build->stop) {
        cJSON_Delete(node);
        return;
    }
    struct frame next = {node, build->path.len, NULL, line, column, anchor};
    if (!attach(build, node, line, column)) {
        /* The rest of a value that was refused (a key that is there twice) is not worth messages.
         */
        build->stop = true;
        return;
    }
    build->frames[build->depth++] = next;
}

static void on_close(struct build *build)
{
    struct frame *frame = top(build);

    if (frame->anchor >= 0)
        build->anchors[frame->anchor].node = frame->node;
    free(frame->key);
    build->depth--;
}

static void on_event(struct build *build, struct fy_event *event)
{
    const struct fy_mark *mark = fy_event_start_mark(event);
    int line = mark ? mark->line + 1 : 1, column = mark ? mark->column + 1 : 1;
    struct frame *frame = top(build);
    bool key = frame && cJSON_IsObject(frame->node) && !frame->key;

    switch ((int)event->type) {
    case FYET_SCALAR:
        if (key)
            on_key(build, event, line, column);
        else
            on_scalar(build, event, line, column);
        break;
    case FYET_ALIAS:
    case FYET_MAPPING_START:
    case FYET_SEQUENCE_START:
        if (key)
            stop(build, "a key must be plain text", line, column);
        else if (event->type == FYET_ALIAS) /* its mark is behind the "*" */
            on_alias(build, event, line, column > 1 ? column - 1 : column);
        else if (event->type == FYET_MAPPING_START)
            on_open(build, cJSON_CreateObject(), event->mapping_start.anchor,
                    event->mapping_start.tag, line, column);
        else
            on_open(build, cJSON_CreateArray(), event->sequence_start.anchor,
                    event->sequence_start.tag, line, column);
        break;
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        on_close(build);
        break;
    default:
        break;
    }
}

static void report_diag(struct build *build, struct fy_diag *diag)
{
    void *position = NULL;
    struct fy_diag_error *error;
    bool any = false;

    while ((error = fy_diag_errors_iterate(diag, &position))) {
        if (error->type != FYET_ERROR)
            continue;
        report_fault(build->report, build->file, error->line, error->column, "", "%s", error->msg);
        any = true;
    }
    if (!any)
        report_fault(build->report, build->file, 0, 0, "", "this is not valid YAML");
}

static enum antiphon_status run(struct build *build, const char *text, size_t len)
{
    enum antiphon_status status = ANTIPHON_ENOMEM;
    struct fy_diag_cfg diag_cfg;
    struct fy_parser *parser = NULL;
    struct fy_event *event;

    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.colorize = false;
    struct fy_diag *diag = fy_diag_create(&diag_cfg);
    if (!diag)
        goto out;
    fy_diag_set_collect_errors(diag, true);
    struct fy_parse_cfg cfg = {
        .flags =
            FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_DISABLE_MMAP_OPT | FYPCF_DEFAULT_VERSION_1_2,
        .diag = diag,
    };
    parser = fy_parser_create(&cfg);
    if (!parser || fy_parser_set_string(parser, text, len) != 0)
        goto out;
    while (!build->stop && (event = fy_parser_parse(parser))) {
        on_event(build, event);
        fy_parser_event_free(parser, event);
    }
    if (!build->stop && fy_parser_get_stream_error(parser))
        report_diag(build, diag);
    status = ANTIPHON_OK;
out:
    if (parser)
        fy_parser_destroy(parser);
    if (diag)
        fy_diag_destroy(diag);
    return status;
}

enum antiphon_status yaml_build(const char *file, const char *text, size_t len,
                                struct report *report, struct places *places, cJSON **tree)
{
    struct build build = {.file = file, .report = report, .places = places};
    unsigned before = report->faults;

    buf_init(&build.path, (YAML_MAX_KEY + 16) * (YAML_MAX_DEPTH + 1));
    enum antiphon_status status = run(&build, text, len);
    if (status != ANTIPHON_OK)
        report_fault(report, file, 0, 0, "", "out of memory");
    else if (report->faults == before && build.root && !cJSON_IsNull(build.root) &&
             !cJSON_IsObject(build.root))
        report_fault(report, file, 1, 1, "", "expected a mapping (key: value)");
    if (report->faults == before && (!build.root || cJSON_IsNull(build.root))) {
        cJSON_Delete(build.root);
        build.root = cJSON_CreateObject();
    }
    while (build.depth)
        free(build.frames[--build.depth].key);
    for (int i = 0; i < build.anchors_n; i++)
        free(build.anchors[i].name);
    buf_deinit(&build.path);
    if (report->faults == before && build.root) {
        *tree = build.root;
        return ANTIPHON_OK;
    }
    cJSON_Delete(build.root);
    return ANTIPHON_EINVAL;
}
