#include "scenario.h"

#include <libfyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct loader {
    struct scenario *scenario;
    struct wire_style *style;
    const char *path;
    struct bytes *errors;
    size_t error_count;
};

/* The library tells places of scalars only, so a list or a map is placed by the first one in it. */
static int node_line(struct fy_node *node)
{
    while (node && !fy_node_is_scalar(node)) {
        struct fy_node_pair *pair;
        if (fy_node_is_sequence(node))
            node = fy_node_sequence_get_by_index(node, 0);
        else if ((pair = fy_node_mapping_get_by_index(node, 0)))
            node = fy_node_pair_key(pair);
        else
            node = NULL;
    }
    struct fy_token *token = node ? fy_node_get_scalar_token(node) : NULL;
    const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;
    return mark ? mark->line + 1 : 1;
}

static void complain(struct loader *loader, struct fy_node *node, const char *what,
                     const char *detail)
{
    loader->error_count++;
    bytes_printf(loader->errors, "%s:%d: %s%s%s\n", loader->path, node_line(node), what,
                 detail ? ": " : "", detail ? detail : "");
}

/* Caller frees; "" for a node that is not a scalar. */
static char *scalar_text(struct fy_node *node)
{
    struct bytes text = {0};
    size_t len = 0;
    const char *value = node && fy_node_is_scalar(node) ? fy_node_get_scalar(node, &len) : NULL;
    if (value)
        bytes_add(&text, value, len);
    return bytes_take(&text);
}

static cJSON *scalar_json(struct fy_node *node)
{
    char *text = scalar_text(node), *end;
    cJSON *value = NULL;
    if (fy_node_get_style(node) == FYNS_PLAIN) {
        if (!*text || !strcmp(text, "null") || !strcmp(text, "~"))
            value = cJSON_CreateNull();
        else if (!strcmp(text, "true") || !strcmp(text, "false"))
            value = cJSON_CreateBool(*text == 't');
        else if (strspn(text, "-+0123456789.eE") == strlen(text)) {
            double number = strtod(text, &end);
            if (!*end)
                value = cJSON_CreateNumber(number);
        }
    }
    if (!value)
        value = cJSON_CreateString(text);
    free(text);
    return value;
}

static cJSON *node_json(struct fy_node *node, int depth)
{
    void *at = NULL;
    struct fy_node *item;
    struct fy_node_pair *pair;
    if (depth > JSON_MAX_DEPTH)
        return cJSON_CreateNull();
    if (fy_node_is_sequence(node)) {
        cJSON *list = cJSON_CreateArray();
        while ((item = fy_node_sequence_iterate(node, &at)))
            cJSON_AddItemToArray(list, node_json(item, depth + 1));
        return list;
    }
    if (fy_node_is_mapping(node)) {
        cJSON *object = cJSON_CreateObject();
        while ((pair = fy_node_mapping_iterate(node, &at))) {
            char *key = scalar_text(fy_node_pair_key(pair));
            struct fy_node *value = fy_node_pair_value(pair);
            cJSON_AddItemToObject(object, key,
                                  value ? node_json(value, depth + 1) : cJSON_CreateNull());
            free(key);
        }
        return object;
    }
    return scalar_json(node);
}

static bool read_number(struct loader *loader, struct fy_node *node, uint32_t *number)
{
    char *text = scalar_text(node), *end;
    unsigned long value = strtoul(text, &end, 10);
    bool good = *text >= '0' && *text <= '9' && !*end && value <= 1U << 30;
    if (good)
        *number = (uint32_t)value;
    else
        complain(loader, node, "expected a whole number", text);
    free(text);
    return good;
}

static bool read_bool(struct loader *loader, struct fy_node *node, bool *value)
{
    char *text = scalar_text(node);
    bool good = !strcmp(text, "true") || !strcmp(text, "false");
    if (good)
        *value = *text == 't';
    else
        complain(loader, node, "expected true or false", text);
    free(text);
    return good;
}

