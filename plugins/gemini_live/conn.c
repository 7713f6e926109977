#include "conn.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "closing.h"
#include "decode.h"
#include "encode.h"
#include "history.h"
#include "reader.h"
#include "setup.h"

#define AGENT_NAME     "antiphon/" GEMINI_LIVE_VERSION
#define MAX_RUN_BYTES  (32u * 1024 * 1024)
#define CLOSE_NORMAL   1000
#define CLOSE_PROTOCOL 1002

enum phase { TOKEN, CONNECTING, SETUP, READY, ASKING, CLOSED };

struct conn {
    const struct gemini *gemini; /* borrowed: the plugin */
    antiphon_sink sink;
    enum phase phase;
    struct encode_style style;
    struct antiphon_ws *ws; /* borrowed from the host; NULL: none */
    struct decode decode;
    cJSON *run;             /* owned; until the connection is opened */
    char *setup, *history;  /* owned; until they are sent */
    char *retired;          /* owned; what the profile says of a model that is gone, or NULL */
    uint64_t ticket;        /* for the token */
    struct token token;
    struct closing_context context;
    struct catalog *catalog; /* owned; while ASKING */
    struct closing closing;  /* while ASKING */
    int close_code;
    char reason[256]; /* of the end, without secrets */
};

static const cJSON *get(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void blot_out(char *text, const char *secret)
{
    size_t n = secret ? strlen(secret) : 0;
    if (n < 4) /* too short to be a credential, and too common to replace */
        return;
    for (char *at = strstr(text, secret); at; at = strstr(at + n, secret))
        memset(at, '*', n);
}

/* Keeps what the other side said, without secrets and control characters, cut on a character. */
static void keep_reason(struct conn *conn, int code, const char *reason)
{
    struct text clean = {0};
    text_puts(&clean, reason);
    conn->close_code = code;
    conn->reason[0] = '\0';
    if (!clean.failed) {
        blot_out(clean.data, conn->gemini->backend.key);
        blot_out(clean.data, conn->token.text);
        size_t n = 0;
        while (n < clean.len) {
            size_t step = text_utf8((const unsigned char *)clean.data + n, clean.len - n);
            if (step == 0 || n + step >= sizeof conn->reason)
                break;
            memcpy(conn->reason + n, clean.data + n, step);
            if ((unsigned char)conn->reason[n] < ' ')
                conn->reason[n] = ' ';
            n += step;
        }
        conn->reason[n] = '\0';
    }
    text_free(&clean);
}

static void emit_closed(struct conn *conn, const struct closing *closing, const char *models)
{
    const struct antiphon_host *host = conn->gemini->host;
    struct text cause = {0}, next = {0};
    text_puts(&cause, closing->cause);
    if (conn->reason[0] && conn->close_code)
        text_printf(&cause, " (%d: %s)", conn->close_code, conn->reason);
    else if (conn->reason[0])
        text_printf(&cause, " (%s)", conn->reason);
    text_puts(&next, closing->next);
    if (conn->retired && strcmp(closing->name, "model_not_found") == 0)
        text_printf(&next, " %s", conn->retired);
    if (models)
        text_printf(&next, " This key can use: %s.", models);
    struct antiphon_event event = {
        .struct_size = sizeof event,
        .type = ANTIPHON_EV_CLOSED,
        .status = closing->status,
        .flags = closing->flags,
        .code = conn->close_code,
        .name = closing->name,
        .detail = next.failed ? closing->next : next.data,
        .data = cause.failed ? closing->cause : cause.data,
        .len = cause.failed ? strlen(closing->cause) : cause.len,
    };
    conn->phase = CLOSED;
    host->emit(host, conn->sink, &event);
    text_free(&cause);
    text_free(&next);
}

/* The socket is gone: say why, after asking which models there are if that is the question. */
static void end(struct conn *conn, const struct closing *closing)
{
    if (conn->phase == CLOSED || conn->phase == ASKING)
        return;
    if (strcmp(closing->name, "credentials") == 0 && conn->token.text)
        token_refused(conn->gemini->tokens, conn->token.number);
    if (strcmp(closing->name, "model_not_found") == 0)
        conn->catalog = catalog_ask(conn->gemini->host, conn->sink, &conn->gemini->backend);
    if (conn->catalog) {
        conn->phase = ASKING;
        conn->closing = *closing;
        return;
    }
    emit_closed(conn, closing, NULL);
}

static void hang_up(struct conn *conn, int code, const char *reason)
{
    struct antiphon_ws *ws = conn->ws;
    conn->ws = NULL;
    if (ws)
        conn->gemini->host->ws_close(conn->gemini->host, ws, code, reason);
}

static void give_up(struct conn *conn, const struct closing *closing)
{
    hang_up(conn, CLOSE_NORMAL, "");
    end(conn, closing);
}

/* ---- the socket ------------------------------------------------------------------------------ */

static enum antiphon_status send_text(struct conn *conn, const char *message)
{
    struct antiphon_span part = {message, strlen(message)};
    return conn->gemini->host->ws_send(conn->gemini->host, conn->ws, ANTIPHON_WS_CONTROL, &part, 1);
}

static void on_open(void *ctx)
{
    struct conn *conn = ctx;
    conn->phase = SETUP;
    enum antiphon_status status = send_text(conn, conn->setup);
    free(conn->setup);
    conn->setup = NULL;
    if (status != ANTIPHON_OK) {
        const struct closing closing = {
            status, 0, "invalid_argument",
            "The agent's instruction and tools are too large to be sent.",
            "Shorten the instruction or use fewer tools."};
        give_up(conn, &closing);
    }
}

/* setupComplete: hand over earlier turns, then input may flow. */
static void become_ready(struct conn *conn, const struct antiphon_event *event)
{
    const struct antiphon_host *host = conn->gemini->host;
    if (conn->history && send_text(conn, conn->history) != ANTIPHON_OK)
        host->log(host, ANTIPHON_WARN, "gemini_live: earlier turns could not be handed over");
    free(conn->history);
    conn->history = NULL;
    conn->phase = READY;
    conn->context.ready = true;
    host->emit(host, conn->sink, event);
}

static void on_event(void *ctx, const struct antiphon_event *event)
{
    struct conn *conn = ctx;
    if (event->type == ANTIPHON_EV_READY) {
        if (conn->phase == SETUP)
            become_ready(conn, event);
    } else if (conn->phase == READY) {
        conn->gemini->host->emit(conn->gemini->host, conn->sink, event);
    }
}

static void on_message(void *ctx, const char *data, size_t len)
{
    struct conn *conn = ctx;
    const struct antiphon_host *host = conn->gemini->host;
    struct decode_error error;
    unsigned skipped = conn->decode.skipped;
    size_t where;
    enum antiphon_status status =
        decode_message(&conn->decode, data, len, on_event, conn, &error, &where);
    if (conn->decode.skipped != skipped && skipped == 0)
        host->log(host, ANTIPHON_WARN, "gemini_live: a part of a message was not understood");
    if (status != ANTIPHON_OK) {
        struct closing closing = closing_of_nonsense();
        char reason[64];
        closing.status = status;
        snprintf(reason, sizeof reason, "byte %zu of %zu", where, len);
        keep_reason(conn, 0, reason);
        hang_up(conn, CLOSE_PROTOCOL, "");
        end(conn, &closing);
    } else if (error.found) {
        struct closing closing = closing_of_error(error.code, error.message, &conn->context);
        keep_reason(conn, error.code, error.message);
        give_up(conn, &closing);
    }
}

static void on_close(void *ctx, const struct antiphon_ws_end *ws_end)
{
    struct conn *conn = ctx;
    struct closing closing = closing_of_end(ws_end, &conn->context);
    int code = ws_end->stage >= ANTIPHON_WS_OPEN ? ws_end->code : ws_end->http_status;
    conn->ws = NULL;
    keep_reason(conn, code, ws_end->reason);
    end(conn, &closing);
}

static const struct antiphon_ws_handlers handlers = {
    .struct_size = sizeof(struct antiphon_ws_handlers),
    .on_open = on_open,
    .on_message = on_message,
    .on_close = on_close,
};

/* ---- opening --------------------------------------------------------------------------------- */

/* The messages of the beginning; the run is not needed any more afterwards. */
static enum antiphon_status prepare(struct conn *conn, char *why, size_t why_size)
{
    const struct backend *backend = &conn->gemini->backend;
    struct text resource = {0};
    const char *project = conn->token.project;
    if (!project)
        project = credentials_project(&conn->gemini->credentials);
    backend_model(backend, project, cJSON_GetStringValue(get(conn->run, "model")), &resource);
    snprintf(why, why_size, "out of memory");
    enum antiphon_status status = resource.failed ? ANTIPHON_ENOMEM : ANTIPHON_OK;
    if (status == ANTIPHON_OK)
        status = setup_message(conn->run, resource.data, &conn->setup, why, why_size);
    if (status == ANTIPHON_OK)
        status = history_message(conn->run, &conn->history);
    text_free(&resource);
    return status;
}

static uint32_t number(const cJSON *object, const char *name)
{
    const cJSON *value = get(object, name);
    return cJSON_IsNumber(value) && value->valuedouble >= 1 && value->valuedouble <= 1e9
               ? (uint32_t)value->valuedouble
               : 0;
}

#define MAX_HEADERS 11 /* five pairs and the end */

static void add_header(const char *headers[MAX_HEADERS], size_t *n, const char *name,
                       const char *value)
{
    assert(*n + 2 < MAX_HEADERS);
    headers[(*n)++] = name;
    headers[(*n)++] = value;
}

/* bearer: room for what Authorization says; it is the caller's. */
static void sign_in(const struct conn *conn, const char *headers[MAX_HEADERS], size_t *n,
                    struct text *bearer)
{
    const struct gemini *gemini = conn->gemini;
    switch (gemini->backend.auth) {
    case BACKEND_KEY:
        add_header(headers, n, "x-goog-api-key", gemini->backend.key);
        break;
    case BACKEND_EPHEMERAL:
        text_printf(bearer, "Token %s", gemini->backend.key);
        add_header(headers, n, "Authorization", bearer->data);
        break;
    case BACKEND_BEARER:
        text_printf(bearer, "Bearer %s", conn->token.text);
        add_header(headers, n, "Authorization", bearer->data);
        if (gemini->credentials.quota_project)
            add_header(headers, n, "x-goog-user-project", gemini->credentials.quota_project);
        break;
    case BACKEND_NONE:
        break;
    }
}

static enum antiphon_status connect_ws(struct conn *conn, char *why, size_t why_size)
{
    const struct antiphon_host *host = conn->gemini->host;
    const cJSON *deadlines = get(conn->run, "deadlines");
    const char *headers[MAX_HEADERS] = {NULL};
    struct text url = {0}, bearer = {0};
    size_t n = 0;
    enum antiphon_status status = prepare(conn, why, why_size);
    if (status != ANTIPHON_OK)
        return status;
    backend_live_url(&conn->gemini->backend,
                     cJSON_GetStringValue(get(get(conn->run, "profile"), "api_version")), &url);
    add_header(headers, &n, "Content-Type", "application/json");
    add_header(headers, &n, "user-agent", AGENT_NAME);
    add_header(headers, &n, "x-goog-api-client", AGENT_NAME);
    sign_in(conn, headers, &n, &bearer);
    struct antiphon_ws_request request = {
        .struct_size = sizeof request,
        .resolve_timeout_ms = number(deadlines, "resolve_ms"),
        .connect_timeout_ms = number(deadlines, "connect_ms"),
        .max_message = number(conn->run, "max_message"),
        .url = url.data,
        .headers = headers,
    };
    conn->phase = CONNECTING;
    status = url.failed || bearer.failed
                 ? ANTIPHON_ENOMEM
                 : host->ws_open(host, conn->sink, &request, &handlers, conn, &conn->ws);
    if (status != ANTIPHON_OK)
        snprintf(why, why_size, "the connection to the model service could not be started");
    if (bearer.data)
        OPENSSL_cleanse(bearer.data, bearer.len);
    text_free(&bearer);
    text_free(&url);
    cJSON_Delete(conn->run);
    conn->run = NULL;
    return status;
}

/* EBUSY: the token is on its way. */
static enum antiphon_status advance(struct conn *conn, struct token_fault *fault)
{
    enum antiphon_status status = ANTIPHON_OK;
    if (conn->gemini->tokens)
        status = token_get(conn->gemini->tokens, conn->sink, &conn->ticket, &conn->token, fault);
    if (status != ANTIPHON_OK)
        return status;
    *fault = (struct token_fault){0};
    status = connect_ws(conn, fault->cause, sizeof fault->cause);
    return status == ANTIPHON_EBUSY ? ANTIPHON_EUNAVAILABLE : status;
}

static cJSON *parse_run(const char *run, size_t len, char *why, size_t why_size)
{
    struct value value;
    size_t where = 0;
    cJSON *tree = NULL;
    if (len <= MAX_RUN_BYTES && reader_check(run, len, &value, &where))
        tree = cJSON_ParseWithLength(value.p, value.n);
    const char *model = cJSON_GetStringValue(get(tree, "model"));
    if (model && *model)
        return tree;
    snprintf(why, why_size, tree ? "the run names no model" : "the run is not JSON (byte %zu)",
             where);
    cJSON_Delete(tree);
    return NULL;
}

static struct conn *new_conn(const struct gemini *gemini, antiphon_sink sink, cJSON *run)
{
    struct conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return NULL;
    const cJSON *profile = get(run, "profile");
    const char *transcript = cJSON_GetStringValue(get(profile, "input_transcript"));
    const char *handle = cJSON_GetStringValue(get(get(run, "resumption"), "handle"));
    const char *retired = cJSON_GetStringValue(get(profile, "retired"));
    conn->gemini = gemini;
    conn->sink = sink;
    conn->phase = TOKEN;
    conn->run = run;
    conn->style = encode_style_of(profile);
    conn->decode.whole_input = transcript && strcmp(transcript, "whole") == 0;
    conn->context = (struct closing_context){.handle = handle && *handle,
                                             .vertex = gemini->backend.vertex,
                                             .bearer = gemini->backend.auth == BACKEND_BEARER};
    conn->retired = retired ? strdup(retired) : NULL;
    return conn;
}

enum antiphon_status conn_open(void *state, antiphon_sink sink, const char *run, size_t run_len,
                               void **out, char *why, size_t why_size)
{
    struct token_fault fault = {0};
    cJSON *tree = parse_run(run, run_len, why, why_size);
    if (!tree)
        return ANTIPHON_EINVAL;
    struct conn *conn = new_conn(state, sink, tree);
    if (!conn) {
        cJSON_Delete(tree);
        snprintf(why, why_size, "out of memory");
        return ANTIPHON_ENOMEM;
    }
    enum antiphon_status status = advance(conn, &fault);
    if (status == ANTIPHON_OK || status == ANTIPHON_EBUSY) {
        *out = conn;
        return ANTIPHON_OK;
    }
    snprintf(why, why_size, "%s%s%s", fault.cause, fault.next[0] ? " " : "", fault.next);
    conn_close(conn);
    return status;
}

/* ---- afterwards ------------------------------------------------------------------------------ */

static void wake_token(struct conn *conn)
{
    struct token_fault fault = {0};
    enum antiphon_status status = advance(conn, &fault);
    if (status == ANTIPHON_OK || status == ANTIPHON_EBUSY)
        return;
    bool signing_in = conn->phase == TOKEN && !conn->token.text;
    bool again = status == ANTIPHON_ETIMEOUT || status == ANTIPHON_EUNAVAILABLE;
    const struct closing closing = {
        status,
        again ? ANTIPHON_FLAG_MAY_RESUME | ANTIPHON_FLAG_MAY_RESTART | ANTIPHON_FLAG_BACK_OFF : 0,
        signing_in ? "credentials" : "invalid_argument", fault.cause,
        fault.next[0] ? fault.next : "Correct the agent's settings."};
    emit_closed(conn, &closing, NULL);
}

void conn_wake(void *ctx)
{
    struct conn *conn = ctx;
    struct text ids = {0};
    if (conn->phase == TOKEN)
        wake_token(conn);
    else if (conn->phase == ASKING && catalog_answer(conn->catalog, &ids))
        emit_closed(conn, &conn->closing, ids.failed ? NULL : ids.data);
    text_free(&ids);
}

enum antiphon_status conn_send(void *ctx, const struct antiphon_event *event)
{
    struct conn *conn = ctx;
    const struct antiphon_host *host = conn->gemini->host;
    struct encode_message message;
    if (conn->phase != READY)
        return ANTIPHON_EUNAVAILABLE;
    enum antiphon_status status = encode_event(&conn->style, event, &message);
    if (status == ANTIPHON_OK)
        status = host->ws_send(host, conn->ws, message.kind, message.parts, message.n);
    encode_free(&message);
    return status;
}

void conn_close(void *ctx)
{
    struct conn *conn = ctx;
    if (!conn)
        return;
    hang_up(conn, CLOSE_NORMAL, "");
    catalog_free(conn->catalog);
    token_free(&conn->token);
    cJSON_Delete(conn->run);
    free(conn->setup);
    free(conn->history);
    free(conn->retired);
    free(conn);
}
