#include "setup.h"

#include <stdlib.h>
#include <string.h>

static const char invalid_argument[] = "Request contains an invalid argument.";

static bool refuse(struct setup_refusal *refusal, uint16_t code, const char *reason)
{
    refusal->code = code;
    bytes_reset(&refusal->reason);
    bytes_text(&refusal->reason, reason);
    return false;
}

static enum setup_family family_of(const char *id)
{
    if (strstr(id, "transcribe"))
        return SETUP_TRANSCRIBER;
    if (!strncmp(id, "gemini-3.1", 10))
        return SETUP_NATIVE_31;
    if (!strncmp(id, "gemini-3", 8))
        return SETUP_NATIVE_38;
    return strstr(id, "native-audio") ? SETUP_NATIVE_2 : SETUP_CASCADE;
}

/* Ids that exist but answer over generateContent only; "no-such" stands for every id that does not.
 */
static bool is_served(const char *id)
{
    static const char *const others[] = {"gemini-2.0-flash",      "gemini-2.0-flash-lite",
                                         "gemini-2.5-flash",      "gemini-2.5-flash-lite",
                                         "gemini-2.5-pro",        "gemini-3.1-pro-preview",
                                         "gemini-3-flash-preview"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcmp(id, others[i]))
            return false;
    return !strstr(id, "no-such");
}

static bool read_model(struct setup *setup, const cJSON *body, const char *version,
                       struct setup_refusal *refusal)
{
    const char *model = json_text(body, "model"), *slash = strrchr(model, '/');
    struct bytes text = {0};
    if (!*model)
        return refuse(refusal, 1007, invalid_argument);
    bool resource = !strncmp(model, "projects/", 9) || !strncmp(model, "publishers/", 11);
    if (setup->vertex && !resource)
        return refuse(refusal, 1007, "Invalid resource field value in the request.");
    setup->model = mem_text(model);
    setup->id = mem_text(slash ? slash + 1 : model);
    setup->family = family_of(setup->id);
    if (is_served(setup->id))
        return true;
    bytes_printf(&text,
                 "%s%s is not found for API version %s, or is not supported for "
                 "bidiGenerateContent. Call ListModels to see the list of available models and "
                 "their supported methods.",
                 slash ? "" : "models/", model, version);
    refuse(refusal, 1008, bytes_str(&text));
    bytes_free(&text);
    return false;
}

static bool refuse_modality(struct setup *setup, const char *modality,
                            struct setup_refusal *refusal)
{
    struct bytes text = {0};
    bytes_printf(&text,
                 "The requested combination of response modalities (%s) is not supported by the "
                 "model. models/%s accepts the following combinations of response modalities:\n"
                 "* %s\n",
                 modality, setup->id, strcmp(modality, "TEXT") == 0 ? "AUDIO" : "TEXT");
    refuse(refusal, 1007, bytes_str(&text));
    bytes_free(&text);
    return false;
}

static bool read_modality(struct setup *setup, const cJSON *config, struct setup_refusal *refusal)
{
    const cJSON *list = json_at(config, "responseModalities");
    const cJSON *first = list ? list->child : NULL;
    const char *modality = cJSON_IsString(first) ? first->valuestring : "AUDIO";
    if (first && first->next)
        return refuse(refusal, 1007, invalid_argument);
    if (strcmp(modality, "AUDIO") != 0 && strcmp(modality, "TEXT") != 0 &&
        strcmp(modality, "VIDEO") != 0)
        return refuse(refusal, 1007,
                      "Invalid value at 'setup.generation_config.response_modalities[0]'");
    setup->audio = strcmp(modality, "TEXT") != 0;
    if (setup->family == SETUP_TRANSCRIBER)
        return !first || !setup->audio || refuse_modality(setup, modality, refusal);
    if (setup->audio || setup->family == SETUP_CASCADE)
        return true;
    if (setup->family == SETUP_NATIVE_2 && json_at(config, "speechConfig.voiceConfig"))
        return refuse(refusal, 1007, "Cannot extract voices from a non-audio request.");
    return refuse_modality(setup, modality, refusal);
}

/* Fields that exist but that this model does not take. */
static bool read_limits(const struct setup *setup, const cJSON *body, struct setup_refusal *refusal)
{
    bool three = setup->family == SETUP_NATIVE_31 || setup->family == SETUP_NATIVE_38;
    const cJSON *proactive = json_at(body, "proactivity.proactiveAudio");
    if (setup->family == SETUP_NATIVE_38 && json_at(body, "generationConfig.thinkingConfig"))
        return refuse(refusal, 1007, invalid_argument);
    if (setup->family == SETUP_NATIVE_38 && cJSON_IsFalse(proactive))
        return refuse(refusal, 1007, invalid_argument);
    if (three && json_true(body, "generationConfig.enableAffectiveDialog"))
        return refuse(refusal, 1007, invalid_argument);
    if (json_at(body, "generationConfig.speechConfig.multiSpeakerVoiceConfig"))
        return refuse(refusal, 1007, invalid_argument);
    return true;
}

