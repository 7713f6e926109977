#include "rest.h"

#include "access.h"
#include "json.h"
#include "message.h"
#include <stdlib.h>
#include <string.h>

#define JSON_TYPE "application/json; charset=UTF-8"

static const struct {
    const char *id;
    bool live;
} models[] = {{"gemini-3.8-live", true},
              {"gemini-3.8-live-extended-thinking", true},
              {"gemini-3.1-flash-live-preview", true},
              {"gemini-2.5-flash-native-audio-latest", true},
              {"gemini-2.5-flash-native-audio-preview-12-2025", true},
              {"gemini-live-2.5-flash", true},
              {"gemini-2.0-flash-live-001", true},
              {"gemini-2.5-flash", false},
              {"gemini-2.5-pro", false}};

static void answer_json(struct bytes *out, int status, const char *headers, const cJSON *body)
{
    struct bytes text = {0};
    json_write(&text, body, (struct json_style){0});
    http_answer(out, status, JSON_TYPE, headers, bytes_str(&text));
    bytes_free(&text);
}

static void answer_token(struct rest *rest, const char *headers, struct bytes *out)
{
    struct bytes token = {0};
    cJSON *body = cJSON_CreateObject();
    bytes_printf(&token, ACCESS_TOKEN_PREFIX "%u", ++rest->tokens);
    cJSON_AddStringToObject(body, "access_token", bytes_str(&token));
    cJSON_AddNumberToObject(body, "expires_in", rest->token_life_s);
    cJSON_AddStringToObject(body, "token_type", "Bearer");
    answer_json(out, 200, headers, body);
    cJSON_Delete(body);
    bytes_free(&token);
}

static void refuse_grant(struct bytes *out, const char *error, const char *description)
{
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "error", error);
    cJSON_AddStringToObject(body, "error_description", description);
    answer_json(out, 400, "", body);
    cJSON_Delete(body);
}

/* One part of a JWT as JSON; NULL when it is not. */
static cJSON *jwt_part(const char *text, size_t len)
{
    struct bytes decoded = {0};
    cJSON *value = NULL;
    if (bytes_unbase64(&decoded, text, len))
        value = json_parse(bytes_str(&decoded), decoded.len);
    bytes_free(&decoded);
    return value;
}

/* The signature cannot be checked without the public key; everything else is. */
static const char *check_assertion(const char *jwt)
{
    const char *first = jwt ? strchr(jwt, '.') : NULL,
               *second = first ? strchr(first + 1, '.') : NULL;
    if (!second || strchr(second + 1, '.') || !second[1])
        return "Bad Request";
    cJSON *header = jwt_part(jwt, (size_t)(first - jwt));
    cJSON *claims = jwt_part(first + 1, (size_t)(second - first - 1));
    const char *wrong = NULL;
    double issued = json_number(claims, "iat", 0), expires = json_number(claims, "exp", 0);
    if (strcmp(json_text(header, "alg"), "RS256") != 0)
        wrong = "Invalid JWT: alg must be RS256.";
    else if (!*json_text(claims, "iss") || !*json_text(claims, "scope") ||
             !*json_text(claims, "aud"))
        wrong = "Invalid JWT: iss, scope and aud are required.";
    else if (issued <= 0 || expires <= issued || expires > issued + 3600)
        wrong = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
                "timeframe. Check your iat and exp values in the JWT claim.";
    cJSON_Delete(header);
    cJSON_Delete(claims);
    return wrong;
}

static void post_token(struct rest *rest, const struct http_request *request, struct bytes *out)
{
    const char *form = bytes_str(&request->body);
    char *grant = http_field(form, "grant_type"), *refresh = http_field(form, "refresh_token");
    char *client = http_field(form, "client_id"), *secret = http_field(form, "client_secret");
    char *assertion = http_field(form, "assertion");
    const char *wrong;
    if (grant && !strcmp(grant, "refresh_token")) {
        if (!refresh || !strcmp(refresh, "bad"))
            refuse_grant(out, "invalid_grant", "Token has been expired or revoked.");
        else if (!client || !secret)
            refuse_grant(out, "invalid_client", "The OAuth client was not found.");
        else
            answer_token(rest, "", out);
    } else if (grant && !strcmp(grant, "urn:ietf:params:oauth:grant-type:jwt-bearer")) {
        if ((wrong = check_assertion(assertion)))
            refuse_grant(out, "invalid_grant", wrong);
        else
            answer_token(rest, "", out);
    } else {
        refuse_grant(out, "unsupported_grant_type", "Invalid grant_type");
    }
    free(grant);
    free(refresh);
    free(client);
    free(secret);
    free(assertion);
}

static void get_metadata(struct rest *rest, const char *path, const struct http_request *request,
                         struct bytes *out)
{
    static const char flavor[] = "Metadata-Flavor: Google\r\n";
    if (strcmp(http_header(request, "metadata-flavor"), "Google") != 0)
        http_answer(out, 403, "text/html", "", "Missing Metadata-Flavor:Google header.\n");
    else if (!strcmp(path, "instance/service-accounts/default/token"))
        answer_token(rest, flavor, out);
    else if (!strcmp(path, "project/project-id"))
        http_answer(out, 200, "application/text", flavor, "live-sim-project");
    else
        http_answer(out, 404, "text/html", flavor, "not found\n");
}

static bool key_is_good(const struct rest *rest, const struct http_request *request)
{
    char *query = http_field(http_query(request), "key");
    const char *key = query ? query : http_header(request, "x-goog-api-key");
    bool good = *key && (!rest->key || !strcmp(key, rest->key));
    free(query);
    return good;
}

