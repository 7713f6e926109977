#include "session/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/banned.h"

#define MAX_EVENT_BYTES (16u * 1024 * 1024)
#define FIRST_ITEMS 4
#define MAX_TIME 1e11             /* seconds since the epoch; no clock tells more */
#define MAX_GROUNDING_DEPTH 16    /* the API's own has 5 levels */

enum kind { SPEECH, CALL, RESPONSE };

struct item {
    uint64_t id;
    enum kind kind;
    bool user, hidden, interrupted;
    bool unsaid; /* not for clients */
    double time;
    char *text;  /* owned; SPEECH: what was said; else one part as JSON in camelCase */
    char *call;  /* owned; CALL, RESPONSE: the call's id */
    char *grounding; /* owned; SPEECH: groundingMetadata as the API spells it, or NULL */
};
struct history {
    struct item *item; /* owned; a ring would save the memmove, but it happens once an event */
    size_t n, cap, max;
    size_t older_n; /* of them, from the front: by history_add_older() */
    bool older;     /* such a one is being added */
    bool late;      /* by history_add_late() */
    uint64_t next_id;
};

enum antiphon_status history_new(size_t max_items, struct history **history)
{
    struct history *made = calloc(1, sizeof(*made));

    if (!made)
        return ANTIPHON_ENOMEM;
    made->max = max_items > 0 ? max_items : 1;
    *history = made;
    return ANTIPHON_OK;
}

static void item_clear(struct item *item)
{
    free(item->text);
    free(item->call);
    free(item->grounding);
    memset(item, 0, sizeof(*item));
}

void history_free(struct history *history)
{
    if (!history)
        return;
    for (size_t i = 0; i < history->n; i++)
        item_clear(&history->item[i]);
    free(history->item);
    free(history);
}

static void forget_first(struct history *history)
{
    item_clear(&history->item[0]);
    memmove(&history->item[0], &history->item[1], (history->n - 1) * sizeof(*history->item));
    history->n--;
    if (history->older_n > 0)
        history->older_n--;
}

/* Most talks are short: the list grows as it is needed. */
static bool make_room(struct history *history)
{
    size_t cap = history->cap ? history->cap * 2 : FIRST_ITEMS;
    struct item *item;

    if (history->n < history->cap)
        return true;
    if (cap > history->max)
        cap = history->max;
    item = realloc(history->item, cap * sizeof(*item));
    if (!item)
        return false;
    history->item = item;
    history->cap = cap;
    return true;
}

/* Takes over item's texts, also on failure. */
static enum antiphon_status push(struct history *history, struct item *item, uint64_t *id)
{
    size_t at;

    if (!item->text || (item->kind != SPEECH && !item->call)) {
        item_clear(item);
        return ANTIPHON_ENOMEM;
    }
    if (history->n == history->max)
        forget_first(history);
    if (!make_room(history)) {
        item_clear(item);
        return ANTIPHON_ENOMEM;
    }
    at = history->older ? history->older_n : history->n;
    /* What was looked at before it was kept comes late, and belongs where it was said. */
    while (history->late && item->time > 0 && at > history->older_n && history->item[at - 1].time > item->time)
        at--;
    memmove(&history->item[at + 1], &history->item[at], (history->n - at) * sizeof(*history->item));
    item->id = ++history->next_id;
    history->item[at] = *item;
    history->n++;
    history->older_n += history->older;
    if (id)
        *id = item->id;
    return ANTIPHON_OK;
}

/* 0: not known, or what no clock tells. A number with an exponent would be a hundred digits for the client, and later than
 * everything for the model. */
static double time_of(const cJSON *event)
{
    double time = json_get_number(event, "timestamp", 0);

    return time > 0 && time < MAX_TIME ? time : 0;
}

static enum antiphon_status push_speech(struct history *history, const cJSON *event, bool user,
                                        const char *text, uint64_t *id)
{
    struct item item = {.kind = SPEECH, .user = user, .text = strdup(text)};
    const char *author = json_get_string(event, "author");

    /* What a plugin sent in the user's place is for the model alone. */
    item.unsaid = user && author && strcmp(author, "user") != 0;
    item.interrupted = json_get_bool(event, "interrupted", false);
    item.time = time_of(event);
    return push(history, &item, id);
}

