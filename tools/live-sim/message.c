#include "message.h"

#include <string.h>

static cJSON *add_object(cJSON *to, const char *name)
{
    return cJSON_AddObjectToObject(to, name);
}

static cJSON *one_object(const char *name)
{
    cJSON *message = cJSON_CreateObject();
    add_object(message, name);
    return message;
}

static cJSON *server_content(cJSON **content)
{
    cJSON *message = cJSON_CreateObject();
    *content = add_object(message, "serverContent");
    return message;
}

static cJSON *model_turn(cJSON *part, const char *role)
{
    cJSON *content, *message = server_content(&content), *turn = add_object(content, "modelTurn");
    if (role)
        cJSON_AddStringToObject(turn, "role", role);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(turn, "parts"), part);
    return message;
}

cJSON *message_setup_complete(const char *session_id)
{
    cJSON *message = one_object("setupComplete");
    if (session_id)
        cJSON_AddStringToObject(message->child, "sessionId", session_id);
    return message;
}

cJSON *message_text(const char *text, const char *role, bool thought)
{
    cJSON *part = cJSON_CreateObject();
    cJSON_AddStringToObject(part, "text", text);
    if (thought)
        cJSON_AddTrueToObject(part, "thought");
    return model_turn(part, role);
}

cJSON *message_audio(const void *pcm, size_t len, const char *mime, const char *role)
{
    struct bytes data = {0};
    cJSON *part = cJSON_CreateObject(), *blob = add_object(part, "inlineData");
    bytes_base64(&data, pcm, len);
    cJSON_AddStringToObject(blob, "mimeType", mime);
    cJSON_AddStringToObject(blob, "data", bytes_str(&data));
    bytes_free(&data);
    return model_turn(part, role);
}

cJSON *message_code(const char *language, const char *code)
{
    cJSON *part = cJSON_CreateObject(), *body = add_object(part, "executableCode");
    cJSON_AddStringToObject(body, "language", language);
    cJSON_AddStringToObject(body, "code", code);
    return model_turn(part, NULL);
}

cJSON *message_code_result(const char *outcome, const char *output)
{
    cJSON *part = cJSON_CreateObject(), *body = add_object(part, "codeExecutionResult");
    cJSON_AddStringToObject(body, "outcome", outcome);
    cJSON_AddStringToObject(body, "output", output);
    return model_turn(part, NULL);
}

cJSON *message_transcription(const char *kind, const char *text, bool finished)
{
    cJSON *content, *message = server_content(&content), *body = add_object(content, kind);
    if (text && *text)
        cJSON_AddStringToObject(body, "text", text);
    if (finished)
        cJSON_AddTrueToObject(body, "finished");
    return message;
}

cJSON *message_flag(const char *name)
{
    cJSON *content, *message = server_content(&content);
    cJSON_AddTrueToObject(content, name);
    return message;
}

static void add_details(cJSON *usage, const char *name, const char *modality, uint32_t count)
{
    cJSON *entry = cJSON_CreateObject();
    cJSON_AddStringToObject(entry, "modality", modality);
    cJSON_AddNumberToObject(entry, "tokenCount", count);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(usage, name), entry);
}

void message_add_usage(cJSON *message, const struct message_usage *usage)
{
    cJSON *body = add_object(message, "usageMetadata");
    cJSON_AddNumberToObject(body, "promptTokenCount", usage->prompt);
    cJSON_AddNumberToObject(body, usage->vertex ? "candidatesTokenCount" : "responseTokenCount",
                            usage->response);
    cJSON_AddNumberToObject(body, "totalTokenCount", usage->prompt + usage->response);
    add_details(body, "promptTokensDetails", "TEXT", usage->prompt);
    add_details(body, usage->vertex ? "candidatesTokensDetails" : "responseTokensDetails",
                usage->modality, usage->response);
    if (usage->vertex)
        cJSON_AddStringToObject(body, "trafficType", "ON_DEMAND");
}

static void add_escaped(struct bytes *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '&')
            bytes_text(out, "&amp;");
        else if (*text == '<')
            bytes_text(out, "&lt;");
        else if (*text == '>')
            bytes_text(out, "&gt;");
        else if (*text == '"')
            bytes_text(out, "&quot;");
        else
            bytes_add(out, text, 1);
    }
}

static void add_query(struct bytes *out, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || strchr("-._~", *c);
        if (plain)
            bytes_add(out, c, 1);
        else
            bytes_printf(out, "%%%02X", *c);
    }
}