static void refuse_request(struct bytes *out, int code, const char *status, const char *message)
{
    cJSON *body = cJSON_CreateObject(), *error = cJSON_AddObjectToObject(body, "error");
    cJSON_AddNumberToObject(error, "code", code);
    cJSON_AddStringToObject(error, "message", message);
    cJSON_AddStringToObject(error, "status", status);
    answer_json(out, code, "", body);
    cJSON_Delete(body);
}

static void refuse_key(struct bytes *out)
{
    refuse_request(out, 400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.");
}

static void get_models(struct bytes *out)
{
    cJSON *body = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(body, "models");
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        cJSON *model = cJSON_CreateObject();
        struct bytes name = {0};
        bytes_printf(&name, "models/%s", models[i].id);
        cJSON_AddStringToObject(model, "name", bytes_str(&name));
        cJSON_AddStringToObject(model, "displayName", models[i].id);
        cJSON *methods = cJSON_AddArrayToObject(model, "supportedGenerationMethods");
        cJSON_AddItemToArray(methods, cJSON_CreateString(models[i].live ? "bidiGenerateContent"
                                                                        : "generateContent"));
        cJSON_AddItemToArray(list, model);
        bytes_free(&name);
    }
    answer_json(out, 200, "", body);
    cJSON_Delete(body);
}

static void post_auth_token(struct rest *rest, struct bytes *out)
{
    struct bytes name = {0};
    cJSON *body = cJSON_CreateObject();
    bytes_printf(&name, "auth_tokens/sim-%u", ++rest->tokens);
    cJSON_AddStringToObject(body, "name", bytes_str(&name));
    answer_json(out, 200, "", body);
    cJSON_Delete(body);
    bytes_free(&name);
}

/* One answer to the last text; with googleSearch among the tools it has sources. */
static void post_generate(const char *model, const struct http_request *request, struct bytes *out)
{
    cJSON *asked = json_parse(bytes_str(&request->body), request->body.len), *tool;
    const cJSON *contents = json_at(asked, "contents");
    const cJSON *last = cJSON_GetArrayItem(contents, cJSON_GetArraySize(contents) - 1);
    const char *text = json_text(cJSON_GetArrayItem(json_at(last, "parts"), 0), "text");
    if (strstr(model, "no-such"))
        refuse_request(out, 404, "NOT_FOUND", "models/no-such is not found for API version v1beta.");
    else if (!*text)
        refuse_request(out, 400, "INVALID_ARGUMENT", "contents is not specified");
    else if (!strcmp(text, "quota"))
        refuse_request(out, 429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.");
    else {
        struct bytes said = {0};
        cJSON *body = cJSON_CreateObject(), *candidate = cJSON_CreateObject();
        bytes_printf(&said, "You asked: %s", text);
        cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "candidates"), candidate);
        cJSON *content = cJSON_AddObjectToObject(candidate, "content"), *part = cJSON_CreateObject();
        cJSON_AddStringToObject(content, "role", "model");
        cJSON_AddItemToArray(cJSON_AddArrayToObject(content, "parts"), part);
        cJSON_AddStringToObject(part, "text", bytes_str(&said));
        cJSON_AddStringToObject(candidate, "finishReason", "STOP");
        cJSON_ArrayForEach (tool, json_at(asked, "tools")) {
            cJSON *message = NULL;
            if (json_at(tool, "googleSearch"))
                message = message_grounding(text, bytes_str(&said));
            if (message)
                cJSON_AddItemToObject(candidate, "groundingMetadata",
                                      cJSON_DetachItemFromObject(message->child, "groundingMetadata"));
            cJSON_Delete(message);
        }
        answer_json(out, 200, "", body);
        cJSON_Delete(body);
        bytes_free(&said);
    }
    cJSON_Delete(asked);
}

/* The model's id in the path of its generateContent, on either service; caller frees, NULL: it is another path. */
static char *generate_model(const char *path)
{
    static const char method[] = ":generateContent";
    const char *id = strstr(path, "/models/"), *end = id ? strstr(id, method) : NULL;
    bool known = !strncmp(path, "/v1/", 4) || !strncmp(path, "/v1beta/", 8) ||
                 !strncmp(path, "/v1beta1/", 9) || !strncmp(path, "/v1alpha/", 9);
    struct bytes model = {0};
    if (!known || !end || end[sizeof method - 1])
        return NULL;
    id += strlen("/models/");
    bytes_add(&model, id, (size_t)(end - id));
    return bytes_take(&model);
}

static const char *version_path(const char *path, const char *name)
{
    static const char *const versions[] = {"/v1/", "/v1beta/", "/v1alpha/"};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        size_t len = strlen(versions[i]);
        if (!strncmp(path, versions[i], len) && !strcmp(path + len, name))
            return path + len;
    }
    return NULL;
}

void rest_answer(struct rest *rest, const struct http_request *request, struct bytes *out)
{
    char *path = http_path(request);
    bool get = !strcmp(request->method, "GET"), post = !strcmp(request->method, "POST");
    char *model = post ? generate_model(path) : NULL;
    static const char metadata[] = "/computeMetadata/v1/";
    if (post && !strcmp(path, "/token"))
        post_token(rest, request, out);
    else if (get && !strncmp(path, metadata, sizeof metadata - 1))
        get_metadata(rest, path + sizeof metadata - 1, request, out);
    else if (model && !key_is_good(rest, request))
        refuse_key(out);
    else if (model)
        post_generate(model, request, out);
    else if ((get && version_path(path, "models")) || (post && version_path(path, "auth_tokens"))) {
        if (!key_is_good(rest, request))
            refuse_key(out);
        else if (get)
            get_models(out);
        else
            post_auth_token(rest, out);
    } else
        http_answer(out, 404, "text/plain", "", "not found\n");
    free(model);
    free(path);
}