static const struct {
    const char *name;
    enum scenario_verb verb;
    char takes; /* m message, t text, n number, c code and text, - nothing */
} verbs[] = {{"send", DO_SEND, 'm'},   {"raw", DO_RAW, 't'},        {"half", DO_HALF, 'm'},
             {"big", DO_BIG, 'n'},     {"wait", DO_WAIT, 'n'},      {"say", DO_SAY, 't'},
             {"word", DO_WORD, 't'},   {"close", DO_CLOSE, 'c'},    {"status", DO_STATUS, 'c'},
             {"reset", DO_RESET, '-'}, {"die", DO_DIE, '-'},        {"silent", DO_SILENT, '-'},
             {"hang", DO_HANG, '-'},   {"default", DO_DEFAULT, '-'}};

static void read_coded(struct loader *loader, struct fy_node *node, struct scenario_action *action)
{
    void *at = NULL;
    struct fy_node_pair *pair;
    if (!fy_node_is_mapping(node)) {
        read_number(loader, node, &action->number);
        return;
    }
    while ((pair = fy_node_mapping_iterate(node, &at))) {
        char *key = scalar_text(fy_node_pair_key(pair));
        struct fy_node *value = fy_node_pair_value(pair);
        if (!strcmp(key, "code"))
            read_number(loader, value, &action->number);
        else if (!strcmp(key, "reason") || !strcmp(key, "body")) {
            free(action->text);
            action->text = scalar_text(value);
        } else
            complain(loader, fy_node_pair_key(pair), "expected code, reason or body, not", key);
        free(key);
    }
}

static void read_action(struct loader *loader, struct scenario_rule *rule, const char *name,
                        struct fy_node *key, struct fy_node *value)
{
    struct scenario_action *action = &rule->actions[rule->action_count];
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].name, name) != 0)
            continue;
        if (verbs[i].takes != '-' && !value) {
            complain(loader, key, "needs a value", name);
            return;
        }
        action->verb = verbs[i].verb;
        if (verbs[i].takes == 'm')
            action->message = node_json(value, 0);
        else if (verbs[i].takes == 't')
            action->text = scalar_text(value);
        else if (verbs[i].takes == 'n')
            read_number(loader, value, &action->number);
        else if (verbs[i].takes == 'c')
            read_coded(loader, value, action);
        rule->action_count++;
        return;
    }
    complain(loader, key, "unknown action", name);
}

static void read_actions(struct loader *loader, struct scenario_rule *rule, struct fy_node *list)
{
    void *at = NULL;
    struct fy_node *item;
    if (!list || !fy_node_is_sequence(list) ||
        fy_node_sequence_item_count(list) > SCENARIO_MAX_ACTIONS) {
        complain(loader, list, "do takes a list of actions", NULL);
        return;
    }
    size_t count = (size_t)fy_node_sequence_item_count(list);
    rule->actions = mem_new(count * sizeof *rule->actions);
    while ((item = fy_node_sequence_iterate(list, &at))) {
        char *name;
        if (fy_node_is_mapping(item) && fy_node_mapping_item_count(item) == 1) {
            struct fy_node_pair *pair = fy_node_mapping_get_by_index(item, 0);
            name = scalar_text(fy_node_pair_key(pair));
            read_action(loader, rule, name, fy_node_pair_key(pair), fy_node_pair_value(pair));
        } else {
            name = scalar_text(item);
            read_action(loader, rule, name, item, NULL);
        }
        free(name);
    }
}

static void read_trigger(struct loader *loader, struct scenario_rule *rule, struct fy_node *node)
{
    static const char *const names[SCENARIO_TRIGGERS] = {
        [SCENARIO_TLS] = "tls",
        [SCENARIO_UPGRADE] = "upgrade",
        [SCENARIO_CONNECT] = "connect",
        [SCENARIO_SETUP] = "setup",
        [SCENARIO_TEXT] = "text",
        [SCENARIO_SPEECH_START] = "speech_start",
        [SCENARIO_SPEECH] = "speech",
        [SCENARIO_TOOL_RESPONSE] = "tool_response",
        [SCENARIO_TURN_COMPLETE] = "turn_complete",
    };
    char *text = scalar_text(node);
    size_t i = 0;
    while (i < SCENARIO_TRIGGERS && strcmp(names[i], text) != 0)
        i++;
    if (i == SCENARIO_TRIGGERS)
        complain(loader, node, "unknown trigger", text);
    else
        rule->on = (enum scenario_trigger)i;
    free(text);
}

