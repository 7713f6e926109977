#include "shape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STRING(n)                                                                                  \
    {                                                                                              \
        n, SHAPE_STRING, false, SHAPE_BOTH, NULL                                                   \
    }
#define STRINGS(n)                                                                                 \
    {                                                                                              \
        n, SHAPE_STRING, true, SHAPE_BOTH, NULL                                                    \
    }
#define BOOL(n)                                                                                    \
    {                                                                                              \
        n, SHAPE_BOOL, false, SHAPE_BOTH, NULL                                                     \
    }
#define NUMBER(n)                                                                                  \
    {                                                                                              \
        n, SHAPE_NUMBER, false, SHAPE_BOTH, NULL                                                   \
    }
#define INT32(n)                                                                                   \
    {                                                                                              \
        n, SHAPE_INT32, false, SHAPE_BOTH, NULL                                                    \
    }
#define BYTES(n)                                                                                   \
    {                                                                                              \
        n, SHAPE_BYTES, false, SHAPE_BOTH, NULL                                                    \
    }
#define ANY(n)                                                                                     \
    {                                                                                              \
        n, SHAPE_ANY, false, SHAPE_BOTH, NULL                                                      \
    }
#define OBJECT(n, f)                                                                               \
    {                                                                                              \
        n, SHAPE_OBJECT, false, SHAPE_BOTH, f                                                      \
    }
#define OBJECTS(n, f)                                                                              \
    {                                                                                              \
        n, SHAPE_OBJECT, true, SHAPE_BOTH, f                                                       \
    }
#define END                                                                                        \
    {                                                                                              \
        NULL, SHAPE_ANY, false, SHAPE_BOTH, NULL                                                   \
    }

static const struct shape_field blob[] = {BYTES("data"), STRING("mimeType"), STRING("displayName"),
                                          END};
static const struct shape_field file_data[] = {STRING("fileUri"), STRING("mimeType"),
                                               STRING("displayName"), END};
static const struct shape_field function_call[] = {
    STRING("id"), STRING("name"), ANY("args"), ANY("partialArgs"), BOOL("willContinue"), END};
static const struct shape_field response_part[] = {OBJECT("inlineData", blob),
                                                   OBJECT("fileData", file_data), END};
static const struct shape_field function_response[] = {STRING("id"),
                                                       STRING("name"),
                                                       ANY("response"),
                                                       STRING("scheduling"),
                                                       BOOL("willContinue"),
                                                       OBJECTS("parts", response_part),
                                                       END};
static const struct shape_field executable_code[] = {STRING("id"), STRING("language"),
                                                     STRING("code"), END};
static const struct shape_field code_result[] = {STRING("id"), STRING("outcome"), STRING("output"),
                                                 END};
static const struct shape_field part[] = {STRING("text"),
                                          BOOL("thought"),
                                          BYTES("thoughtSignature"),
                                          OBJECT("inlineData", blob),
                                          OBJECT("fileData", file_data),
                                          OBJECT("functionCall", function_call),
                                          OBJECT("functionResponse", function_response),
                                          OBJECT("executableCode", executable_code),
                                          OBJECT("codeExecutionResult", code_result),
                                          ANY("videoMetadata"),
                                          ANY("mediaResolution"),
                                          END};
static const struct shape_field content[] = {OBJECTS("parts", part), STRING("role"), END};

static const struct shape_field prebuilt_voice[] = {STRING("voiceName"), END};
static const struct shape_field voice[] = {OBJECT("prebuiltVoiceConfig", prebuilt_voice),
                                           ANY("replicatedVoiceConfig"), END};
static const struct shape_field speech[] = {OBJECT("voiceConfig", voice), STRING("languageCode"),
                                            ANY("multiSpeakerVoiceConfig"), END};
static const struct shape_field thinking[] = {BOOL("includeThoughts"), INT32("thinkingBudget"),
                                              STRING("thinkingLevel"), END};
static const struct shape_field translation[] = {STRING("targetLanguageCode"),
                                                 BOOL("echoTargetLanguage"), END};
