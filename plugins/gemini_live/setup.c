#include "setup.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openapi.h"
#include "tree.h"

struct builder {
    const cJSON *run, *live, *profile;
    cJSON *setup, *generation; /* generation is inside setup */
    char *why;
    size_t why_size;
    bool bad;    /* a setting is of the wrong kind; why says which */
    bool failed; /* out of memory */
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

/* "low" with prefix "START_SENSITIVITY_" -> the enum's name; a full name stays as it is. */
static void put_enum(struct builder *b, cJSON *parent, const char *name, const char *prefix,
                     const char *value)
{
    char full[96];
    size_t n = strlen(prefix);
    bool whole = strncmp(value, prefix, n) == 0;
    if (snprintf(full, sizeof full, "%s%s", whole ? "" : prefix, value) >= (int)sizeof full)
        full[0] = '\0';
    for (char *p = full; *p; p++) {
        *p = *p == '-' || *p == ' ' ? '_' : (char)toupper((unsigned char)*p);
        if (!isalnum((unsigned char)*p) && *p != '_')
            full[0] = '\0';
    }
    if (full[0])
        tree_put_string(&b->failed, parent, name, full);
    else
        refuse(b, name, "one word");
}

/* ---- generationConfig ------------------------------------------------------------------------ */

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
    cJSON *list = tree_put(&b->failed, b->generation, "responseModalities", cJSON_CreateArray());
    tree_append(&b->failed, list, cJSON_CreateString(modality ? modality : "AUDIO"));
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (get(given, kept[i]))
            tree_put(&b->failed, b->generation, kept[i],
                     cJSON_Duplicate(get(given, kept[i]), true));
}

