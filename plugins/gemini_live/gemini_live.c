/* gemini_live - model plugin for the Gemini Live API: the Developer API and Vertex AI. */
#include <stdio.h>
#include <stdlib.h>

#include "conn.h"

#define CONFIG_SCHEMA \
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{" \
    "\"api_key\":{\"type\":\"string\",\"writeOnly\":true," \
    "\"x-env\":[\"GOOGLE_API_KEY\",\"GEMINI_API_KEY\"]," \
    "\"description\":\"API key of Google AI Studio, or of Vertex AI in express mode.\"}," \
    "\"vertex\":{\"type\":[\"string\",\"boolean\"]," \
    "\"x-env\":[\"GOOGLE_GENAI_USE_ENTERPRISE\",\"GOOGLE_GENAI_USE_VERTEXAI\"]," \
    "\"description\":\"true: Vertex AI in place of the Gemini Developer API.\"}," \
    "\"project\":{\"type\":\"string\",\"x-env\":[\"GOOGLE_CLOUD_PROJECT\"]," \
    "\"description\":\"Google Cloud project, for Vertex AI.\"}," \
    "\"location\":{\"type\":\"string\",\"x-env\":[\"GOOGLE_CLOUD_LOCATION\"]," \
    "\"description\":\"Location of Vertex AI such as us-central1; global if absent.\"}," \
    "\"base_url\":{\"type\":\"string\",\"x-env\":[\"GOOGLE_GEMINI_BASE_URL\"]," \
    "\"description\":\"Another server in place of the Developer API; http, https, ws or wss.\"}," \
    "\"vertex_base_url\":{\"type\":\"string\",\"x-env\":[\"GOOGLE_VERTEX_BASE_URL\"]," \
    "\"description\":\"The same for Vertex AI.\"}," \
    "\"credentials\":{\"type\":\"string\",\"x-env\":[\"GOOGLE_APPLICATION_CREDENTIALS\"]," \
    "\"description\":\"File with Google credentials, for Vertex AI.\"}," \
    "\"cloudsdk_config\":{\"type\":\"string\",\"x-env\":[\"CLOUDSDK_CONFIG\"]," \
    "\"description\":\"Folder of the gcloud command's settings.\"}," \
    "\"home\":{\"type\":\"string\",\"x-env\":[\"HOME\"]," \
    "\"description\":\"Folder below which .config/gcloud is looked for.\"}," \
    "\"metadata_host\":{\"type\":\"string\",\"x-env\":[\"GCE_METADATA_HOST\",\"GCE_METADATA_IP\"]," \
    "\"description\":\"Address of the metadata server; 169.254.169.254 if absent.\"}," \
    "\"quota_project\":{\"type\":\"string\",\"x-env\":[\"GOOGLE_CLOUD_QUOTA_PROJECT\"]," \
    "\"description\":\"Project that is charged, if it is not that of the credentials.\"}," \
    "\"token_uri\":{\"type\":\"string\"," \
    "\"description\":\"Where access tokens are fetched, if not where the credentials file says.\"}," \
    "\"api_version\":{\"type\":\"string\"," \
    "\"description\":\"Version of the API in its path; v1alpha, on Vertex AI v1beta1, if absent.\"}" \
    "}}"

ANTIPHON_MANIFEST_TEXT(
    "{\"name\":\"gemini_live\",\"version\":\"" GEMINI_LIVE_VERSION "\","
    "\"description\":\"The Gemini Live API: the Gemini Developer API and Vertex AI.\","
    "\"licence\":\"Apache-2.0\",\"models\":[\"gemini_live\"],"
    "\"permissions\":{\"http\":true,\"private\":true},\"config\":" CONFIG_SCHEMA "}");

static const char *backend(void *state)
{
    const struct gemini *gemini = state;
    return backend_name(&gemini->backend);
}

static void shut_down(void *state)
{
    struct gemini *gemini = state;
    token_cache_free(gemini->tokens);
    credentials_deinit(&gemini->credentials);
    backend_deinit(&gemini->backend);
    free(gemini);
}

static enum antiphon_status load_credentials(struct gemini *gemini, const cJSON *config, char *why,
                                             size_t why_size)
{
    struct credentials *credentials = &gemini->credentials;
    if (gemini->backend.auth != BACKEND_BEARER)
        return ANTIPHON_OK;
    enum antiphon_status status = credentials_load(credentials, config, why, why_size);
    if (status != ANTIPHON_OK)
        return status;
    bool need_project = !gemini->backend.project && !credentials_project(credentials);
    if (need_project && credentials->kind != CREDENTIALS_METADATA) {
        snprintf(why, why_size, "no Google Cloud project: set GOOGLE_CLOUD_PROJECT");
        return ANTIPHON_EINVAL;
    }
    gemini->tokens = token_cache_new(gemini->host, credentials, need_project);
    return gemini->tokens ? ANTIPHON_OK : ANTIPHON_ENOMEM;
}

static enum antiphon_status add_model(struct gemini *gemini)
{
    const struct antiphon_model model = {
        .struct_size = sizeof model,
        .name = "gemini_live",
        .backend = backend,
        .open = conn_open,
        .send = conn_send,
        .close = conn_close,
        .wake = conn_wake,
    };
    return gemini->host->add_model(gemini->host, &model);
}

static enum antiphon_status init(const struct antiphon_host *host, const char *config, void **state,
                                 char *why, size_t why_size)
{
    cJSON *tree = cJSON_Parse(config ? config : "{}");
    struct gemini *gemini = calloc(1, sizeof *gemini);
    enum antiphon_status status = ANTIPHON_ENOMEM;
    snprintf(why, why_size, "out of memory");
    if (!tree || !gemini)
        goto out;
    gemini->host = host;
    status = backend_init(&gemini->backend, tree, why, why_size);
    if (status == ANTIPHON_OK)
        status = load_credentials(gemini, tree, why, why_size);
    if (status == ANTIPHON_OK)
        status = add_model(gemini);
    if (status == ANTIPHON_OK) {
        *state = gemini;
        gemini = NULL;
    }
out:
    if (gemini)
        shut_down(gemini);
    cJSON_Delete(tree);
    return status;
}

static const struct antiphon_plugin plugin = {
    .struct_size = sizeof plugin,
    .name = "gemini_live",
    .version = GEMINI_LIVE_VERSION,
    .init = init,
    .shutdown = shut_down,
};

const struct antiphon_plugin *antiphon_plugin_v1(void)
{
    return &plugin;
}
