#include "encode.h"

#include <stdlib.h>
#include <string.h>

#include "b64.h"
#include "reader.h"

#define INPUT_RATE        16000u
#define MAX_RESULTS_BYTES (16u * 1024 * 1024)

static bool says(const cJSON *profile, const char *name, const char *word)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(profile, name));
    return value && strcmp(value, word) == 0;
}

struct encode_style encode_style_of(const cJSON *profile)
{
    return (struct encode_style){
        .realtime_text = says(profile, "text", "realtime"),
        .media_chunks = says(profile, "audio", "media_chunks"),
        .scheduling = says(profile, "tools", "non_blocking"),
    };
}

static void add_part(struct encode_message *message, const void *data, size_t len)
{
    message->parts[message->n++] = (struct antiphon_span){data, len};
}

static void add_text(struct encode_message *message, const char *text)
{
    add_part(message, text, strlen(text));
}

static enum antiphon_status typed_text(const struct encode_style *style,
                                       const struct antiphon_event *event,
                                       struct encode_message *message)
{
    text_json(&message->owned[0], event->data, event->len);
    if (message->owned[0].failed)
        return ANTIPHON_ENOMEM;
    add_text(message,
             style->realtime_text
                 ? "{\"realtimeInput\":{\"text\":"
                 : "{\"clientContent\":{\"turns\":[{\"role\":\"user\",\"parts\":[{\"text\":");
    add_part(message, message->owned[0].data, message->owned[0].len);
    add_text(message, style->realtime_text ? "}}" : "}]}],\"turnComplete\":true}}");
    return ANTIPHON_OK;
}

/* The event's data as base64 in the message; raw data is encoded into room, or owned[1] if it is long. */
static enum antiphon_status add_base64(const struct antiphon_event *event,
                                       struct encode_message *message)
{
    struct text *out = &message->owned[1];
    if (event->encoding == ANTIPHON_BASE64) {
        add_part(message, event->data, event->len);
        return ANTIPHON_OK;
    }
    size_t len = b64_encoded_len(event->len);
    char *at = message->room;
    if (len >= sizeof message->room) {
        at = out->data = malloc(len + 1);
        out->len = len;
    }
    if (!at)
        return ANTIPHON_ENOMEM;
    b64_encode(event->data, event->len, at);
    add_part(message, at, len);
    return ANTIPHON_OK;
}

static enum antiphon_status media(const struct encode_style *style,
                                  const struct antiphon_event *event, const char *mime,
                                  struct encode_message *message)
{
    struct text *head = &message->owned[0];
    const char *kind = event->type == ANTIPHON_EV_AUDIO ? "audio" : "video";
    if (style->media_chunks)
        text_puts(head, "{\"realtimeInput\":{\"mediaChunks\":[{\"mimeType\":");
    else
        text_printf(head, "{\"realtimeInput\":{\"%s\":{\"mimeType\":", kind);
    text_json(head, mime, strlen(mime));
    text_puts(head, ",\"data\":\"");
    if (head->failed)
        return ANTIPHON_ENOMEM;
    add_part(message, head->data, head->len);
    enum antiphon_status status = add_base64(event, message);
    if (status == ANTIPHON_OK)
        add_text(message, style->media_chunks ? "\"}]}}" : "\"}}}");
    return status;
}

/* Nearly all there is: at the usual rate base64 goes between two constants. */
static enum antiphon_status usual_audio(const struct encode_style *style, const struct antiphon_event *event,
                        struct encode_message *message)
{
    static const char chunks[] = "{\"realtimeInput\":{\"mediaChunks\":[{\"mimeType\":"
                                 "\"audio/pcm;rate=16000\",\"data\":\"";
    static const char blob[] = "{\"realtimeInput\":{\"audio\":{\"mimeType\":"
                               "\"audio/pcm;rate=16000\",\"data\":\"";
    if (style->media_chunks)
        add_part(message, chunks, sizeof chunks - 1);
    else
        add_part(message, blob, sizeof blob - 1);
    enum antiphon_status status = add_base64(event, message);
    if (status == ANTIPHON_OK)
        add_text(message, style->media_chunks ? "\"}]}}" : "\"}}}");
    return status;
}