static void speech(struct builder *b)
{
    const cJSON *voice = get(b->live, "voice"), *language = get(b->live, "language");
    if (cJSON_IsString(voice) && *voice->valuestring) {
        cJSON *config = tree_child(
            &b->failed, tree_child(&b->failed, b->generation, "speechConfig"), "voiceConfig");
        tree_put(&b->failed, tree_child(&b->failed, config, "prebuiltVoiceConfig"), "voiceName",
                 cJSON_CreateString(voice->valuestring));
    } else if (cJSON_IsObject(voice)) { /* voiceConfig as the service has it */
        tree_put(&b->failed, tree_child(&b->failed, b->generation, "speechConfig"), "voiceConfig",
                 cJSON_Duplicate(voice, true));
    } else if (voice && !cJSON_IsNull(voice) && !cJSON_IsString(voice)) {
        refuse(b, "voice", "the name of a voice");
    }
    if (cJSON_IsString(language) && *language->valuestring)
        tree_put(&b->failed, tree_child(&b->failed, b->generation, "speechConfig"), "languageCode",
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
    config = tree_child(&b->failed, b->generation, "thinkingConfig");
    if (cJSON_IsNumber(given)) {
        tree_put(&b->failed, config, "thinkingBudget", cJSON_Duplicate(given, false));
    } else if (cJSON_IsString(given)) {
        put_enum(b, config, "thinkingLevel", "", given->valuestring);
    } else if (cJSON_IsFalse(given)) {
        tree_put(&b->failed, config, "thinkingBudget", cJSON_CreateNumber(0));
    } else if (cJSON_IsObject(given)) {
        if (get_string(given, "level"))
            put_enum(b, config, "thinkingLevel", "", get_string(given, "level"));
        if (cJSON_IsNumber(get(given, "budget")))
            tree_put(&b->failed, config, "thinkingBudget",
                     cJSON_Duplicate(get(given, "budget"), false));
        if (cJSON_IsBool(get(given, "include")))
            tree_put(&b->failed, config, "includeThoughts",
                     cJSON_Duplicate(get(given, "include"), false));
    } else if (!cJSON_IsTrue(given)) {
        refuse(b, "thinking", "a budget, a level, or an object of both");
    }
}

/* ---- the rest of setup ----------------------------------------------------------------------- */

static void system_instruction(struct builder *b)
{
    const char *text = get_string(b->run, "instruction");
    if (!text)
        return;
    cJSON *content = tree_put(&b->failed, b->setup, "systemInstruction", cJSON_CreateObject());
    cJSON *parts = tree_put(&b->failed, content, "parts", cJSON_CreateArray());
    cJSON *part = cJSON_CreateObject();
    tree_put_string(&b->failed, part, "text", text);
    tree_append(&b->failed, parts, part);
    tree_put_string(&b->failed, content, "role", "system");
}

static cJSON *function_declaration(struct builder *b, const cJSON *function)
{
    cJSON *out = cJSON_CreateObject();
    const cJSON *parameters = get(function, "parameters");
    const char *always = get_string(b->profile, "behavior");
    const char *behavior = always ? always : get_string(function, "behavior");
    tree_put_string(&b->failed, out, "name", get_string(function, "name"));
    if (get_string(function, "description"))
        tree_put_string(&b->failed, out, "description", get_string(function, "description"));
    if (openapi_has_properties(parameters))
        tree_put(&b->failed, out, "parameters", openapi_from(parameters));
    if (behavior)
        tree_put_string(&b->failed, out, "behavior", behavior);
    return out;
}

static void tools(struct builder *b)
{
    const cJSON *native = get(b->run, "native"), *functions = get(b->run, "functions"), *one;
    cJSON *list = cJSON_CreateArray(), *declarations = NULL;
    cJSON_ArrayForEach (one, native) {
        if (cJSON_IsObject(one))
            tree_append(&b->failed, list, cJSON_Duplicate(one, true));
    }
    cJSON_ArrayForEach (one, functions) {
        if (!get_string(one, "name"))
            continue;
        if (!declarations) {
            cJSON *entry = tree_append(&b->failed, list, cJSON_CreateObject());
            declarations = tree_put(&b->failed, entry, "functionDeclarations", cJSON_CreateArray());
        }
        tree_append(&b->failed, declarations, function_declaration(b, one));
    }
    if (cJSON_GetArraySize(list) > 0)
        tree_put(&b->failed, b->setup, "tools", list);
    else
        cJSON_Delete(list);
}

static void resumption(struct builder *b)
{
    const cJSON *given = get(b->run, "resumption");
    if (!cJSON_IsTrue(get(given, "enabled")))
        return;
    cJSON *out = tree_put(&b->failed, b->setup, "sessionResumption", cJSON_CreateObject());
    if (get_string(given, "handle"))
        tree_put_string(&b->failed, out, "handle", get_string(given, "handle"));
    if (cJSON_IsTrue(get(b->profile, "transparent_resumption")))
        tree_put(&b->failed, out, "transparent", cJSON_CreateTrue());
}

static cJSON *detection(struct builder *b)
{
    return tree_child(&b->failed, tree_child(&b->failed, b->setup, "realtimeInputConfig"),
                      "automaticActivityDetection");
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
        tree_put(&b->failed, detection(b), "disabled", cJSON_CreateTrue());
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const cJSON *value = get(given, names[i][0]);
        if (cJSON_IsString(value) && names[i][2])
            put_enum(b, detection(b), names[i][1], names[i][2], value->valuestring);
        else if (cJSON_IsNumber(value) && !names[i][2])
            tree_put(&b->failed, detection(b), names[i][1], cJSON_Duplicate(value, false));
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
        put_enum(b, tree_child(&b->failed, b->setup, "realtimeInputConfig"), "activityHandling", "",
                 handling);
    if (coverage)
        put_enum(b, tree_child(&b->failed, b->setup, "realtimeInputConfig"), "turnCoverage",
                 "TURN_INCLUDES_", coverage);
}

/* int64 of proto JSON: a string of digits. */
static void put_int64(struct builder *b, cJSON *parent, const char *name, const cJSON *value)
{
    char digits[32];
    if (!cJSON_IsNumber(value) || value->valuedouble < 0 || value->valuedouble > 1e15)
        return;
    snprintf(digits, sizeof digits, "%.0f", value->valuedouble);
    tree_put(&b->failed, parent, name, cJSON_CreateString(digits));
}

static void compression(struct builder *b)
{
    const cJSON *given = get(b->live, "compression");
    if (cJSON_IsTrue(given) || cJSON_IsObject(given)) {
        cJSON *config = tree_child(&b->failed, b->setup, "contextWindowCompression");
        put_int64(b, config, "triggerTokens", get(given, "trigger_tokens"));
        put_int64(b, tree_child(&b->failed, config, "slidingWindow"), "targetTokens",
                  get(given, "target_tokens"));
    } else if (given && !cJSON_IsFalse(given) && !cJSON_IsNull(given)) {
        refuse(b, "compression", "true, or an object with trigger_tokens and target_tokens");
    }
}

static void extras(struct builder *b)
{
    const cJSON *generation = get(b->run, "generation");
    if (cJSON_IsTrue(get(b->run, "input_transcription")))
        tree_put(&b->failed, b->setup, "inputAudioTranscription", cJSON_CreateObject());
    if (cJSON_IsTrue(get(b->run, "output_transcription")))
        tree_put(&b->failed, b->setup, "outputAudioTranscription", cJSON_CreateObject());
    if (setup_initial_history(b->run))
        tree_put(&b->failed, tree_child(&b->failed, b->setup, "historyConfig"),
                 "initialHistoryInClientContent", cJSON_CreateTrue());
    if (cJSON_IsBool(get(b->live, "proactive_audio")))
        tree_put(&b->failed, tree_child(&b->failed, b->setup, "proactivity"), "proactiveAudio",
                 cJSON_Duplicate(get(b->live, "proactive_audio"), false));
    if (cJSON_IsBool(get(b->live, "affective_dialog")))
        tree_put(&b->failed, b->generation, "enableAffectiveDialog",
                 cJSON_Duplicate(get(b->live, "affective_dialog"), false));
    if (get_string(b->live, "media_resolution"))
        put_enum(b, b->generation, "mediaResolution", "MEDIA_RESOLUTION_",
                 get_string(b->live, "media_resolution"));
    if (cJSON_IsArray(get(generation, "safetySettings")))
        tree_put(&b->failed, b->setup, "safetySettings",
                 cJSON_Duplicate(get(generation, "safetySettings"), true));
    if (cJSON_IsObject(get(generation, "labels")))
        tree_put(&b->failed, b->setup, "labels", cJSON_Duplicate(get(generation, "labels"), true));
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
    cJSON *model = tree_find(copy, "model");
    if (model)
        cJSON_Delete(cJSON_DetachItemViaPointer(copy, model));
    b->failed |= !copy;
    tree_merge(&b->failed, b->setup, copy);
    cJSON_Delete(copy);
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
    struct text out = {0};
    char *setup = b->failed ? NULL : cJSON_PrintUnformatted(b->setup);
    text_puts(&out, "{\"setup\":");
    text_puts(&out, setup ? setup : "");
    text_puts(&out, "}");
    out.failed |= !setup;
    free(setup);
    *message = text_take(&out);
    if (*message)
        return ANTIPHON_OK;
    snprintf(b->why, b->why_size, "out of memory");
    return ANTIPHON_ENOMEM;
}

enum antiphon_status setup_message(const cJSON *run, const char *resource, char **message,
                                   char *why, size_t why_size)
{
    struct builder builder = {.run = run, .why = why, .why_size = why_size}, *b = &builder;
    enum antiphon_status status = ANTIPHON_EINVAL;
    const cJSON *path;
    b->live = get(run, "live");
    b->profile = get(run, "profile");
    b->setup = cJSON_CreateObject();
    tree_put_string(&b->failed, b->setup, "model", resource);
    b->generation = tree_child(&b->failed, b->setup, "generationConfig");
    generation_config(b);
    speech(b);
    thinking(b);
    system_instruction(b);
    tools(b);
    resumption(b);
    extras(b);
    vad(b);
    activity(b);
    compression(b);
    free_form(b);
    cJSON_ArrayForEach (path, get(b->profile, "forbid")) {
        if (cJSON_IsString(path))
            tree_forbid(b->setup, path->valuestring);
    }
    if (!b->bad)
        status = print(b, message);
    cJSON_Delete(b->setup);
    return status;
}
