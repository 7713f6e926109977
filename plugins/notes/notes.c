/* notes - what a user wants remembered, across conversations and restarts. A note is one row of the
 * user's own data: the key is "note/" and an id that sorts the newest first, the value the text
 * alone, so that a search finds words of the note and of nothing else. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "../common/reply.h"
#include "antiphon/plugin.h"
#include "recall.h"

/* clang-format off */
ANTIPHON_MANIFEST({
    "name": "notes",
    "version": "1.0.0",
    "description": "Remembers what a user wants remembered, across conversations.",
    "licence": "Apache-2.0",
    "tools": [{
        "name": "notes",
        "description": "Lists the user's notes, the newest first.",
        "parameters": {
            "type": "object",
            "properties": {
                "limit": {"type": "integer", "minimum": 1, "maximum": 50, "description": "At most so many; 20 if absent."}
            }
        },
        "flags": ["read_only"]
    }, {
        "name": "remember",
        "description": "Keeps a note for this user for all later conversations. Use it when the user asks to remember or write down something. One fact a note, in the user's language, in words that make sense on their own.",
        "parameters": {
            "type": "object",
            "properties": {
                "text": {"type": "string", "minLength": 1, "maxLength": 4000}
            },
            "required": ["text"]
        },
        "flags": ["keep_on_interrupt"]
    }, {
        "name": "recall",
        "description": "Looks through the user's notes for words, in any language. Use it before you say that you do not know something about the user. Returns the notes that have all the words, else those that have some.",
        "parameters": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "minLength": 1, "maxLength": 500, "description": "Few words that are likely in the note, such as: car parked."},
                "limit": {"type": "integer", "minimum": 1, "maximum": 50, "description": "At most so many; 10 if absent."}
            },
            "required": ["query"]
        },
        "flags": ["read_only"]
    }, {
        "name": "forget",
        "description": "Deletes one note by its id, which recall and notes tell, or all notes of the user, which the user is asked to confirm. A single note can be brought back right afterwards.",
        "parameters": {
            "type": "object",
            "properties": {
                "id": {"type": "string", "minLength": 1, "maxLength": 64},
                "all": {"type": "boolean", "description": "true: every note."}
            }
        },
        "flags": ["keep_on_interrupt"]
    }]
});
/* clang-format on */

#define ID_CHARS     20 /* 12 of time, 8 of chance, in hexadecimal */
#define KEY_BYTES    (sizeof(RECALL_PREFIX) + 64)
#define TIME_MASK    0xffffffffffff
#define NOTE_BYTES   (16384 + 1) /* 4,000 characters */
#define DEFAULT_LIST 20
#define DEFAULT_FIND 10

struct notes {
    const struct antiphon_host *h; /* borrowed */
};

static void fail_store(const struct antiphon_host *h, struct antiphon_call *call,
                       enum antiphon_status status)
{
    if (status == ANTIPHON_EBUSY)
        reply_error(h, call, status, "there are as many notes as can be kept; forget some first");
    else if (status == ANTIPHON_ECANCELLED)
        reply_error(h, call, status, "this was cancelled before anything was done");
    else
        reply_error(h, call, status, "the notes cannot be reached at the moment");
}

static enum antiphon_status receive(const struct notes *notes, struct antiphon_call *call,
                                    const char *id, const char *text)
{
    cJSON *receipt = cJSON_CreateObject();
    enum antiphon_status status = ANTIPHON_ENOMEM;
    char *json;

    cJSON_AddStringToObject(receipt, "id", id);
    if (text)
        cJSON_AddStringToObject(receipt, "text", text);
    json = cJSON_PrintUnformatted(receipt);
    if (json)
        status = notes->h->receipt(notes->h, call, json, strlen(json));
    cJSON_free(json);
    cJSON_Delete(receipt);
    return status;
}

/* The newest has the smallest id. */
static enum antiphon_status make_id(const struct notes *notes, char id[ID_CHARS + 1])
{
    uint64_t time = ~(uint64_t)notes->h->wall_ms(notes->h) & TIME_MASK;
    uint32_t chance;