static void read_match(struct loader *loader, struct scenario_rule *rule, struct fy_node *node)
{
    char reason[128];
    char *text = scalar_text(node);
    int error = rule->match ? 0 : regcomp(&rule->pattern, text, REG_EXTENDED | REG_NOSUB);
    if (rule->match || error) {
        if (error)
            regerror(error, &rule->pattern, reason, sizeof reason);
        complain(loader, node, "match", error ? reason : "given twice");
        free(text);
        return;
    }
    rule->match = text;
}

static void read_rule(struct loader *loader, struct fy_node *node)
{
    void *at = NULL;
    struct fy_node_pair *pair;
    if (!fy_node_is_mapping(node) || loader->scenario->rule_count == SCENARIO_MAX_RULES) {
        complain(loader, node, "a rule has the keys on and do; at most 256 rules", NULL);
        return;
    }
    struct scenario_rule *rule = &loader->scenario->rules[loader->scenario->rule_count++];
    rule->on = SCENARIO_TRIGGERS;
    while ((pair = fy_node_mapping_iterate(node, &at))) {
        char *key = scalar_text(fy_node_pair_key(pair));
        struct fy_node *value = fy_node_pair_value(pair);
        if (!strcmp(key, "on"))
            read_trigger(loader, rule, value);
        else if (!strcmp(key, "match"))
            read_match(loader, rule, value);
        else if (!strcmp(key, "connection"))
            read_number(loader, value, &rule->connection);
        else if (!strcmp(key, "times"))
            read_number(loader, value, &rule->times);
        else if (!strcmp(key, "do") && !rule->actions)
            read_actions(loader, rule, value);
        else
            complain(loader, fy_node_pair_key(pair), "unknown key of a rule", key);
        free(key);
    }
    if (rule->on == SCENARIO_TRIGGERS || !rule->actions)
        complain(loader, node, "a rule needs on and do", NULL);
    for (size_t i = 0; rule->on == SCENARIO_TLS && i < rule->action_count; i++)
        if (rule->actions[i].verb != DO_HANG && rule->actions[i].verb != DO_RESET &&
            rule->actions[i].verb != DO_DIE)
            complain(loader, node, "on tls there is only hang, reset and die", NULL);
}

static void read_options(struct loader *loader, struct fy_node *node)
{
    struct wire_style *style = loader->style;
    const struct {
        const char *name;
        bool *flag;
        uint32_t *number;
    } known[] = {{"text_opcode", &style->text_opcode, NULL},
                 {"compact", &style->compact, NULL},
                 {"ascii", &style->ascii, NULL},
                 {"bundle", &style->bundle, NULL},
                 {"extra_keys", &style->extra_keys, NULL},
                 {"bare_mime", &style->bare_mime, NULL},
                 {"fragment", NULL, &style->fragment},
                 {"pong_delay_ms", NULL, &style->pong_delay_ms},
                 {"setup_delay_ms", NULL, &loader->scenario->setup_delay_ms},
                 {"word_gap_ms", NULL, &loader->scenario->word_gap_ms},
                 {"refuse_handles", &loader->scenario->refuse_handles, NULL},
                 {"refuse_early_input", &loader->scenario->refuse_early_input, NULL}};
    void *at = NULL;
    struct fy_node_pair *pair;
    while (node && (pair = fy_node_mapping_iterate(node, &at))) {
        char *key = scalar_text(fy_node_pair_key(pair));
        struct fy_node *value = fy_node_pair_value(pair);
        size_t i = 0, count = sizeof known / sizeof *known;
        while (i < count && strcmp(known[i].name, key) != 0)
            i++;
        if (i == count)
            complain(loader, fy_node_pair_key(pair), "unknown option", key);
        else if (known[i].flag)
            read_bool(loader, value, known[i].flag);
        else
            read_number(loader, value, known[i].number);
        free(key);
    }
}

static void read_transcripts(struct loader *loader, struct fy_node *node)
{
    struct scenario *scenario = loader->scenario;
    void *at = NULL;
    struct fy_node *item;
    if (!fy_node_is_sequence(node)) {
        complain(loader, node, "transcripts takes a list", NULL);
        return;
    }
    size_t more = (size_t)fy_node_sequence_item_count(node);
    char **list = mem_new((scenario->transcript_count + more) * sizeof *list);
    if (scenario->transcript_count)
        memcpy(list, scenario->transcripts, scenario->transcript_count * sizeof *list);
    free(scenario->transcripts);
    scenario->transcripts = list;
    while ((item = fy_node_sequence_iterate(node, &at)))
        list[scenario->transcript_count++] = scalar_text(item);
}

