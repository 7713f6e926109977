#include "frontend/frame_input.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/banned.h"

static const char audio_hint[] =
    "send 16-bit little-endian mono PCM at 16 kHz, a whole number of samples";
static const char base64_hint[] = "encode data as base64 (RFC 4648, standard or URL-safe alphabet)";
static const char object_hint[] =
    "send one JSON object, such as {\"mime_type\":\"text/plain\",\"data\":\"hello\"}";
static const char mime_hint[] = "accepted here: text/plain, audio/pcm (16 kHz)";
static const char mime_image_hint[] =
    "accepted here: text/plain, audio/pcm (16 kHz), image/jpeg, image/png";

enum antiphon_status frame_input_refuse(struct client_fault *fault, const char *code,
                                        const char *hint, const char *fmt, ...)
{
    va_list args;

    fault->code = code;
    fault->hint = hint;
    va_start(args, fmt);
    vsnprintf(fault->message, sizeof(fault->message), fmt, args);
    va_end(args);
    return ANTIPHON_EINVAL;
}

/* scratch did not take it: our limit or our memory, not the client's mistake. */
static enum antiphon_status refuse_size(struct client_fault *fault, enum antiphon_status status)
{
    if (status == ANTIPHON_ENOMEM)
        frame_input_refuse(fault, "no_memory", "try again in a moment",
                           "the server has no memory left for this message");
    else
        frame_input_refuse(fault, "too_large", "send less in one message",
                           "the message is larger than the server takes");
    return status;
}

/* Sets data, len and encoding from base64 text that was checked; the standard form is borrowed,
 * every other is rewritten in scratch. */
static enum antiphon_status set_base64(const char *text, size_t len, enum base64_form form,
                                       struct buf *scratch, struct client_input *input,
                                       struct client_fault *fault)
{
    if (form == BASE64_BAD)
        return frame_input_refuse(fault, "bad_data", base64_hint, "data is not base64");
    input->encoding = ANTIPHON_BASE64;
    input->data = text;
    input->len = len;
    if (form == BASE64_STANDARD)
        return ANTIPHON_OK;
    enum antiphon_status status = buf_reserve(scratch, len + 3);
    if (status)
        return refuse_size(fault, status);
    base64_to_standard(text, len, scratch->data, &scratch->len);
    input->data = scratch->data;
    input->len = scratch->len;
    return ANTIPHON_OK;
}

/* A base64 text that base64_check() found to be of this form and to stand for so many bytes. */
struct checked {
    enum base64_form form;
    size_t decoded;
};

static enum antiphon_status set_audio(const char *text, size_t len, struct checked checked,
                                      struct buf *scratch, struct client_input *input,
                                      struct client_fault *fault)
{
    enum antiphon_status status = set_base64(text, len, checked.form, scratch, input, fault);

    if (status)
        return status;
    if (checked.decoded % 2 != 0)
        return frame_input_refuse(fault, "bad_audio", audio_hint,
                                  "%zu bytes of PCM are not a whole number of 16-bit samples",
                                  checked.decoded);
    input->type = CLIENT_AUDIO;
    input->pcm_bytes = checked.decoded;
    return ANTIPHON_OK;
}

struct spelling {
    const char *prefix, *suffix;
};

/* JSON.stringify of browsers and json.dumps of Python, members in either order. */
static const struct spelling spellings[] = {
    {"{\"mime_type\":\"audio/pcm\",\"data\":\"", "\"}"},
    {"{\"mime_type\": \"audio/pcm\", \"data\": \"", "\"}"},
    {"{\"data\":\"", "\",\"mime_type\":\"audio/pcm\"}"},
    {"{\"data\": \"", "\", \"mime_type\": \"audio/pcm\"}"},
    {"{\"mime_type\":\"audio/pcm;rate=16000\",\"data\":\"", "\"}"},
};

static bool spelling_match(const struct spelling *spelling, const char *data, size_t len,
                           struct antiphon_span *middle)
{
    size_t before = strlen(spelling->prefix), behind = strlen(spelling->suffix);

    if (len < before + behind || memcmp(data, spelling->prefix, before) != 0 ||
        memcmp(data + len - behind, spelling->suffix, behind) != 0)
        return false;
    *middle = (struct antiphon_span){data + before, len - before - behind};
    return true;
}

enum antiphon_status frame_input_splice(const char *data, size_t len, struct buf *scratch,
                                        struct client_input *input, struct client_fault *fault,
                                        bool *taken)
{
    struct checked checked = {BASE64_BAD, 0};
    struct antiphon_span middle;

    *taken = false;
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        if (!spelling_match(&spellings[i], data, len, &middle))
            continue;
        /* Not base64 as it lies there may still be base64 written with JSON escapes. */
        checked.form = base64_check(middle.data, middle.len, &checked.decoded);
        if (checked.form == BASE64_BAD)
            continue;
        *taken = true;
        input->spliced = true;
        return set_audio(middle.data, middle.len, checked, scratch, input, fault);
    }
    return ANTIPHON_OK;
}