    if (getrandom(&chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
        return ANTIPHON_EUNAVAILABLE;
    (void)snprintf(id, ID_CHARS + 1, "%012llx%08x", (unsigned long long)time, chance);
    return ANTIPHON_OK;
}

static void add_written(cJSON *note, const char *id)
{
    char text[sizeof("2026-03-01T08:30:00Z")];
    unsigned long long time;
    struct tm parts;

    if (sscanf(id, "%12llx", &time) != 1)
        return;
    time_t seconds = (time_t)((~time & TIME_MASK) / 1000);
    if (gmtime_r(&seconds, &parts) &&
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts) > 0)
        cJSON_AddStringToObject(note, "written", text);
}

/* ---- tools ----------------------------------------------------------------------------------- */

static enum antiphon_status remember(void *state, struct antiphon_call *call)
{
    const struct notes *notes = state;
    char id[ID_CHARS + 1], key[KEY_BYTES];
    cJSON *args = reply_args(notes->h, call), *answer;
    const char *text = reply_text(args, "text");
    enum antiphon_status status;

    if (!args)
        return ANTIPHON_OK;
    status = make_id(notes, id);
    if (status == ANTIPHON_OK)
        status = receive(notes, call, id, NULL);
    if (status == ANTIPHON_OK) {
        (void)snprintf(key, sizeof(key), RECALL_PREFIX "%s", id);
        status = notes->h->store_put(notes->h, call->user_id, key, text, strlen(text));
    }
    cJSON_Delete(args);
    if (status != ANTIPHON_OK) {
        fail_store(notes->h, call, status);
        return ANTIPHON_OK;
    }
    answer = cJSON_CreateObject();
    cJSON_AddStringToObject(answer, "id", id);
    reply_json(notes->h, call, answer);
    return ANTIPHON_OK;
}

static void answer_notes(const struct notes *notes, struct antiphon_call *call, const char *query,
                         size_t limit)
{
    struct recall found;
    enum antiphon_status status = recall_notes(notes->h, call->user_id, query, limit, &found);

    if (status == ANTIPHON_OK) {
        cJSON *answer = cJSON_CreateObject();
        cJSON *list = cJSON_AddArrayToObject(answer, "notes");
        for (size_t i = 0; i < found.n; i++) {
            cJSON *note = cJSON_CreateObject();
            const char *id = found.notes[i].key + strlen(RECALL_PREFIX);
            cJSON_AddStringToObject(note, "id", id);
            cJSON_AddStringToObject(note, "text", found.notes[i].text);
            add_written(note, id);
            if (!cJSON_AddItemToArray(list, note))
                cJSON_Delete(note);
        }
        reply_json(notes->h, call, answer);
    } else {
        fail_store(notes->h, call, status);
    }
    recall_free(&found);
}

static enum antiphon_status recall(void *state, struct antiphon_call *call)
{
    const struct notes *notes = state;
    cJSON *args = reply_args(notes->h, call);

    if (args)
        answer_notes(notes, call, reply_text(args, "query"),
                     (size_t)reply_integer(args, "limit", DEFAULT_FIND));
    cJSON_Delete(args);
    return ANTIPHON_OK;
}

static enum antiphon_status list(void *state, struct antiphon_call *call)
{
    const struct notes *notes = state;
    cJSON *args = reply_args(notes->h, call);