static void read_root(struct loader *loader, struct fy_node *root)
{
    void *at = NULL, *rule_at = NULL;
    struct fy_node_pair *pair;
    struct fy_node *rule;
    if (!root || !fy_node_is_mapping(root)) {
        complain(loader, root, "expected name, options, transcripts, rules", NULL);
        return;
    }
    while ((pair = fy_node_mapping_iterate(root, &at))) {
        char *key = scalar_text(fy_node_pair_key(pair));
        struct fy_node *value = fy_node_pair_value(pair);
        if (!value)
            complain(loader, fy_node_pair_key(pair), "needs a value", key);
        else if (!strcmp(key, "options") && fy_node_is_mapping(value))
            read_options(loader, value);
        else if (!strcmp(key, "transcripts"))
            read_transcripts(loader, value);
        else if (!strcmp(key, "rules") && fy_node_is_sequence(value)) {
            while ((rule = fy_node_sequence_iterate(value, &rule_at)))
                read_rule(loader, rule);
        } else if (strcmp(key, "name") != 0)
            complain(loader, fy_node_pair_key(pair), "unknown key", key);
        free(key);
    }
}

static const char unreadable[] =
    "cannot be read, is empty or over 1 MiB, not UTF-8 or has a % directive";

/* libfyaml 0.7.12 never returns from some inputs with a directive. */
static bool is_safe(const char *text, size_t len)
{
    if (!len || len > SCENARIO_MAX_BYTES || memchr(text, 0, len) || !mem_utf8_valid(text, len))
        return false;
    for (size_t i = 0; i < len; i++)
        if (text[i] == '%' && (i == 0 || text[i - 1] == '\n' || text[i - 1] == '\r'))
            return false;
    return true;
}

static bool read_file(const char *path, struct bytes *text)
{
    char chunk[4096];
    size_t len;
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    while (text->len <= SCENARIO_MAX_BYTES && (len = fread(chunk, 1, sizeof chunk, file)) > 0)
        bytes_add(text, chunk, len);
    bool good = !ferror(file);
    fclose(file);
    return good;
}

/* The library's own complaints, with the file's name in place of its own. */
static void copy_parse_errors(struct loader *loader, struct fy_diag *diag)
{
    void *at = NULL;
    struct fy_diag_error *error;
    while ((error = fy_diag_errors_iterate(diag, &at)))
        bytes_printf(loader->errors, "%s:%d: %s\n", loader->path, error->line, error->msg);
    if (!loader->errors->len)
        bytes_printf(loader->errors, "%s:1: not YAML\n", loader->path);
}

bool scenario_read(struct scenario *scenario, const char *name, const char *text, size_t len,
                   struct wire_style *style, struct bytes *errors)
{
    struct loader loader = {scenario, style, name, errors, 0};
    if (!is_safe(text, len)) {
        complain(&loader, NULL, unreadable, NULL);
        return false;
    }
    struct fy_diag_cfg diag_config;
    fy_diag_cfg_default(&diag_config);
    struct fy_diag *diag = fy_diag_create(&diag_config);
    fy_diag_set_collect_errors(diag, true);
    struct fy_parse_cfg config = {.flags = FYPCF_DEFAULT_DOC, .diag = diag};
    struct fy_document *document = fy_document_build_from_string(&config, text, len);
    if (document) {
        read_root(&loader, fy_document_root(document));
    } else {
        loader.error_count++;
        copy_parse_errors(&loader, diag);
    }
    fy_document_destroy(document);
    fy_diag_destroy(diag);
    return loader.error_count == 0;
}

bool scenario_load(struct scenario *scenario, const char *path, struct wire_style *style,
                   struct bytes *errors)
{
    struct bytes text = {0};
    bool good = read_file(path, &text);
    if (good)
        good = scenario_read(scenario, path, bytes_str(&text), text.len, style, errors);
    else
        bytes_printf(errors, "%s:1: %s\n", path, unreadable);
    bytes_free(&text);
    return good;
}