static enum antiphon_status audio(const struct encode_style *style,
                                  const struct antiphon_event *event,
                                  struct encode_message *message)
{
    struct text mime = {0};
    message->kind = ANTIPHON_WS_AUDIO;
    if (!event->sample_rate || event->sample_rate == INPUT_RATE)
        return usual_audio(style, event, message);
    text_printf(&mime, "audio/pcm;rate=%u", event->sample_rate ? event->sample_rate : INPUT_RATE);
    enum antiphon_status status =
        mime.failed ? ANTIPHON_ENOMEM : media(style, event, mime.data, message);
    text_free(&mime);
    return status;
}

/* One result. A response that is no object is wrapped, because the service takes nothing else. */
static bool tool_result(const struct encode_style *style, struct value result, struct text *out)
{
    struct value id = reader_get(result, "id", NULL), name = reader_get(result, "name", NULL);
    struct value response = reader_get(result, "response", NULL);
    struct value scheduling = reader_get(result, "scheduling", NULL);
    if (!reader_is(name, '"'))
        return false;
    text_puts(out, "{");
    if (reader_is(id, '"') && id.n > 2) {
        text_puts(out, "\"id\":");
        text_add(out, id.p, id.n);
        text_puts(out, ",");
    }
    text_puts(out, "\"name\":");
    text_add(out, name.p, name.n);
    bool wrap = !reader_is(response, '{');
    text_puts(out, wrap ? ",\"response\":{\"result\":" : ",\"response\":");
    text_add(out, response.p ? response.p : "null", response.p ? response.n : 4);
    text_puts(out, wrap ? "}" : "");
    if (style->scheduling && reader_is(scheduling, '"')) {
        text_puts(out, ",\"scheduling\":");
        text_add(out, scheduling.p, scheduling.n);
    }
    text_puts(out, "}");
    return true;
}

static enum antiphon_status tool_results(const struct encode_style *style,
                                         const struct antiphon_event *event,
                                         struct encode_message *message)
{
    struct text *out = &message->owned[0];
    struct value list, result;
    size_t where;
    if (event->len > MAX_RESULTS_BYTES)
        return ANTIPHON_ETOOBIG;
    if (!event->data || !reader_check(event->data, event->len, &list, &where) ||
        !reader_is(list, '['))
        return ANTIPHON_EINVAL;
    text_puts(out, "{\"toolResponse\":{\"functionResponses\":[");
    struct reader r = reader_open(list);
    for (size_t i = 0; reader_element(&r, &result); i++) {
        text_puts(out, i ? "," : "");
        if (!tool_result(style, result, out))
            return ANTIPHON_EINVAL;
    }
    text_puts(out, "]}}");
    if (out->failed)
        return ANTIPHON_ENOMEM;
    add_part(message, out->data, out->len);
    return ANTIPHON_OK;
}

enum antiphon_status encode_event(const struct encode_style *style,
                                  const struct antiphon_event *event,
                                  struct encode_message *message)
{
    message->kind = ANTIPHON_WS_CONTROL;
    message->n = 0;
    message->owned[0] = message->owned[1] = (struct text){0};
    switch (event->type) {
    case ANTIPHON_EV_TEXT:
        return typed_text(style, event, message);
    case ANTIPHON_EV_AUDIO:
        return audio(style, event, message);
    case ANTIPHON_EV_IMAGE:
        return media(style, event, event->name ? event->name : "image/jpeg", message);
    case ANTIPHON_EV_ACTIVITY_START:
        add_text(message, "{\"realtimeInput\":{\"activityStart\":{}}}");
        return ANTIPHON_OK;
    case ANTIPHON_EV_ACTIVITY_END:
        add_text(message, "{\"realtimeInput\":{\"activityEnd\":{}}}");
        return ANTIPHON_OK;
    case ANTIPHON_EV_AUDIO_END:
        add_text(message, "{\"realtimeInput\":{\"audioStreamEnd\":true}}");
        return ANTIPHON_OK;
    case ANTIPHON_EV_TOOL_RESULTS:
        return tool_results(style, event, message);
    default:
        return ANTIPHON_EINVAL;
    }
}

void encode_free(struct encode_message *message)
{
    text_free(&message->owned[0]);
    text_free(&message->owned[1]);
    message->n = 0;
}
