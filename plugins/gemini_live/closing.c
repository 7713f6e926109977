#include "closing.h"

#include <string.h>

#define RESUME  ANTIPHON_FLAG_MAY_RESUME
#define RESTART ANTIPHON_FLAG_MAY_RESTART
#define AGAIN   (RESUME | RESTART)
#define WAIT    ANTIPHON_FLAG_BACK_OFF

enum when {
    ALWAYS,
    WITH_HANDLE, /* before setup was accepted, and a handle was sent */
    LATER        /* after */
};

struct row {
    int code; /* 0: any */
    enum when when;
    const char *piece; /* of the reason; "": any */
    struct closing closing;
};

#define OLD_HANDLE                                                                                 \
    {                                                                                              \
        ANTIPHON_ENOTFOUND, RESTART, "session_not_found",                                          \
            "The model service no longer knows the earlier connection.",                           \
            "The conversation goes on over a new connection."                                      \
    }
#define NO_MODEL                                                                                   \
    {                                                                                              \
        ANTIPHON_ENOTFOUND, 0, "model_not_found",                                                  \
            "The model does not exist for this account, or has no live mode.",                     \
            "Set DEMO_AGENT_MODEL, or `model` in the agent's root_agent.yaml, to a live model."    \
    }
#define BAD_FIELD(flags, next)                                                                     \
    {                                                                                              \
        ANTIPHON_EINVAL, flags, "invalid_argument",                                                \
            "The model service refused a setting or message as invalid.", next                     \
    }
#define CHECK_LIVE                                                                                 \
    "Remove settings under `live:` and `generate_content_config` of the agent that this model "    \
    "does "                                                                                        \
    "not have, or choose another model."