static bool nested_deeper(const char *text, size_t len, unsigned limit)
{
    unsigned depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < len; i++) {
        if (in_string) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                in_string = false;
        } else if (text[i] == '"') {
            in_string = true;
        } else if (text[i] == '[' || text[i] == '{') {
            if (++depth > limit)
                return true;
        } else if ((text[i] == ']' || text[i] == '}') && depth > 0) {
            depth--;
        }
    }
    return false;
}

enum antiphon_status frame_input_object(const char *data, size_t len, cJSON **tree,
                                        struct client_fault *fault)
{
    struct json_limits limits = {.max_bytes = FRAME_INPUT_MAX_BYTES};
    struct err err = {0};
    cJSON *made = NULL;
    enum antiphon_status status = json_parse(data, len, &limits, &made, &err);

    if (status == ANTIPHON_ENOMEM)
        return refuse_size(fault, status);
    if (status == ANTIPHON_ETOOBIG && nested_deeper(data, len, JSON_MAX_DEPTH))
        return frame_input_refuse(fault, "too_deep", object_hint,
                                  "the message is nested deeper than %d levels", JSON_MAX_DEPTH);
    if (status == ANTIPHON_ETOOBIG)
        return frame_input_refuse(fault, "too_large", "send less in one message",
                                  "the message has more than %d values", JSON_MAX_TOKENS);
    if (status)
        return frame_input_refuse(fault, "bad_json", object_hint, "%.200s", err.text);
    if (!cJSON_IsObject(made)) {
        cJSON_Delete(made);
        return frame_input_refuse(fault, "bad_frame", object_hint,
                                  "the message is not a JSON object");
    }
    *tree = made;
    return ANTIPHON_OK;
}

/* "audio/pcm", with the one rate that we take or without. */
static bool is_audio_mime(const char *mime)
{
    static const char audio[] = "audio/pcm";

    if (strncmp(mime, audio, sizeof(audio) - 1) != 0)
        return false;
    mime += sizeof(audio) - 1;
    if (*mime != ';')
        return *mime == '\0';
    mime++;
    return strcmp(mime + strspn(mime, " "), "rate=16000") == 0;
}

static const char *image_mime(const char *mime)
{
    if (strcmp(mime, "image/jpeg") == 0)
        return "image/jpeg";
    return strcmp(mime, "image/png") == 0 ? "image/png" : NULL;
}

/* The tree goes away before the input is used. */
static enum antiphon_status keep(const char *text, size_t len, struct buf *scratch,
                                 struct client_input *input, struct client_fault *fault)
{
    enum antiphon_status status = buf_append(scratch, text, len);

    if (status)
        return refuse_size(fault, status);
    input->data = len ? scratch->data : "";
    input->len = len;
    return ANTIPHON_OK;
}

static enum antiphon_status media_base64(const char *text, struct buf *scratch,
                                         struct client_input *input, struct client_fault *fault)
{
    struct checked checked = {BASE64_BAD, 0};
    enum antiphon_status status;
    size_t len = strlen(text);

    checked.form = base64_check(text, len, &checked.decoded);
    if (input->type == CLIENT_AUDIO)
        status = set_audio(text, len, checked, scratch, input, fault);
    else
        status = set_base64(text, len, checked.form, scratch, input, fault);
    if (!status && input->data == text)
        status = keep(text, len, scratch, input, fault);
    return status;
}

enum antiphon_status frame_input_media(const cJSON *tree, unsigned flags, struct buf *scratch,
                                       struct client_input *input, struct client_fault *fault)
{
    bool images = (flags & FRAME_INPUT_IMAGES) != 0;
    const cJSON *type = json_get(tree, "mime_type"), *data = json_get(tree, "data");
    const char *mime = cJSON_IsString(type) ? type->valuestring : NULL;
    const char *text = cJSON_IsString(data) ? data->valuestring : NULL;

    if (!mime)
        return frame_input_refuse(fault, "bad_frame", object_hint,
                                  type ? "mime_type is not a string" : "mime_type is missing");
    bool plain = strcmp(mime, "text/plain") == 0, audio = is_audio_mime(mime);
    input->mime = images ? image_mime(mime) : NULL;
    if (!plain && !audio && !input->mime)
        return frame_input_refuse(fault, "bad_mime", images ? mime_image_hint : mime_hint,
                                  "this mime_type is not supported");
    if (!text)
        return frame_input_refuse(fault, "bad_data", object_hint,
                                  data ? "data is not a string" : "data is missing");
    input->type = plain ? CLIENT_TEXT : audio ? CLIENT_AUDIO : CLIENT_IMAGE;
    if (plain)
        return keep(text, strlen(text), scratch, input, fault);
    return media_base64(text, scratch, input, fault);
}

enum antiphon_status frame_input_pcm(const char *data, size_t len, struct client_input *input,
                                     struct client_fault *fault)
{
    if (len % 2 != 0)
        return frame_input_refuse(fault, "bad_audio", audio_hint,
                                  "%zu bytes of PCM are not a whole number of 16-bit samples", len);
    input->type = CLIENT_AUDIO;
    input->encoding = ANTIPHON_RAW;
    input->data = data;
    input->len = len;
    input->pcm_bytes = len;
    input->spliced = true;
    return ANTIPHON_OK;
}
