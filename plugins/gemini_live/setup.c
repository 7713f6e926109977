#include "setup.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openapi.h"

struct builder {
    const cJSON *run, *live, *profile;
    cJSON *setup, *generation; /* generation is inside setup */
    char *why;
    size_t why_size;
    bool bad;
};

static const cJSON *get(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const char *get_string(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(get(object, name));
    return text && *text ? text : NULL;
}

static void refuse(struct builder *b, const char *setting, const char *expected)
{
    if (!b->bad)
        snprintf(b->why, b->why_size, "live.%s: expected %s", setting, expected);
    b->bad = true;
}

/* The object `name` of parent, made if it is not there. */
static cJSON *child(cJSON *parent, const char *name)
{
    cJSON *object = cJSON_GetObjectItemCaseSensitive(parent, name);
    return object ? object : cJSON_AddObjectToObject(parent, name);
}

static void put(cJSON *parent, const char *name, cJSON *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(parent, name);
    if (!cJSON_AddItemToObject(parent, name, value))
        cJSON_Delete(value);
}

/* "low" with prefix "START_SENSITIVITY_" -> the enum's name; a full name stays as it is. */
static void put_enum(cJSON *parent, const char *name, const char *prefix, const char *value)
{
    char full[96];
    size_t n = strlen(prefix);
    bool whole = strncmp(value, prefix, n) == 0;
    snprintf(full, sizeof full, "%s%s", whole ? "" : prefix, value);
    for (char *p = full; *p; p++)
        *p = *p == '-' || *p == ' ' ? '_' : (char)toupper((unsigned char)*p);
    put(parent, name, cJSON_CreateString(full));
}

/* ---- generationConfig --------------------------------------------------------------------------
 */

static void generation_config(struct builder *b)
{
    static const char *const kept[] = {"temperature",
                                       "topP",
                                       "topK",
                                       "maxOutputTokens",
                                       "candidateCount",
                                       "seed",
                                       "presencePenalty",
                                       "frequencyPenalty",
                                       "mediaResolution",
                                       "speechConfig",
                                       "thinkingConfig",
                                       "enableAffectiveDialog",
                                       "translationConfig"};
    const cJSON *given = get(b->run, "generation");
    const char *modality = get_string(b->run, "modality");
    cJSON *list = cJSON_AddArrayToObject(b->generation, "responseModalities");
    cJSON_AddItemToArray(list, cJSON_CreateString(modality ? modality : "AUDIO"));
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (get(given, kept[i]))
            put(b->generation, kept[i], cJSON_Duplicate(get(given, kept[i]), true));
}

static void speech(struct builder *b)
{
    const cJSON *voice = get(b->live, "voice"), *language = get(b->live, "language");
    if (cJSON_IsString(voice) && *voice->valuestring) {
        cJSON *config = child(child(b->generation, "speechConfig"), "voiceConfig");
        put(child(config, "prebuiltVoiceConfig"), "voiceName",
            cJSON_CreateString(voice->valuestring));
    } else if (cJSON_IsObject(voice)) { /* voiceConfig as the service has it */
        put(child(b->generation, "speechConfig"), "voiceConfig", cJSON_Duplicate(voice, true));
    } else if (voice && !cJSON_IsNull(voice) && !cJSON_IsString(voice)) {
        refuse(b, "voice", "the name of a voice");
    }
    if (cJSON_IsString(language) && *language->valuestring)
        put(child(b->generation, "speechConfig"), "languageCode",
            cJSON_CreateString(language->valuestring));
    else if (language && !cJSON_IsNull(language) && !cJSON_IsString(language))
        refuse(b, "language", "a language tag such as \"en-US\"");
}

static void thinking(struct builder *b)
{
    const cJSON *given = get(b->live, "thinking");
    cJSON *config;
    if (!given || cJSON_IsNull(given))
        return;
    config = child(b->generation, "thinkingConfig");
    if (cJSON_IsNumber(given)) {
        put(config, "thinkingBudget", cJSON_Duplicate(given, false));
    } else if (cJSON_IsString(given)) {
        put_enum(config, "thinkingLevel", "", given->valuestring);
    } else if (cJSON_IsFalse(given)) {
        put(config, "thinkingBudget", cJSON_CreateNumber(0));
    } else if (cJSON_IsObject(given)) {
        if (get_string(given, "level"))
            put_enum(config, "thinkingLevel", "", get_string(given, "level"));
        if (cJSON_IsNumber(get(given, "budget")))
            put(config, "thinkingBudget", cJSON_Duplicate(get(given, "budget"), false));
        if (cJSON_IsBool(get(given, "include")))
            put(config, "includeThoughts", cJSON_Duplicate(get(given, "include"), false));
    } else if (!cJSON_IsTrue(given)) {
        refuse(b, "thinking", "a budget, a level, or an object of both");
    }
}

/* ---- the rest of setup -------------------------------------------------------------------------
 */

static void system_instruction(struct builder *b)
{
    const char *text = get_string(b->run, "instruction");
    if (!text)
        return;
    cJSON *content = cJSON_AddObjectToObject(b->setup, "systemInstruction");
    cJSON *parts = cJSON_AddArrayToObject(content, "parts");
    cJSON *part = cJSON_CreateObject();
    cJSON_AddStringToObject(part, "text", text);
    cJSON_AddItemToArray(parts, part);
    cJSON_AddStringToObject(content, "role", "system");
}

static cJSON *function_declaration(struct builder *b, const cJSON *function)
{
    cJSON *out = cJSON_CreateObject();
    const cJSON *parameters = get(function, "parameters");
    const char *behavior = get_string(b->profile, "behavior");
    cJSON_AddStringToObject(out, "name", get_string(function, "name"));
    if (get_string(function, "description"))
        cJSON_AddStringToObject(out, "description", get_string(function, "description"));
    if (openapi_has_properties(parameters))
        cJSON_AddItemToObject(out, "parameters", openapi_from(parameters));
    if (behavior)
        cJSON_AddStringToObject(out, "behavior", behavior);
    return out;
}

static void tools(struct builder *b)
{
    const cJSON *native = get(b->run, "native"), *functions = get(b->run, "functions"), *one;
    cJSON *list = cJSON_CreateArray(), *declarations = NULL;
    cJSON_ArrayForEach (one, native) {
        if (cJSON_IsObject(one))
            cJSON_AddItemToArray(list, cJSON_Duplicate(one, true));
    }
    cJSON_ArrayForEach (one, functions) {
        if (!get_string(one, "name"))
            continue;
        if (!declarations) {
            cJSON *entry = cJSON_CreateObject();
            cJSON_AddItemToArray(list, entry);
            declarations = cJSON_AddArrayToObject(entry, "functionDeclarations");
        }
        cJSON_AddItemToArray(declarations, function_declaration(b, one));
    }
    if (cJSON_GetArraySize(list) > 0)
        put(b->setup, "tools", list);
    else
        cJSON_Delete(list);
}

static void resumption(struct builder *b)
{
    const cJSON *given = get(b->run, "resumption");
    if (!cJSON_IsTrue(get(given, "enabled")))
        return;
    cJSON *out = cJSON_AddObjectToObject(b->setup, "sessionResumption");
    if (get_string(given, "handle"))
        cJSON_AddStringToObject(out, "handle", get_string(given, "handle"));
    if (cJSON_IsTrue(get(b->profile, "transparent_resumption")))
        cJSON_AddTrueToObject(out, "transparent");
}

static cJSON *detection(struct builder *b)
{
    return child(child(b->setup, "realtimeInputConfig"), "automaticActivityDetection");
}

static void vad(struct builder *b)
{
    static const char *const names[][3] = {
        /* ours, the service's, prefix of its values */
        {"start_sensitivity", "startOfSpeechSensitivity", "START_SENSITIVITY_"},
        {"end_sensitivity", "endOfSpeechSensitivity", "END_SENSITIVITY_"},
        {"prefix_padding_ms", "prefixPaddingMs", NULL},
        {"silence_duration_ms", "silenceDurationMs", NULL},
    };
    const cJSON *given = get(b->live, "vad");
    if (!given || cJSON_IsNull(given))
        return;
    if (!cJSON_IsObject(given)) {
        refuse(b, "vad", "an object");
        return;
    }
    if (cJSON_IsTrue(get(given, "disabled")))
        put(detection(b), "disabled", cJSON_CreateTrue());
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const cJSON *value = get(given, names[i][0]);
        if (cJSON_IsString(value) && names[i][2])
            put_enum(detection(b), names[i][1], names[i][2], value->valuestring);
        else if (cJSON_IsNumber(value) && !names[i][2])
            put(detection(b), names[i][1], cJSON_Duplicate(value, false));
        else if (value && !cJSON_IsNull(value))
            refuse(b, "vad", names[i][2] ? "sensitivities \"low\" or \"high\"" : "milliseconds");
    }
}