    if (args)
        answer_notes(notes, call, NULL, (size_t)reply_integer(args, "limit", DEFAULT_LIST));
    cJSON_Delete(args);
    return ANTIPHON_OK;
}

static void forget_one(const struct notes *notes, struct antiphon_call *call, const char *id)
{
    char key[KEY_BYTES], *text = malloc(NOTE_BYTES);
    size_t len;
    enum antiphon_status status = ANTIPHON_ENOMEM;

    (void)snprintf(key, sizeof(key), RECALL_PREFIX "%s", id);
    if (text)
        status = notes->h->store_get(notes->h, call->user_id, key, text, NOTE_BYTES, &len);
    if (status == ANTIPHON_OK)
        status = receive(notes, call, id, text);
    if (status == ANTIPHON_OK)
        status = notes->h->store_put(notes->h, call->user_id, key, NULL, 0);
    if (status == ANTIPHON_OK) {
        cJSON *answer = cJSON_CreateObject();
        cJSON_AddStringToObject(answer, "forgotten", text);
        reply_json(notes->h, call, answer);
    } else if (status == ANTIPHON_ENOTFOUND) {
        reply_error(notes->h, call, status,
                    "there is no note with the id '%s'; recall tells the ids", id);
    } else {
        fail_store(notes->h, call, status);
    }
    free(text);
}

static void forget_all(const struct notes *notes, struct antiphon_call *call)
{
    static const char question[] = "Delete all of your notes? They cannot be brought back.";
    struct recall found;
    enum antiphon_status status;
    int gone = 0;

    if (!(call->flags & ANTIPHON_CALL_CONFIRMED)) {
        notes->h->finish(notes->h, call, ANTIPHON_ECONFIRM, question, strlen(question));
        return;
    }
    do {
        status = recall_notes(notes->h, call->user_id, NULL, RECALL_MAX_NOTES, &found);
        size_t n = found.n;
        for (size_t i = 0; i < n && status == ANTIPHON_OK; i++) {
            status =
                notes->h->cancelled(notes->h, call)
                    ? ANTIPHON_ECANCELLED
                    : notes->h->store_put(notes->h, call->user_id, found.notes[i].key, NULL, 0);
            gone += status == ANTIPHON_OK;
        }
        recall_free(&found);
        if (n == 0)
            break;
    } while (status == ANTIPHON_OK);
    if (status == ANTIPHON_OK) {
        cJSON *answer = cJSON_CreateObject();
        cJSON_AddNumberToObject(answer, "forgotten_notes", gone);
        reply_json(notes->h, call, answer);
    } else {
        reply_error(notes->h, call, status,
                    "only %d notes were deleted, then the store failed or the "
                    "call was cancelled",
                    gone);
    }
}

static enum antiphon_status forget(void *state, struct antiphon_call *call)
{
    const struct notes *notes = state;
    cJSON *args = reply_args(notes->h, call);
    const char *id = reply_text(args, "id");

    if (!args)
        return ANTIPHON_OK;
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(args, "all")) && !id)
        forget_all(notes, call);
    else if (id)
        forget_one(notes, call, id);
    else
        reply_error(notes->h, call, ANTIPHON_EINVAL,
                    "say which note by its id, or all: true for every one");
    cJSON_Delete(args);
    return ANTIPHON_OK;
}

/* ---- undo ------------------------------------------------------------------------------------ */

/* A receipt with a text brings the note back, one without takes it away. */
static enum antiphon_status undo(void *state, struct antiphon_call *call)
{
    const struct notes *notes = state;
    cJSON *receipt = reply_args(notes->h, call);
    const char *id = reply_text(receipt, "id"), *text = reply_text(receipt, "text");
    char key[KEY_BYTES];

    if (!receipt)
        return ANTIPHON_OK;
    (void)snprintf(key, sizeof(key), RECALL_PREFIX "%s", id ? id : "");
    enum antiphon_status status =
        id ? notes->h->store_put(notes->h, call->user_id, key, text, text ? strlen(text) : 0)
           : ANTIPHON_EINVAL;
    cJSON_Delete(receipt);
    if (status == ANTIPHON_OK)
        reply_json(notes->h, call, cJSON_CreateTrue());
    else
        fail_store(notes->h, call, status);
    return ANTIPHON_OK;
}

/* ---- the plugin ------------------------------------------------------------------------------ */

static const struct antiphon_tool tools[] = {
    {.struct_size = sizeof(struct antiphon_tool), .name = "notes", .invoke = list},
    {.struct_size = sizeof(struct antiphon_tool),
     .name = "remember",
     .invoke = remember,
     .undo = undo},
    {.struct_size = sizeof(struct antiphon_tool), .name = "recall", .invoke = recall},
    {.struct_size = sizeof(struct antiphon_tool), .name = "forget", .invoke = forget, .undo = undo},
};

static enum antiphon_status init(const struct antiphon_host *h, const char *config, void **state,
                                 char *why, size_t why_size)
{
    struct notes *notes = calloc(1, sizeof(*notes));
    enum antiphon_status status = ANTIPHON_OK;

    (void)config;
    if (!notes) {
        (void)snprintf(why, why_size, "out of memory");
        return ANTIPHON_ENOMEM;
    }
    notes->h = h;
    for (size_t i = 0; status == ANTIPHON_OK && i < sizeof(tools) / sizeof(tools[0]); i++)
        status = h->add_tool(h, &tools[i]);
    if (status == ANTIPHON_OK)
        *state = notes;
    else
        free(notes);
    return status;
}

static const struct antiphon_plugin plugin = {
    .struct_size = sizeof(plugin),
    .name = "notes",
    .version = "1.0.0",
    .init = init,
    .shutdown = free,
};

const struct antiphon_plugin *antiphon_plugin_v1(void)
{
    return &plugin;
}
