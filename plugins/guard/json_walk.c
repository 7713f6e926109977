#include "json_walk.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

struct walk {
    const char *json;       /* borrowed */
    size_t len, at, copied; /* what is before `copied` has been written */
    const char *member;     /* borrowed, or NULL */
    json_walk_fn *visit;
    void *ctx;
    int depth;
    bool within; /* the member that was asked for */
    char *made;  /* owned */
    size_t made_len, made_size;
};

static enum antiphon_status append(struct walk *walk, const char *text, size_t len)
{
    if (len > JSON_WALK_MAX_MADE_BYTES - walk->made_len)
        return ANTIPHON_ETOOBIG;
    if (walk->made_len + len + 1 > walk->made_size) {
        size_t size = 2 * (walk->made_len + len + 1);
        char *grown = realloc(walk->made, size);
        if (!grown)
            return ANTIPHON_ENOMEM;
        walk->made = grown;
        walk->made_size = size;
    }
    memcpy(walk->made + walk->made_len, text, len);
    walk->made_len += len;
    walk->made[walk->made_len] = '\0';
    return ANTIPHON_OK;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Behind the closing quote of the text that starts at `at`; 0: there is none. */
static size_t text_end(const struct walk *walk, size_t at)
{
    for (at++; at < walk->len; at++) {
        if (walk->json[at] == '\\')
            at++;
        else if (walk->json[at] == '"')
            return at + 1;
    }
    return 0;
}

/* Writes text as JSON in place of what is between start and end. */
static enum antiphon_status replace(struct walk *walk, size_t start, size_t end, const char *text)
{
    cJSON *item = cJSON_CreateString(text);
    char *json = item ? cJSON_PrintUnformatted(item) : NULL;
    enum antiphon_status status = json ? ANTIPHON_OK : ANTIPHON_ENOMEM;

    if (status == ANTIPHON_OK)
        status = append(walk, walk->json + walk->copied, start - walk->copied);
    if (status == ANTIPHON_OK)
        status = append(walk, json, strlen(json));
    walk->copied = end;
    cJSON_free(json);
    cJSON_Delete(item);
    return status;
}

static enum antiphon_status visit_text(struct walk *walk, size_t start, size_t end)
{
    cJSON *item = cJSON_ParseWithLength(walk->json + start, end - start);
    const char *text = cJSON_GetStringValue(item);
    enum antiphon_status status = ANTIPHON_EINVAL;
    char *made = NULL;
    size_t made_len = 0;

    if (text)
        status = walk->visit(walk->ctx, text, strlen(text), true, &made, &made_len);
    if (made && status == ANTIPHON_ENOTFOUND) {
        enum antiphon_status done = replace(walk, start, end, made);
        if (done != ANTIPHON_OK)
            status = done;
    }
    free(made);
    cJSON_Delete(item);
    return status;
}

/* A key of the outermost object says whether what follows is asked for. */
static enum antiphon_status take_key(struct walk *walk, size_t start, size_t end)
{
    if (walk->depth != 1 || !walk->member)
        return ANTIPHON_ENOTFOUND;
    cJSON *item = cJSON_ParseWithLength(walk->json + start, end - start);
    const char *key = cJSON_GetStringValue(item);
    walk->within = key && strcmp(key, walk->member) == 0;
    cJSON_Delete(item);
    return key ? ANTIPHON_ENOTFOUND : ANTIPHON_EINVAL;
}

static enum antiphon_status take_text(struct walk *walk)
{
    size_t start = walk->at, end = text_end(walk, start);

    if (end == 0)
        return ANTIPHON_EINVAL;
    walk->at = end;
    while (walk->at < walk->len && is_space(walk->json[walk->at]))
        walk->at++;
    if (walk->at < walk->len && walk->json[walk->at] == ':')
        return take_key(walk, start, end);
    return walk->within ? visit_text(walk, start, end) : ANTIPHON_ENOTFOUND;
}

static enum antiphon_status take_word(struct walk *walk)
{
    size_t start = walk->at;
    char *none = NULL;
    size_t none_len = 0;

    while (walk->at < walk->len && !is_space(walk->json[walk->at]) &&
           !strchr(",:]}[{\"", walk->json[walk->at]))
        walk->at++;
    if (walk->at == start) /* a NUL */
        return ANTIPHON_EINVAL;
    return walk->within ? walk->visit(walk->ctx, walk->json + start, walk->at - start, false, &none,
                                      &none_len)
                        : ANTIPHON_ENOTFOUND;
}

static enum antiphon_status step(struct walk *walk)
{
    char c = walk->json[walk->at];

    if (c == '"')
        return take_text(walk);
    if (!is_space(c) && !(c && strchr(",:[]{}", c)))
        return take_word(walk);
    walk->depth += c == '{' || c == '[';
    walk->depth -= c == '}' || c == ']';
    walk->at++;
    return ANTIPHON_ENOTFOUND;
}

enum antiphon_status json_walk(const char *json, size_t len, const char *member,
                               json_walk_fn *visit, void *ctx, char **made, size_t *made_len)
{
    struct walk walk = {
        .json = json, .len = len, .member = member, .visit = visit, .ctx = ctx, .within = !member};
    enum antiphon_status status = ANTIPHON_ENOTFOUND;

    while (status == ANTIPHON_ENOTFOUND && walk.at < len)
        status = step(&walk);
    if (status == ANTIPHON_ENOTFOUND && walk.made) {
        enum antiphon_status done = append(&walk, json + walk.copied, len - walk.copied);
        status = done == ANTIPHON_OK ? status : done;
    }
    if (status != ANTIPHON_ENOTFOUND) {
        free(walk.made);
        walk.made = NULL;
    }
    *made = walk.made;
    *made_len = walk.made_len;
    return status;
}