/* Who may interrupt whom, and what of the input counts. */
static void activity(struct builder *b)
{
    const char *handling = get_string(b->live, "activity_handling");
    const char *coverage = get_string(b->live, "turn_coverage");
    if (handling && strcmp(handling, "interrupt") == 0)
        handling = "START_OF_ACTIVITY_INTERRUPTS";
    if (handling)
        put_enum(child(b->setup, "realtimeInputConfig"), "activityHandling", "", handling);
    if (coverage)
        put_enum(child(b->setup, "realtimeInputConfig"), "turnCoverage", "TURN_INCLUDES_",
                 coverage);
}

/* int64 of proto JSON: a string of digits. */
static void put_int64(cJSON *parent, const char *name, const cJSON *value)
{
    char digits[32];
    if (!cJSON_IsNumber(value) || value->valuedouble < 0 || value->valuedouble > 1e15)
        return;
    snprintf(digits, sizeof digits, "%.0f", value->valuedouble);
    put(parent, name, cJSON_CreateString(digits));
}

static void compression(struct builder *b)
{
    const cJSON *given = get(b->live, "compression");
    if (cJSON_IsTrue(given) || cJSON_IsObject(given)) {
        cJSON *config = child(b->setup, "contextWindowCompression");
        put_int64(config, "triggerTokens", get(given, "trigger_tokens"));
        put_int64(child(config, "slidingWindow"), "targetTokens", get(given, "target_tokens"));
    } else if (given && !cJSON_IsFalse(given) && !cJSON_IsNull(given)) {
        refuse(b, "compression", "true, or an object with trigger_tokens and target_tokens");
    }
}