static const struct shape_field generation[] = {STRINGS("responseModalities"),
                                                NUMBER("temperature"),
                                                NUMBER("topP"),
                                                NUMBER("topK"),
                                                INT32("maxOutputTokens"),
                                                INT32("candidateCount"),
                                                INT32("seed"),
                                                NUMBER("presencePenalty"),
                                                NUMBER("frequencyPenalty"),
                                                OBJECT("speechConfig", speech),
                                                STRING("mediaResolution"),
                                                OBJECT("thinkingConfig", thinking),
                                                BOOL("enableAffectiveDialog"),
                                                OBJECT("translationConfig", translation),
                                                END};

/* Properties of a schema are a map of the user's names, so they stay unchecked. */
static const struct shape_field schema[] = {STRING("type"),
                                            STRING("format"),
                                            STRING("title"),
                                            STRING("description"),
                                            BOOL("nullable"),
                                            ANY("enum"),
                                            ANY("items"),
                                            ANY("properties"),
                                            ANY("required"),
                                            ANY("minItems"),
                                            ANY("maxItems"),
                                            ANY("minimum"),
                                            ANY("maximum"),
                                            ANY("minLength"),
                                            ANY("maxLength"),
                                            ANY("pattern"),
                                            ANY("anyOf"),
                                            ANY("default"),
                                            ANY("example"),
                                            ANY("propertyOrdering"),
                                            ANY("minProperties"),
                                            ANY("maxProperties"),
                                            ANY("additionalProperties"),
                                            ANY("defs"),
                                            ANY("ref"),
                                            END};
static const struct shape_field declaration[] = {STRING("name"),
                                                 STRING("description"),
                                                 OBJECT("parameters", schema),
                                                 ANY("parametersJsonSchema"),
                                                 OBJECT("response", schema),
                                                 ANY("responseJsonSchema"),
                                                 STRING("behavior"),
                                                 END};
static const struct shape_field tool[] = {
    OBJECTS("functionDeclarations", declaration),
    ANY("googleSearch"),
    ANY("codeExecution"),
    ANY("urlContext"),
    ANY("googleMaps"),
    ANY("fileSearch"),
    ANY("mcpServers"),
    ANY("googleSearchRetrieval"),
    ANY("computerUse"),
    {"retrieval", SHAPE_ANY, false, SHAPE_VERTEX, NULL},
    {"enterpriseWebSearch", SHAPE_ANY, false, SHAPE_VERTEX, NULL},
    {"parallelAiSearch", SHAPE_ANY, false, SHAPE_VERTEX, NULL},
    {"exaAiSearch", SHAPE_ANY, false, SHAPE_VERTEX, NULL},
    END};

static const struct shape_field detection[] = {
    BOOL("disabled"),          STRING("startOfSpeechSensitivity"), STRING("endOfSpeechSensitivity"),
    INT32("prefixPaddingMs"), INT32("silenceDurationMs"),        END};
static const struct shape_field realtime_config[] = {
    OBJECT("automaticActivityDetection", detection), STRING("activityHandling"),
    STRING("turnCoverage"), BOOL("interimTranscriptTimestampEnabled"), END};
static const struct shape_field resumption[] = {
    STRING("handle"), {"transparent", SHAPE_BOOL, false, SHAPE_VERTEX, NULL}, END};
static const struct shape_field window[] = {NUMBER("targetTokens"), END};
static const struct shape_field compression[] = {NUMBER("triggerTokens"),
                                                 OBJECT("slidingWindow", window), END};
static const struct shape_field transcription[] = {
    STRINGS("languageCodes"), STRINGS("customVocabulary"),
    ANY("wordTimestamp"),     ANY("diarization"),
    STRING("mode"),           ANY("sourceText"),
    ANY("languageAuto"),      ANY("languageHints"),
    ANY("adaptationPhrases"), END};
static const struct shape_field proactivity[] = {BOOL("proactiveAudio"), BOOL("proactiveVideo"),
                                                 END};
static const struct shape_field history[] = {BOOL("initialHistoryInClientContent"), END};
static const struct shape_field safety[] = {STRING("category"),
                                            STRING("threshold"),
                                            {"method", SHAPE_STRING, false, SHAPE_VERTEX, NULL},
                                            END};