static void add_chip(cJSON *grounding, const char *query)
{
    struct bytes html = {0};
    bytes_text(&html, "<style>.container{display:flex;gap:8px}.chip{border:1px solid;border-radius:"
                      "16px;padding:4px 12px;text-decoration:none}</style><div class=\"container\">"
                      "<a class=\"chip\" href=\"https://www.google.com/search?q=");
    add_query(&html, query);
    bytes_text(&html, "\">");
    add_escaped(&html, query);
    bytes_text(&html, "</a></div>");
    cJSON_AddStringToObject(add_object(grounding, "searchEntryPoint"), "renderedContent",
                            bytes_str(&html));
    bytes_free(&html);
}

cJSON *message_grounding(const char *query, const char *segment)
{
    cJSON *content, *message = server_content(&content);
    cJSON *grounding = add_object(content, "groundingMetadata");
    add_chip(grounding, query);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(grounding, "webSearchQueries"),
                         cJSON_CreateString(query));
    cJSON *chunk = cJSON_CreateObject(), *web = add_object(chunk, "web");
    cJSON_AddStringToObject(web, "uri", "https://example.com/a");
    cJSON_AddStringToObject(web, "title", "example.com");
    cJSON_AddItemToArray(cJSON_AddArrayToObject(grounding, "groundingChunks"), chunk);
    cJSON *support = cJSON_CreateObject(), *part = add_object(support, "segment");
    cJSON_AddNumberToObject(part, "endIndex", (double)strlen(segment));
    cJSON_AddStringToObject(part, "text", segment);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(support, "groundingChunkIndices"),
                         cJSON_CreateNumber(0));
    cJSON_AddItemToArray(cJSON_AddArrayToObject(grounding, "groundingSupports"), support);
    return message;
}

cJSON *message_tool_call(void)
{
    cJSON *message = one_object("toolCall");
    cJSON_AddArrayToObject(message->child, "functionCalls");
    return message;
}

void message_add_call(cJSON *message, const char *id, const char *name, const cJSON *args)
{
    cJSON *call = cJSON_CreateObject();
    cJSON_AddStringToObject(call, "id", id);
    cJSON_AddStringToObject(call, "name", name);
    if (args)
        cJSON_AddItemToObject(call, "args", cJSON_Duplicate(args, 1));
    cJSON_AddItemToArray(message->child->child, call);
}

cJSON *message_cancellation(const char *const *ids, size_t count)
{
    cJSON *message = one_object("toolCallCancellation");
    cJSON *list = cJSON_AddArrayToObject(message->child, "ids");
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(ids[i]));
    return message;
}

cJSON *message_go_away(const char *seconds)
{
    cJSON *message = one_object("goAway");
    struct bytes text = {0};
    bytes_printf(&text, "%ss", seconds);
    cJSON_AddStringToObject(message->child, "timeLeft", bytes_str(&text));
    bytes_free(&text);
    return message;
}

cJSON *message_handle(const char *handle, const char *consumed)
{
    cJSON *message = one_object("sessionResumptionUpdate");
    if (handle) {
        cJSON_AddStringToObject(message->child, "newHandle", handle);
        cJSON_AddTrueToObject(message->child, "resumable");
    }
    if (handle && consumed)
        cJSON_AddStringToObject(message->child, "lastConsumedClientMessageIndex", consumed);
    return message;
}

cJSON *message_voice_activity(const char *type)
{
    cJSON *message = one_object("voiceActivity");
    cJSON_AddStringToObject(message->child, "type", type);
    return message;
}

cJSON *message_vad_signal(const char *type)
{
    cJSON *message = one_object("voiceActivityDetectionSignal");
    cJSON_AddStringToObject(message->child, "vadSignalType", type);
    return message;
}

void message_merge(cJSON *into, cJSON *from)
{
    for (cJSON *item = from->child, *next; item; item = next) {
        next = item->next;
        cJSON *have = cJSON_GetObjectItemCaseSensitive(into, item->string);
        cJSON_DetachItemViaPointer(from, item);
        if (!have) {
            cJSON_AddItemToObject(into, item->string, item);
            continue;
        }
        for (cJSON *field = item->child, *after; field; field = after) {
            after = field->next;
            cJSON_DetachItemViaPointer(item, field);
            cJSON_AddItemToObject(have, field->string, field);
        }
        cJSON_Delete(item);
    }
    cJSON_Delete(from);
}