static void extras(struct builder *b)
{
    const cJSON *generation = get(b->run, "generation");
    if (cJSON_IsTrue(get(b->run, "input_transcription")))
        cJSON_AddObjectToObject(b->setup, "inputAudioTranscription");
    if (cJSON_IsTrue(get(b->run, "output_transcription")))
        cJSON_AddObjectToObject(b->setup, "outputAudioTranscription");
    if (setup_initial_history(b->run))
        cJSON_AddTrueToObject(cJSON_AddObjectToObject(b->setup, "historyConfig"),
                              "initialHistoryInClientContent");
    if (cJSON_IsBool(get(b->live, "proactive_audio")))
        put(child(b->setup, "proactivity"), "proactiveAudio",
            cJSON_Duplicate(get(b->live, "proactive_audio"), false));
    if (cJSON_IsBool(get(b->live, "affective_dialog")))
        put(b->generation, "enableAffectiveDialog",
            cJSON_Duplicate(get(b->live, "affective_dialog"), false));
    if (get_string(b->live, "media_resolution"))
        put_enum(b->generation, "mediaResolution", "MEDIA_RESOLUTION_",
                 get_string(b->live, "media_resolution"));
    if (cJSON_IsArray(get(generation, "safetySettings")))
        put(b->setup, "safetySettings", cJSON_Duplicate(get(generation, "safetySettings"), true));
    if (cJSON_IsObject(get(generation, "labels")))
        put(b->setup, "labels", cJSON_Duplicate(get(generation, "labels"), true));
}

/* "voiceName" and "voice_name": the service takes either, but not both. */
static bool same_name(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += *a == '_';
        b += *b == '_';
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (*a == '\0')
            return true;
    }
}