static bool read_activity(struct setup *setup, const cJSON *config, struct setup_refusal *refusal)
{
    const cJSON *detection = json_at(config, "automaticActivityDetection");
    const char *start = json_text(detection, "startOfSpeechSensitivity");
    const char *end = json_text(detection, "endOfSpeechSensitivity");
    bool slow_start = setup->vertex, slow_end = setup->vertex;
    if (strstr(start, "_LOW") || strstr(start, "_HIGH"))
        slow_start = strstr(start, "_LOW") != NULL;
    if (strstr(end, "_LOW") || strstr(end, "_HIGH"))
        slow_end = strstr(end, "_LOW") != NULL;
    double start_ms = json_number(detection, "prefixPaddingMs", slow_start ? 100 : 40);
    double silence_ms = json_number(detection, "silenceDurationMs", slow_end ? 800 : 500);
    if (start_ms < 0 || silence_ms < 0) /* the upper bound is int32's, which the shape has seen to */
        return refuse(refusal, 1007, invalid_argument);
    setup->manual_activity = json_true(detection, "disabled");
    setup->no_interruption = !strcmp(json_text(config, "activityHandling"), "NO_INTERRUPTION");
    setup->vad = (struct vad_config){.threshold = slow_start ? 1000 : 600,
                                     .start_ms = (uint32_t)start_ms,
                                     .silence_ms = (uint32_t)silence_ms};
    return true;
}

static bool name_is_good(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= 128 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-") ==
               len;
}

static bool refuse_function(struct setup_refusal *refusal, int tool, int function, const char *what)
{
    struct bytes text = {0};
    bytes_printf(&text,
                 "* BidiGenerateContentRequest.setup.tools[%d].function_declarations[%d]%s\n", tool,
                 function, what);
    refuse(refusal, 1007, bytes_str(&text));
    bytes_free(&text);
    return false;
}

static bool add_function(struct setup *setup, const cJSON *declaration, int tool, int function,
                         struct setup_refusal *refusal)
{
    const char *name = json_text(declaration, "name");
    const char *behavior = json_text(declaration, "behavior");
    const cJSON *properties = json_at(declaration, "parameters.properties");
    bool object = !strcmp(json_text(declaration, "parameters.type"), "OBJECT");
    if (!name_is_good(name))
        return refuse_function(refusal, tool, function,
                               ".name: Invalid function name. Must start with a letter or an "
                               "underscore.");
    if (object && (!properties || !properties->child))
        return refuse_function(refusal, tool, function,
                               ".parameters.properties: should be non-empty for OBJECT type");
    if (json_at(declaration, "parameters") && json_at(declaration, "parametersJsonSchema"))
        return refuse_function(refusal, tool, function,
                               ": parameters and parameters_json_schema are exclusive");
    if (setup->function_count == SETUP_MAX_FUNCTIONS)
        return refuse(refusal, 1007, invalid_argument);
    bool blocking = setup->family != SETUP_NATIVE_38;
    if (!strcmp(behavior, "BLOCKING") || !strcmp(behavior, "NON_BLOCKING"))
        blocking = !strcmp(behavior, "BLOCKING");
    setup->functions[setup->function_count++] = (struct setup_function){mem_text(name), blocking};
    return true;
}

static void free_tools(struct setup *setup)
{
    for (size_t i = 0; i < setup->function_count; i++)
        free(setup->functions[i].name);
    free(setup->functions);
    setup->functions = NULL;
    setup->function_count = 0;
    setup->google_search = false;
}

bool setup_read_tools(struct setup *setup, const cJSON *tools, struct setup_refusal *refusal)
{
    const cJSON *tool, *declaration;
    int tool_index = 0;
    free_tools(setup);
    setup->functions = mem_new(SETUP_MAX_FUNCTIONS * sizeof *setup->functions);
    cJSON_ArrayForEach (tool, tools) {
        int index = 0;
        if (json_at(tool, "googleSearch"))
            setup->google_search = true;
        cJSON_ArrayForEach (declaration, json_at(tool, "functionDeclarations"))
            if (!add_function(setup, declaration, tool_index, index++, refusal))
                return false;
        tool_index++;
    }
    return true;
}

bool setup_blocks(const struct setup *setup, const char *function)
{
    for (size_t i = 0; i < setup->function_count; i++)
        if (!strcmp(setup->functions[i].name, function))
            return setup->functions[i].blocking;
    return setup->family != SETUP_NATIVE_38;
}

void setup_free(struct setup *setup)
{
    free_tools(setup);
    free(setup->model);
    free(setup->id);
    free(setup->handle);
    *setup = (struct setup){0};
}

bool setup_read(struct setup *setup, const cJSON *body, bool vertex, const char *version,
                struct setup_refusal *refusal)
{
    *setup = (struct setup){.vertex = vertex};
    setup->handle = mem_text(json_text(body, "sessionResumption.handle"));
    setup->resumption = json_at(body, "sessionResumption") != NULL;
    setup->transparent = json_true(body, "sessionResumption.transparent");
    setup->hear_input = json_at(body, "inputAudioTranscription") != NULL;
    setup->hear_output = json_at(body, "outputAudioTranscription") != NULL;
    setup->initial_history = json_true(body, "historyConfig.initialHistoryInClientContent");
    setup->vad_signal = json_true(body, "explicitVadSignal");
    if (read_model(setup, body, version, refusal) &&
        read_modality(setup, json_at(body, "generationConfig"), refusal) &&
        read_limits(setup, body, refusal) &&
        setup_read_tools(setup, json_at(body, "tools"), refusal) &&
        read_activity(setup, json_at(body, "realtimeInputConfig"), refusal))
        return true;
    setup_free(setup);
    return false;
}