/* The first row that fits counts. */
static const struct row rows[] = {
    {0,
     ALWAYS,
     "API key not valid",
     {ANTIPHON_EDENIED, 0, "api_key_invalid", "The model service does not accept the API key.",
      "Set GOOGLE_API_KEY to a valid key from https://aistudio.google.com/apikey and restart."}},
    {0,
     ALWAYS,
     "API key expired",
     {ANTIPHON_EDENIED, 0, "api_key_invalid", "The API key has expired.",
      "Set GOOGLE_API_KEY to a new key from https://aistudio.google.com/apikey and restart."}},
    {0,
     ALWAYS,
     "API_KEY_INVALID",
     {ANTIPHON_EDENIED, 0, "api_key_invalid", "The model service does not accept the API key.",
      "Set GOOGLE_API_KEY to a valid key from https://aistudio.google.com/apikey and restart."}},
    {0,
     ALWAYS,
     "reported as leaked",
     {ANTIPHON_EDENIED, 0, "api_key_invalid", "The API key was blocked because it has leaked.",
      "Set GOOGLE_API_KEY to a new key from https://aistudio.google.com/apikey and restart."}},
    {0,
     ALWAYS,
     "location is not supported",
     {ANTIPHON_EDENIED, 0, "location", "The model service is not offered in this server's region.",
      "Run the server in a supported region, or use Vertex AI with a location that has the "
      "model."}},
    {0,
     ALWAYS,
     "combination of response modalities",
     {ANTIPHON_EINVAL, 0, "modality_unsupported",
      "The model does not answer in the kind (text or audio) that was asked for.",
      "Set `live.modality` of the agent to what the model offers, or choose another model."}},
    {0,
     ALWAYS,
     "Cannot extract voices from a non-audio request",
     {ANTIPHON_EINVAL, 0, "modality_unsupported", "The model answers with audio only.",
      "Set `live.modality: audio` in the agent, or choose another model."}},
    {0,
     ALWAYS,
     "Explicit activity control is not supported",
     {ANTIPHON_EINVAL, 0, "invalid_argument",
      "Start and end of speech were signalled while the model detects them itself.",
      "Set `live.vad.disabled: true` in the agent to signal them from the client."}},
    {0, ALWAYS, "Invalid JSON payload received",
     BAD_FIELD(
         0, "Remove the field that the reason names from `live.setup` or the agent's settings.")},
    {0,
     ALWAYS,
     "function_declarations",
     {ANTIPHON_EINVAL, 0, "invalid_argument",
      "The model service refused the declaration of a tool.",
      "Correct the name or the parameters of the tool that the reason names."}},
    {0,
     ALWAYS,
     "functionDeclarations",
     {ANTIPHON_EINVAL, 0, "invalid_argument",
      "The model service refused the declaration of a tool.",
      "Correct the name or the parameters of the tool that the reason names."}},
    {0, ALWAYS, "Invalid session handle", OLD_HANDLE},
    {0, ALWAYS, "session not found", OLD_HANDLE},
    {0, ALWAYS, "is not supported in the live api", NO_MODEL},
    {0, ALWAYS, "not supported for bidiGenerateContent", NO_MODEL},
    {0, ALWAYS, "is not found for API version", NO_MODEL},
    {0,
     ALWAYS,
     "Invalid resource field value",
     {ANTIPHON_EINVAL, 0, "model_not_found", "The name of the model is malformed.",
      "Set DEMO_AGENT_MODEL to the plain id of a model, and check GOOGLE_CLOUD_PROJECT and "
      "GOOGLE_CLOUD_LOCATION."}},
    {0,
     ALWAYS,
     "not found or deleted",
     {ANTIPHON_ENOTFOUND, 0, "credentials", "The Google Cloud project does not exist.",
      "Set GOOGLE_CLOUD_PROJECT to the id of an existing project."}},
    {0, WITH_HANDLE, "Requested entity was not found", OLD_HANDLE},
    {0, LATER, "Requested entity was not found", OLD_HANDLE},
    {0, ALWAYS, "Requested entity was not found", NO_MODEL},
    {0,
     ALWAYS,
     "unregistered callers",
     {ANTIPHON_EDENIED, 0, "credentials", "The model service got no credentials it can use.",
      "Set GOOGLE_API_KEY; an ephemeral token must be fresh and unused."}},
    {0,
     ALWAYS,
     "invalid authentication credentials",
     {ANTIPHON_EDENIED, AGAIN, "credentials", "The access token was refused.",
      "Sign in again (gcloud auth application-default login), or check the service account."}},
    {0,
     ALWAYS,
     "PERMISSION_DENIED",
     {ANTIPHON_EDENIED, 0, "credentials", "The account may not use this model or project.",
      "Grant the account the role Vertex AI User, or enable the API in the project."}},
    {0,
     ALWAYS,
     "Permission ",
     {ANTIPHON_EDENIED, 0, "credentials", "The account may not use this model or project.",
      "Grant the account the role Vertex AI User, or enable the API in the project."}},
    {0,
     ALWAYS,
     "Maximum concurrent",
     {ANTIPHON_EBUSY, AGAIN | WAIT, "concurrency",
      "Too many live conversations at once for this account.",
      "Wait half a minute, end other conversations, or ask Google for a higher limit."}},
    {0,
     ALWAYS,
     "exceeded your current quota",
     {ANTIPHON_EBUSY, WAIT, "quota", "The account's quota is used up.",
      "Check plan and billing at https://aistudio.google.com, or wait until the quota renews."}},
    {0,
     ALWAYS,
     "RESOURCE_EXHAUSTED",
     {ANTIPHON_EBUSY, WAIT, "quota", "The account's quota is used up.",
      "Wait a while, or ask Google for a higher quota."}},
    {0,
     ALWAYS,
     "Resource has been exhausted",
     {ANTIPHON_EBUSY, WAIT, "quota", "The account's quota is used up.",
      "Wait a while, or ask Google for a higher quota."}},
    {0,
     LATER,
     "Operation is not implemented",
     {ANTIPHON_EINVAL, AGAIN, "unsupported", "The model could not do what was asked in this turn.",
      "Say it again; if it happens with a tool, try another model."}},
    {0,
     ALWAYS,
     "Operation is not implemented",
     {ANTIPHON_EINVAL, 0, "unsupported",
      "The model does not have a feature that the agent asks for.", CHECK_LIVE}},
    {0,
     ALWAYS,
     "Precondition check failed",
     {ANTIPHON_EDENIED, 0, "unsupported",
      "A feature of the agent is not open to this model or account.", CHECK_LIVE}},
    {0, LATER, "Request contains an invalid argument",
     BAD_FIELD(RESTART, "The conversation goes on over a new connection; if it happens again, "
                        "simplify the agent's settings.")},
    {0, WITH_HANDLE, "Request contains an invalid argument", BAD_FIELD(RESTART, CHECK_LIVE)},
    {0, ALWAYS, "Request contains an invalid argument", BAD_FIELD(0, CHECK_LIVE)},
    {0,
     ALWAYS,
     "Deadline expired",
     {ANTIPHON_ETIMEOUT, AGAIN, "deadline", "The connection to the model reached its time limit.",
      "The conversation goes on over a new connection."}},
    {0,
     ALWAYS,
     "currently unavailable",
     {ANTIPHON_EUNAVAILABLE, AGAIN | WAIT, "unavailable", "The model service is overloaded.",
      "Try again in a moment."}},
    {0,
     ALWAYS,
     "overloaded",
     {ANTIPHON_EUNAVAILABLE, AGAIN | WAIT, "unavailable", "The model service is overloaded.",
      "Try again in a moment."}},
    {1000,
     ALWAYS,
     "",
     {ANTIPHON_OK, AGAIN, "closed", "The model service ended the connection.",
      "The conversation goes on over a new connection."}},
    {1001,
     ALWAYS,
     "",
     {ANTIPHON_EUNAVAILABLE, AGAIN, "unavailable", "The model service is going away.",
      "The conversation goes on over a new connection."}},
    {1005,
     ALWAYS,
     "",
     {ANTIPHON_OK, AGAIN, "closed", "The model service ended the connection.",
      "The conversation goes on over a new connection."}},
    {1006,
     ALWAYS,
     "",
     {ANTIPHON_EUNAVAILABLE, AGAIN, "unavailable", "The connection to the model service broke.",
      "Check the network if it happens often."}},
    {1007, ALWAYS, "", BAD_FIELD(0, CHECK_LIVE)},
    {1008,
     ALWAYS,
     "",
     {ANTIPHON_EDENIED, 0, "refused", "The model service refused to go on.",
      "Look at the reason; check model, key and account."}},
    {1009,
     ALWAYS,
     "",
     {ANTIPHON_ETOOBIG, AGAIN, "invalid_argument", "A message was too large for the model service.",
      "Send less at once."}},
    {1011,
     ALWAYS,
     "",
     {ANTIPHON_EUNAVAILABLE, AGAIN, "internal", "The model service failed inside.",
      "Try again; if it goes on, see https://status.cloud.google.com."}},
    {1012,
     ALWAYS,
     "",
     {ANTIPHON_EUNAVAILABLE, AGAIN, "unavailable", "The model service restarts.",
      "Try again in a moment."}},
    {1013,
     ALWAYS,
     "",
     {ANTIPHON_EUNAVAILABLE, AGAIN | WAIT, "unavailable", "The model service is overloaded.",
      "Try again in a moment."}},
    {1014,
     ALWAYS,
     "",
     {ANTIPHON_EUNAVAILABLE, AGAIN | WAIT, "unavailable",
      "A gateway before the model service failed.", "Try again in a moment."}},
    {0,
     ALWAYS,
     "",
     {ANTIPHON_EUNAVAILABLE, AGAIN, "unavailable",
      "The connection to the model service ended unexpectedly.",
      "Try again; the log has code and reason."}},
};

