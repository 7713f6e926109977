/* message - builds the server messages of the Live API. Pure. Every function returns a tree that
 * the caller deletes. False, zero and empty fields are left out, as proto JSON does. */
#ifndef LIVE_SIM_MESSAGE_H
#define LIVE_SIM_MESSAGE_H
#include "json.h"

struct message_usage {
    uint32_t prompt, response;
    const char *modality; /* "TEXT" or "AUDIO" of the response */
    bool vertex;          /* the names Vertex uses */
};

cJSON *message_setup_complete(const char *session_id); /* NULL: none */
/* One part of the model's turn; role NULL leaves it out. */
cJSON *message_text(const char *text, const char *role, bool thought);
cJSON *message_audio(const void *pcm, size_t len, const char *mime, const char *role);
cJSON *message_code(const char *language, const char *code);
cJSON *message_code_result(const char *outcome, const char *output);
/* kind is "inputTranscription" or "outputTranscription"; text NULL with finished. */
cJSON *message_transcription(const char *kind, const char *text, bool finished);
cJSON *message_flag(const char *name); /* {"serverContent":{name:true}} */
/* Adds usage to message (which may be an empty object). */
void message_add_usage(cJSON *message, const struct message_usage *usage);
cJSON *message_grounding(const char *query, const char *segment);
cJSON *message_tool_call(void);
void message_add_call(cJSON *message, const char *id, const char *name, const cJSON *args);
cJSON *message_cancellation(const char *const *ids, size_t count);
cJSON *message_go_away(const char *seconds);                     /* "50" gives "50s" */
cJSON *message_handle(const char *handle, const char *consumed); /* NULL handle: not resumable */
cJSON *message_voice_activity(const char *type);
cJSON *message_vad_signal(const char *type);

/* Moves what is in from's serverContent (and its other top-level keys) into into; deletes from. */
void message_merge(cJSON *into, cJSON *from);
#endif