static const struct shape_field setup[] = {
    STRING("model"),
    OBJECT("generationConfig", generation),
    OBJECT("systemInstruction", content),
    OBJECTS("tools", tool),
    OBJECT("realtimeInputConfig", realtime_config),
    OBJECT("sessionResumption", resumption),
    OBJECT("contextWindowCompression", compression),
    OBJECT("inputAudioTranscription", transcription),
    OBJECT("outputAudioTranscription", transcription),
    OBJECT("proactivity", proactivity),
    OBJECT("historyConfig", history),
    OBJECTS("safetySettings", safety),
    {"explicitVadSignal", SHAPE_BOOL, false, SHAPE_VERTEX, NULL},
    ANY("avatarConfig"),
    ANY("labels"),
    END};

static const struct shape_field client_content[] = {OBJECTS("turns", content), BOOL("turnComplete"),
                                                    END};
static const struct shape_field realtime_input[] = {OBJECT("audio", blob),
                                                    OBJECT("video", blob),
                                                    STRING("text"),
                                                    ANY("activityStart"),
                                                    ANY("activityEnd"),
                                                    BOOL("audioStreamEnd"),
                                                    OBJECTS("mediaChunks", blob),
                                                    END};
static const struct shape_field tool_response[] = {OBJECTS("functionResponses", function_response),
                                                   END};
static const struct shape_field tools_update[] = {OBJECTS("tools", tool), END};
static const struct shape_field context_update[] = {OBJECT("systemInstruction", content),
                                                    OBJECT("tools", tools_update), END};

const struct shape_field shape_client_message[] = {OBJECT("setup", setup),
                                                   OBJECT("clientContent", client_content),
                                                   OBJECT("realtimeInput", realtime_input),
                                                   OBJECT("toolResponse", tool_response),
                                                   OBJECT("contextUpdate", context_update),
                                                   END};

/* Where we are, as the server names it: 'setup.generation_config.top_k'. */
struct place {
    const struct place *up;
    const char *name;
    int index; /* -1: not in a list */
};

static void write_place(struct bytes *out, const struct place *place)
{
    if (!place)
        return;
    write_place(out, place->up);
    if (place->up)
        bytes_add(out, ".", 1);
    for (const char *c = place->name; *c; c++) {
        char low = (char)(*c | 0x20);
        if (*c >= 'A' && *c <= 'Z')
            bytes_printf(out, "_%c", low);
        else
            bytes_add(out, c, 1);
    }
    if (place->index >= 0)
        bytes_printf(out, "[%d]", place->index);
}

static bool unknown_name(struct bytes *reason, const char *name, const struct place *place)
{
    bytes_printf(reason, "Invalid JSON payload received. Unknown name \"%s\"", name);
    if (place) {
        bytes_text(reason, " at '");
        write_place(reason, place);
        bytes_text(reason, "'");
    }
    bytes_text(reason, ": Cannot find field.");
    return false;
}

static bool wrong_value(struct bytes *reason, const char *type, const struct place *place,
                        const cJSON *value)
{
    bytes_text(reason, "Invalid value at '");
    write_place(reason, place);
    bytes_printf(reason, "' (%s), ", type);
    json_write(reason, value, (struct json_style){.compact = true});
    return false;
}

static void to_camel(const char *name, char *out, size_t size)
{
    size_t len = 0;
    for (const char *c = name; *c && len + 1 < size; c++) {
        if (*c == '_' && c[1] >= 'a' && c[1] <= 'z' && c != name)
            out[len++] = (char)(*++c & ~0x20);
        else
            out[len++] = *c;
    }
    out[len] = 0;
}

static const struct shape_field *find(const struct shape_field *fields, const char *name,
                                      bool vertex)
{
    for (; fields->name; fields++)
        if (!strcmp(fields->name, name))
            return fields->backend == SHAPE_VERTEX && !vertex ? NULL : fields;
    return NULL;
}

static bool is_whole(const char *text)
{
    size_t digits = strspn(text + (*text == '-'), "0123456789");
    return digits > 0 && !text[digits + (*text == '-')];
}