/* A function call or response, re-spelt for the wire: {"functionCall":{"id","name","args"}}. */
static enum antiphon_status push_function(struct history *history, const cJSON *event,
                                          const cJSON *function, bool call, uint64_t *id)
{
    const char *name = json_get_string(function, "name"), *call_id = json_get_string(function, "id");
    const cJSON *body = json_get(function, call ? "args" : "response");
    enum antiphon_status status;
    struct buf text;

    if (!name)
        return ANTIPHON_OK;
    buf_init(&text, MAX_EVENT_BYTES);
    buf_printf(&text, "{\"%s\":{", call ? "functionCall" : "functionResponse");
    if (call_id) {
        buf_puts(&text, "\"id\":");
        buf_json_string(&text, call_id, strlen(call_id));
        buf_puts(&text, ",");
    }
    buf_puts(&text, "\"name\":");
    buf_json_string(&text, name, strlen(name));
    buf_puts(&text, call ? ",\"args\":" : ",\"response\":");
    status = body ? json_print(body, &text) : buf_puts(&text, "{}");
    buf_puts(&text, "}}");
    if (!status)
        status = buf_status(&text);
    if (!status) {
        struct item item = {.kind = call ? CALL : RESPONSE, .user = !call};
        item.time = time_of(event);
        item.text = buf_take(&text);
        item.call = strdup(call_id ? call_id : name);
        status = push(history, &item, id);
    }
    buf_deinit(&text);
    return status;
}

/* Neighbouring text parts are one speech, which stays before or behind the functions as it was. */
static enum antiphon_status add_text(struct history *history, const cJSON *event, bool user, struct buf *text,
                                     uint64_t *id)
{
    enum antiphon_status status = buf_status(text);

    if (!status && text->len > 0)
        status = push_speech(history, event, user, buf_text(text), id);
    buf_reset(text);
    return status;
}

static enum antiphon_status add_content(struct history *history, const cJSON *event,
                                        const cJSON *content, uint64_t *id)
{
    const char *role = json_get_string(content, "role");
    bool user = role && strcmp(role, "user") == 0;
    enum antiphon_status status = ANTIPHON_OK;
    const cJSON *part;
    struct buf text;

    buf_init(&text, MAX_EVENT_BYTES);
    cJSON_ArrayForEach(part, json_get(content, "parts"))
    {
        const char *said = json_get_string(part, "text");
        const cJSON *call = json_get2(part, "functionCall", "function_call");
        const cJSON *response = json_get2(part, "functionResponse", "function_response");
        if (said && !json_get_bool(part, "thought", false))
            buf_puts(&text, said);
        if (call || response)
            status = add_text(history, event, user, &text, id);
        if (!status && call)
            status = push_function(history, event, call, true, id);
        if (!status && response)
            status = push_function(history, event, response, false, id);
        if (status)
            goto out;
    }
    status = add_text(history, event, user, &text, id);
out:
    buf_deinit(&text);
    return status;
}

static enum antiphon_status add_transcript(struct history *history, const cJSON *event,
                                           const cJSON *transcript, bool user, uint64_t *id)
{
    const char *text = json_get_string(transcript, "text");

    if (!text || !text[0])
        return ANTIPHON_OK;
    return push_speech(history, event, user, text, id);
}

/* "rendered_content" becomes "renderedContent": stored events and the API spell the same fields differently. Every member of
 * grounding is such a field, none is a user's. False: it has more than that many levels. */
static bool to_camel(cJSON *tree, unsigned levels)
{
    cJSON *child;

    if (levels == 0)
        return !cJSON_IsObject(tree) && !cJSON_IsArray(tree);
    cJSON_ArrayForEach(child, tree)
    {
        char *to = child->string;
        for (const char *from = child->string; from && *from; from++) {
            bool joint = *from == '_' && from[1] >= 'a' && from[1] <= 'z';
            *to++ = joint ? (char)(*++from - 'a' + 'A') : *from;
        }
        if (to)
            *to = '\0';
        if (!to_camel(child, levels - 1))
            return false;
    }
    return true;
}

/* Sources belong to the last thing that the model said. Clients get them a level deeper than they are stored: what is near
 * the limit of what is read would be beyond it there. */
static void add_grounding(struct history *history, cJSON *grounding)
{
    struct item *item = history->n > 0 ? &history->item[history->n - 1] : NULL;
    struct buf text;

    if (!item || item->user || item->kind != SPEECH || !to_camel(grounding, MAX_GROUNDING_DEPTH))
        return;
    buf_init(&text, MAX_EVENT_BYTES);
    if (json_print(grounding, &text) == ANTIPHON_OK) {
        free(item->grounding);
        item->grounding = buf_take(&text);
    }
    buf_deinit(&text);
}

