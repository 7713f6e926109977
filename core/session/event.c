#include "session/event.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/banned.h"

#define MAX_JSON_BYTES  (16u << 20)
#define MAX_JSON_DEPTH  60
#define MAX_JSON_TOKENS 65536

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

/* The inside of a name as it is written in JSON; escapes are left as they are. */
static void put_snake(struct buf *out, const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        if (c == '\\') {
            size_t n = name[i + 1] == 'u' ? 6 : 2;
            buf_append(out, name + i, n);
            i += n - 1;
            continue;
        }
        if (is_upper(c)) {
            /* "toolURLContext" is tool_url_context: a run of capitals is one word. */
            bool word_begins = i > 0 && name[i - 1] != '_' &&
                               (!is_upper(name[i - 1]) || (i + 1 < len && is_lower(name[i + 1])));
            if (word_begins)
                buf_append(out, "_", 1);
            c = (char)(c - 'A' + 'a');
        }
        buf_append(out, &c, 1);
    }
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Bytes from the opening quote to the closing one. */
static size_t string_len(const char *text)
{
    size_t n = 1;

    while (text[n] != '"')
        n += text[n] == '\\' ? 2 : 1;
    return n + 1;
}

static bool is_name(const char *behind)
{
    while (is_space(*behind))
        behind++;
    return *behind == ':';
}

/* Text of n bytes begins with a quote. */
static void put_text(struct buf *out, const char *text, size_t n, bool snake)
{
    if (!snake || !is_name(text + n)) {
        buf_append(out, text, n);
        return;
    }
    buf_append(out, "\"", 1);
    put_snake(out, text + 1, n - 2);
    buf_append(out, "\"", 1);
}

/* Copies legal JSON without its white space. Works on the text, so that numbers stay as they were
 * written: a tree would lose whole numbers above 2^53. */
static void put_compact(struct buf *out, const char *text, bool snake)
{
    while (*text != '\0') {
        size_t n = 1;
        if (*text == '"') {
            n = string_len(text);
            put_text(out, text, n, snake);
        } else if (!is_space(*text)) {
            while (text[n] != '\0' && text[n] != '"' && !is_space(text[n]))
                n++;
            buf_append(out, text, n);
        }
        text += n;
    }
}

static enum antiphon_status put_json(struct buf *out, const char *text, bool snake)
{
    const struct json_limits limits = {
        .max_bytes = MAX_JSON_BYTES, .max_depth = MAX_JSON_DEPTH, .max_tokens = MAX_JSON_TOKENS};
    cJSON *tree = NULL;
    enum antiphon_status status = json_parse(text, strlen(text), &limits, &tree, NULL);

    cJSON_Delete(tree);
    if (!status)
        put_compact(out, text, snake);
    return status;
}

static void put_string(struct buf *out, const char *name, const char *text)
{
    if (!text)
        return;
    buf_printf(out, "\"%s\":", name);
    buf_json_string(out, text, strlen(text));
    buf_puts(out, ",");
}

static enum antiphon_status put_model(struct buf *out, const char *name, const char *json)
{
    if (!json)
        return ANTIPHON_OK;
    buf_printf(out, "\"%s\":", name);
    enum antiphon_status status = put_json(out, json, true);
    buf_puts(out, ",");
    return status;
}

static enum antiphon_status put_content(struct buf *out, const struct event_stored *event)
{
    enum antiphon_status status = ANTIPHON_OK;

    if (!event->text && !event->parts)
        return ANTIPHON_OK;
    buf_puts(out, "\"content\":{\"parts\":");
    if (event->parts) {
        status = put_json(out, event->parts, false);
    } else {
        buf_puts(out, "[{\"text\":");
        buf_json_string(out, event->text, strlen(event->text));
        buf_puts(out, "}]");
    }
    if (event->role) {
        buf_puts(out, ",\"role\":");
        buf_json_string(out, event->role, strlen(event->role));
    }
    buf_puts(out, "},");
    return status;
}

static void put_transcript(struct buf *out, const char *name, const char *text)
{
    if (!text)
        return;
    buf_printf(out, "\"%s\":{\"text\":", name);
    buf_json_string(out, text, strlen(text));
    buf_puts(out, ",\"finished\":true},");
}

/* The shortest decimal that reads back as the same double, always with a fraction or exponent, as a
 * float of the JSON that ADK writes has. */
static void put_timestamp(struct buf *out, double seconds)
{
    char text[40];

    for (int digits = DBL_DIG; digits <= DBL_DECIMAL_DIG; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, seconds);
        if (strtod(text, NULL) == seconds)
            break;
    }
    buf_printf(out, "\"timestamp\":%s%s}", text, strpbrk(text, ".e") ? "" : ".0");
}

static enum antiphon_status put_all(struct buf *out, const struct event_stored *event)
{
    enum antiphon_status status;

    buf_puts(out, "{");
    status = put_content(out, event);
    if (!status)
        status = put_model(out, "grounding_metadata", event->grounding);
    if (event->has_partial)
        buf_puts(out, event->partial ? "\"partial\":true," : "\"partial\":false,");
    if (event->turn_complete)
        buf_puts(out, "\"turn_complete\":true,");
    put_string(out, "turn_complete_reason", event->turn_complete_reason);
    put_string(out, "error_code", event->error_code);
    put_string(out, "error_message", event->error_message);
    if (event->interrupted)
        buf_puts(out, "\"interrupted\":true,");
    if (!status)
        status = put_model(out, "usage_metadata", event->usage);
    put_transcript(out, "input_transcription", event->input_transcript);
    put_transcript(out, "output_transcription", event->output_transcript);
    put_string(out, "invocation_id", event->invocation_id);
    put_string(out, "author", event->author);
    buf_puts(out, "\"actions\":{\"state_delta\":");
    if (!status && event->state_delta)
        status = put_json(out, event->state_delta, false);
    else
        buf_puts(out, "{}");
    buf_puts(out, ",\"artifact_delta\":{},"
                  "\"requested_auth_configs\":{},\"requested_tool_confirmations\":{}},"
                  "\"node_info\":{\"path\":\"\"},");
    put_string(out, "id", event->id);
    put_timestamp(out, event->timestamp);
    return status ? status : buf_status(out);
}

enum antiphon_status event_stored_print(const struct event_stored *event, struct buf *out)
{
    size_t start = out->len;
    enum antiphon_status status = put_all(out, event);

    if (status)
        buf_truncate(out, start);
    return status;
}