static bool is_number(const cJSON *value)
{
    return cJSON_IsNumber(value) || (cJSON_IsString(value) && is_whole(value->valuestring));
}

static bool is_int32(const cJSON *value)
{
    if (!is_number(value))
        return false;
    double number =
        cJSON_IsNumber(value) ? value->valuedouble : strtod(value->valuestring, NULL);
    return number >= INT32_MIN && number <= INT32_MAX && number == floor(number);
}

static bool check_object(cJSON *object, const struct shape_field *fields, bool vertex,
                         const struct place *place, struct bytes *reason);

static bool check_value(cJSON *value, const struct shape_field *field, bool vertex,
                        const struct place *place, struct bytes *reason)
{
    struct bytes decoded = {0};
    bool good;
    switch (field->kind) {
    case SHAPE_STRING: /* an enum may also be given by its number */
        return cJSON_IsString(value) || cJSON_IsNumber(value) ||
               wrong_value(reason, "TYPE_STRING", place, value);
    case SHAPE_BOOL:
        return cJSON_IsBool(value) || wrong_value(reason, "TYPE_BOOL", place, value);
    case SHAPE_NUMBER:
        return is_number(value) || wrong_value(reason, "TYPE_INT64", place, value);
    case SHAPE_INT32:
        return is_int32(value) || wrong_value(reason, "TYPE_INT32", place, value);
    case SHAPE_BYTES:
        good = cJSON_IsString(value) &&
               bytes_unbase64(&decoded, value->valuestring, strlen(value->valuestring));
        bytes_free(&decoded);
        return good || wrong_value(reason, "TYPE_BYTES", place, value);
    case SHAPE_OBJECT:
        return check_object(value, field->of, vertex, place, reason);
    case SHAPE_ANY:
        break;
    }
    return true;
}

static bool check_field(cJSON *value, const struct shape_field *field, bool vertex,
                        const struct place *up, struct bytes *reason)
{
    struct place place = {up, field->name, -1};
    if (!field->list)
        return check_value(value, field, vertex, &place, reason);
    if (!cJSON_IsArray(value)) { /* proto JSON takes a lone element for a list of one */
        place.index = 0;
        return check_value(value, field, vertex, &place, reason);
    }
    cJSON *item;
    cJSON_ArrayForEach (item, value) {
        place.index++;
        if (!check_value(item, field, vertex, &place, reason))
            return false;
    }
    return true;
}

static void rename_key(cJSON *item, const char *name)
{
    size_t size = strlen(name) + 1;
    char *copy = cJSON_malloc(size);
    if (!copy)
        return;
    memcpy(copy, name, size);
    cJSON_free(item->string);
    item->string = copy;
}

static bool check_object(cJSON *object, const struct shape_field *fields, bool vertex,
                         const struct place *place, struct bytes *reason)
{
    char camel[128];
    if (!cJSON_IsObject(object))
        return wrong_value(reason, "TYPE_MESSAGE", place, object);
    for (cJSON *item = object->child, *next; item; item = next) {
        next = item->next;
        to_camel(item->string, camel, sizeof camel);
        const struct shape_field *field = find(fields, camel, vertex);
        if (!field)
            return unknown_name(reason, item->string, place);
        if (cJSON_IsNull(item)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(object, item));
            continue;
        }
        if (strcmp(item->string, field->name) != 0)
            rename_key(item, field->name);
        if (!check_field(item, field, vertex, place, reason))
            return false;
        if (field->list && !cJSON_IsArray(item)) {
            cJSON *list = cJSON_CreateArray();
            cJSON *copy = cJSON_Duplicate(item, 1);
            cJSON_AddItemToArray(list, copy);
            cJSON_ReplaceItemInObjectCaseSensitive(object, field->name, list);
        }
    }
    return true;
}

bool shape_normalise(cJSON *message, const struct shape_field *fields, bool vertex,
                     struct bytes *reason)
{
    if (!cJSON_IsObject(message)) {
        bytes_text(reason, "Invalid JSON payload received. Unexpected token.");
        return false;
    }
    return check_object(message, fields, vertex, NULL, reason);
}