static bool fits_now(enum when when, const struct closing_context *context)
{
    switch (when) {
    case WITH_HANDLE:
        return !context->ready && context->handle;
    case LATER:
        return context->ready;
    default:
        return true;
    }
}

/* Another token may help an OAuth user; nobody else has a second one. */
static struct closing adjust(struct closing closing, const struct closing_context *context)
{
    if (strcmp(closing.name, "credentials") == 0 && !context->bearer)
        closing.flags = 0;
    if (context->vertex && strcmp(closing.name, "model_not_found") == 0)
        closing.next = "Set DEMO_AGENT_MODEL to a live model that Vertex AI offers in "
                       "GOOGLE_CLOUD_LOCATION; not every location has every model.";
    return closing;
}

struct closing closing_of_code(int code, const char *reason, const struct closing_context *context)
{
    size_t i = 0, last = sizeof rows / sizeof *rows - 1;
    for (; i < last; i++) {
        const struct row *row = &rows[i];
        if ((row->code == 0 || row->code == code) && fits_now(row->when, context) &&
            strstr(reason, row->piece))
            break;
    }
    return adjust(rows[i].closing, context);
}

static struct closing refused_upgrade(int http, const char *reason,
                                      const struct closing_context *context)
{
    struct closing by_text = closing_of_code(0, reason, context);
    if (strcmp(by_text.name, "unavailable") != 0)
        return by_text;
    if (http == 401 || http == 403)
        return (struct closing){ANTIPHON_EDENIED, context->bearer && http == 401 ? AGAIN : 0,
                                "credentials", "The model service refused the credentials.",
                                context->vertex ? "Check the account's access to Vertex AI and to "
                                                  "GOOGLE_CLOUD_PROJECT."
                                                : "Set GOOGLE_API_KEY to a valid key and restart."};
    if (http == 429)
        return (struct closing){ANTIPHON_EBUSY, WAIT, "quota", "The account's quota is used up.",
                                "Wait a while, or ask Google for a higher quota."};
    if (http >= 500)
        return (struct closing){ANTIPHON_EUNAVAILABLE, AGAIN | WAIT, "unavailable",
                                "The model service is not available.", "Try again in a moment."};
    return (struct closing){ANTIPHON_EPROTOCOL, 0, "upgrade_refused",
                            "The server at the model's address does not speak the Live API.",
                            context->vertex
                                ? "Check GOOGLE_CLOUD_LOCATION and GOOGLE_VERTEX_BASE_URL."
                                : "Check GOOGLE_GEMINI_BASE_URL, if it is set, and api_version."};
}