static cJSON *find_member(const cJSON *object, const char *name)
{
    cJSON *member = object ? object->child : NULL;
    while (member && !same_name(member->string, name))
        member = member->next;
    return member;
}

/* Objects member by member, anything else replaced. */
static void merge(cJSON *into, const cJSON *from, unsigned depth)
{
    const cJSON *member;
    cJSON_ArrayForEach (member, from) {
        cJSON *have = find_member(into, member->string);
        if (cJSON_IsObject(have) && cJSON_IsObject(member) && depth > 0)
            merge(have, member, depth - 1);
        else {
            have = have ? cJSON_DetachItemViaPointer(into, have) : NULL;
            put(into, have ? have->string : member->string, cJSON_Duplicate(member, true));
            cJSON_Delete(have);
        }
    }
}

/* `live.setup` comes last and may say anything but another model. */
static void free_form(struct builder *b)
{
    const cJSON *given = get(b->live, "setup");
    if (!given || cJSON_IsNull(given))
        return;
    if (!cJSON_IsObject(given)) {
        refuse(b, "setup", "an object");
        return;
    }
    cJSON *copy = cJSON_Duplicate(given, true);
    cJSON_Delete(cJSON_DetachItemViaPointer(copy, find_member(copy, "model")));
    merge(b->setup, copy, 16);
    cJSON_Delete(copy);
}

/* Removes "a.b.c" in either spelling; an object left empty on the way goes too. */
static void forbid(cJSON *object, const char *path)
{
    char name[64];
    size_t n = strcspn(path, ".");
    if (n >= sizeof name)
        return;
    memcpy(name, path, n);
    name[n] = '\0';
    cJSON *member = find_member(object, name);
    bool gone = member && path[n] == '\0';
    if (cJSON_IsObject(member) && member->child && path[n]) {
        forbid(member, path + n + 1);
        gone = !member->child;
    }
    if (gone)
        cJSON_Delete(cJSON_DetachItemViaPointer(object, member));
}

bool setup_initial_history(const cJSON *run)
{
    const char *mode = get_string(get(run, "profile"), "history");
    const char *wish = get_string(get(run, "live"), "history");
    const cJSON *history = get(run, "history");
    return mode && strcmp(mode, "initial") == 0 && cJSON_IsArray(history) && history->child &&
           !(wish && strcmp(wish, "none") == 0) && !get_string(get(run, "resumption"), "handle");
}

static enum antiphon_status print(struct builder *b, char **message)
{
    cJSON *envelope = cJSON_CreateObject();
    char *text = NULL;
    /* A reference, so that the builder still owns its tree. */
    if (envelope && cJSON_AddItemReferenceToObject(envelope, "setup", b->setup))
        text = cJSON_PrintUnformatted(envelope);
    cJSON_Delete(envelope);
    if (!text) {
        snprintf(b->why, b->why_size, "out of memory");
        return ANTIPHON_ENOMEM;
    }
    *message = text;
    return ANTIPHON_OK;
}

enum antiphon_status setup_message(const cJSON *run, const char *resource, char **message,
                                   char *why, size_t why_size)
{
    struct builder b = {.run = run, .why = why, .why_size = why_size};
    enum antiphon_status status = ANTIPHON_EINVAL;
    const cJSON *path;
    b.live = get(run, "live");
    b.profile = get(run, "profile");
    b.setup = cJSON_CreateObject();
    cJSON_AddStringToObject(b.setup, "model", resource);
    b.generation = cJSON_AddObjectToObject(b.setup, "generationConfig");
    if (!b.generation) {
        snprintf(why, why_size, "out of memory");
        cJSON_Delete(b.setup);
        return ANTIPHON_ENOMEM;
    }
    generation_config(&b);
    speech(&b);
    thinking(&b);
    system_instruction(&b);
    tools(&b);
    resumption(&b);
    extras(&b);
    vad(&b);
    activity(&b);
    compression(&b);
    free_form(&b);
    cJSON_ArrayForEach (path, get(b.profile, "forbid")) {
        if (cJSON_IsString(path))
            forbid(b.setup, path->valuestring);
    }
    if (!b.bad)
        status = print(&b, message);
    cJSON_Delete(b.setup);
    return status;
}