enum antiphon_status history_add(struct history *history, const char *event_data, size_t len,
                                 uint64_t *item)
{
    static const struct json_limits limits = {.max_bytes = MAX_EVENT_BYTES, .max_tokens = 1u << 20};
    enum antiphon_status status;
    const cJSON *content, *in, *out;
    cJSON *event = NULL, *grounding;

    if (item)
        *item = 0;
    status = json_parse(event_data, len, &limits, &event, NULL);
    if (status)
        return status;
    content = json_get(event, "content");
    grounding = cJSON_GetObjectItemCaseSensitive(event, "grounding_metadata");
    in = json_get2(event, "inputTranscription", "input_transcription");
    out = json_get2(event, "outputTranscription", "output_transcription");
    if (!json_get_bool(event, "partial", false)) {
        if (content)
            status = add_content(history, event, content, item);
        if (!status && in)
            status = add_transcript(history, event, in, true, item);
        if (!status && out)
            status = add_transcript(history, event, out, false, item);
        if (!status && cJSON_IsObject(grounding))
            add_grounding(history, grounding);
    }
    cJSON_Delete(event);
    return status;
}

enum antiphon_status history_add_older(struct history *history, const char *event_data, size_t len)
{
    enum antiphon_status status;

    if (history->n == history->max && history->older_n == 0)
        return ANTIPHON_OK;
    history->older = true;
    status = history_add(history, event_data, len, NULL);
    history->older = false;
    return status;
}

enum antiphon_status history_add_late(struct history *history, const char *event_data, size_t len,
                                      uint64_t *item)
{
    enum antiphon_status status;

    history->late = true;
    status = history_add(history, event_data, len, item);
    history->late = false;
    return status;
}

void history_hide(struct history *history, uint64_t item, bool hidden)
{
    for (size_t i = history->n; i > 0; i--) {
        if (history->item[i - 1].id == item) {
            history->item[i - 1].hidden = hidden;
            return;
        }
    }
}

bool history_empty(const struct history *history)
{
    return history->n == 0;
}

/* The other half is there: a call's response behind it, a response's call before it. It is near as a rule. */
static bool paired(const struct history *history, size_t at)
{
    bool call = history->item[at].kind == CALL;
    enum kind other = call ? RESPONSE : CALL;

    /* Going down, the index wraps to beyond n. */
    for (size_t i = call ? at + 1 : at - 1; i < history->n; i = call ? i + 1 : i - 1) {
        if (history->item[i].kind == other && strcmp(history->item[i].call, history->item[at].call) == 0)
            return true;
    }
    return false;
}

static bool told(const struct history *history, size_t at, double since)
{
    const struct item *item = &history->item[at];

    /* Everything means: what has no time as well. */
    return !item->hidden && (since <= 0 || item->time > since) && (item->kind == SPEECH || paired(history, at));
}

bool history_has(const struct history *history, double since)
{
    for (size_t i = history->n; i > 0; i--) {
        if (told(history, i - 1, since))
            return true;
    }
    return false;
}

enum antiphon_status history_print_model(const struct history *history, double since, struct buf *out)
{
    int open = -1; /* role of the content being written: 0 model, 1 user */
    bool any = false;

    buf_puts(out, "[");
    for (size_t i = 0; i < history->n; i++) {
        const struct item *item = &history->item[i];
        if (!told(history, i, since))
            continue;
        if (open != (int)item->user) {
            buf_printf(out, "%s{\"role\":\"%s\",\"parts\":[", any ? "]}," : "",
                       item->user ? "user" : "model");
            open = (int)item->user;
        } else {
            buf_puts(out, ",");
        }
        any = true;
        if (item->kind == SPEECH) {
            buf_puts(out, "{\"text\":");
            buf_json_string(out, item->text, strlen(item->text));
            buf_puts(out, "}");
        } else {
            buf_puts(out, item->text);
        }
    }
    buf_puts(out, any ? "]}]" : "]");
    return buf_status(out);
}

enum antiphon_status history_print_client(const struct history *history, struct buf *out)
{
    bool any = false;

    buf_puts(out, "[");
    for (size_t i = 0; i < history->n; i++) {
        const struct item *item = &history->item[i];
        if (item->kind != SPEECH || item->unsaid)
            continue;
        buf_printf(out, "%s{\"role\":\"%s\",\"text\":", any ? "," : "", item->user ? "user" : "model");
        buf_json_string(out, item->text, strlen(item->text));
        buf_printf(out, ",\"time\":%.3f%s", item->time, item->interrupted ? ",\"interrupted\":true" : "");
        if (item->grounding)
            buf_printf(out, ",\"grounding\":%s", item->grounding);
        buf_puts(out, "}");
        any = true;
    }
    buf_puts(out, "]");
    return buf_status(out);
}