static struct closing too_late(unsigned stage)
{
    static const char *const causes[] = {
        [ANTIPHON_WS_RESOLVE] = "Looking up the model service's address took too long.",
        [ANTIPHON_WS_CONNECT] = "The model service did not accept a connection in time.",
        [ANTIPHON_WS_TLS] = "The secure connection to the model service took too long.",
        [ANTIPHON_WS_UPGRADE] = "The model service did not answer in time.",
    };
    return (struct closing){ANTIPHON_ETIMEOUT, AGAIN | WAIT, "timeout", causes[stage],
                            "Check the network, DNS and a proxy (https_proxy), then try again."};
}

struct closing closing_of_end(const struct antiphon_ws_end *end,
                              const struct closing_context *context)
{
    if (end->stage >= ANTIPHON_WS_OPEN)
        return closing_of_code(end->code, end->reason, context);
    if (end->status == ANTIPHON_ETIMEOUT)
        return too_late(end->stage);
    switch (end->stage) {
    case ANTIPHON_WS_RESOLVE:
        return (struct closing){ANTIPHON_EUNAVAILABLE, AGAIN | WAIT, "resolve_failed",
                                "The address of the model service could not be looked up.",
                                "Check the network and DNS, and the base URL if one is set."};
    case ANTIPHON_WS_CONNECT:
        return (struct closing){
            ANTIPHON_EUNAVAILABLE, AGAIN | WAIT, "connect_failed",
            "The model service could not be reached.",
            "Check the network, a proxy (https_proxy), and the base URL if one is "
            "set."};
    case ANTIPHON_WS_TLS:
        return (struct closing){ANTIPHON_EUNAVAILABLE, 0, "tls_failed",
                                "No secure connection to the model service could be made.",
                                "Check the clock and the trusted certificates (SSL_CERT_FILE)."};
    default:
        if (end->http_status)
            return refused_upgrade(end->http_status, end->reason, context);
        return (struct closing){ANTIPHON_EUNAVAILABLE, AGAIN | WAIT, "connect_failed",
                                "The model service hung up before the connection was made.",
                                "Try again; check the base URL if one is set."};
    }
}

struct closing closing_of_error(int code, const char *message,
                                const struct closing_context *context)
{
    struct closing closing = closing_of_code(0, message, context);
    if (strcmp(closing.name, "unavailable") != 0)
        return closing;
    if (code == 404)
        return adjust((struct closing)NO_MODEL, context);
    if (code == 400)
        return (struct closing)BAD_FIELD(0, CHECK_LIVE);
    return code ? refused_upgrade(code, message, context) : closing;
}

struct closing closing_of_nonsense(void)
{
    return (struct closing){ANTIPHON_EPROTOCOL, AGAIN, "protocol",
                            "The model service sent something that is not its protocol.",
                            "Try again; check the base URL if one is set."};
}
