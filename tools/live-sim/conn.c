#include "conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CLOSE_WAIT_MS 2000 /* for the peer's answer to our close frame */

/* --- life ------------------------------------------------------------------------------------- */

static void release(struct conn *conn)
{
    if (--conn->open_handles > 0)
        return;
    if (conn->next)
        conn->next->prev = conn->prev;
    *conn->prev = conn->next;
    conn->sim->open--;
    session_free(&conn->session);
    http_request_free(&conn->request);
    ws_reader_free(&conn->reader);
    bytes_free(&conn->pong);
    free(conn);
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void on_closed(void *owner)
{
    struct conn *conn = owner;
    conn->state = CONN_GONE;
    conn->link = NULL;
    for (int i = 0; i < CONN_TIMERS; i++)
        uv_close((uv_handle_t *)&conn->timers[i], on_timer_closed);
    release(conn);
}

static void trace_tcp(struct conn *conn, bool from_client, const char *how)
{
    if (conn->state != CONN_HTTP)
        trace_text(&conn->sim->trace, conn->number, from_client, "tcp", how, strlen(how));
}

static void on_end(void *owner, const char *how)
{
    struct conn *conn = owner;
    trace_tcp(conn, true, how);
    conn->state = CONN_GONE;
}

bool conn_is_open(const struct sim *sim, uint32_t number)
{
    for (const struct conn *conn = sim->conns; conn; conn = conn->next)
        if (conn->number == number && conn->state == CONN_OPEN)
            return true;
    return false;
}

size_t conn_queued(const struct conn *conn)
{
    return conn->state == CONN_GONE ? 0 : link_queued(conn->link);
}

/* --- sending ---------------------------------------------------------------------------------- */

static void write_frames(struct conn *conn, const struct bytes *frames)
{
    link_write(conn->link, bytes_str(frames), frames->len);
}

void conn_send_text(struct conn *conn, const char *text, size_t len, bool half)
{
    const struct wire_style *style = &conn->sim->style;
    struct bytes frames = {0};
    if (conn->state != CONN_OPEN)
        return;
    ws_encode_message(&frames, style->text_opcode ? WS_TEXT : WS_BINARY, text, len,
                      style->fragment);
    trace_text(&conn->sim->trace, conn->number, false, style->text_opcode ? "text" : "binary", text,
               len);
    if (half)
        frames.len /= 2;
    write_frames(conn, &frames);
    bytes_free(&frames);
}

void conn_send(struct conn *conn, cJSON *message)
{
    const struct wire_style *style = &conn->sim->style;
    struct bytes text = {0};
    cJSON *content;
    if (conn->state == CONN_OPEN) {
        if (style->extra_keys) {
            content = cJSON_GetObjectItemCaseSensitive(message, "serverContent");
            if (content)
                cJSON_AddStringToObject(content, "fieldOfTomorrow", "x");
            cJSON_AddItemToArray(cJSON_AddArrayToObject(message, "messageOfTomorrow"),
                                 cJSON_CreateNumber(1));
        }
        json_write(&text, message,
                   (struct json_style){.compact = style->compact, .ascii = style->ascii});
        conn_send_text(conn, bytes_str(&text), text.len, false);
        bytes_free(&text);
    }
    cJSON_Delete(message);
}

static void send_close(struct conn *conn, uint16_t code, const char *reason, bool answer)
{
    char cut[WS_MAX_REASON + 1];
    struct bytes frames = {0};
    size_t len = mem_utf8_cut(reason, strlen(reason), WS_MAX_REASON);
    snprintf(cut, sizeof cut, "%.*s", (int)len, reason);
    ws_encode_close(&frames, code == 1005 ? 0 : code, cut);
    trace_close_frame(&conn->sim->trace, conn->number, false, code, cut, answer);
    write_frames(conn, &frames);
    bytes_free(&frames);
}

void conn_close(struct conn *conn, uint16_t code, const char *reason)
{
    if (conn->state != CONN_OPEN)
        return;
    send_close(conn, code, reason, false);
    conn->state = CONN_CLOSING;
    conn_arm(conn, CONN_CLOSE, CLOSE_WAIT_MS);
}

void conn_reset(struct conn *conn)
{
    if (conn->state == CONN_GONE)
        return;
    trace_tcp(conn, false, "rst");
    conn->state = CONN_GONE;
    link_reset(conn->link);
}

void conn_die(struct conn *conn)
{
    if (conn->state != CONN_GONE)
        trace_tcp(conn, false, "fin");
    conn->state = CONN_GONE;
    if (conn->link)
        link_die(conn->link);
}

static void finish(struct conn *conn)
{
    if (conn->state == CONN_GONE)
        return;
    conn->state = CONN_GONE;
    link_end(conn->link);
}

/* --- receiving frames ------------------------------------------------------------------------- */

static void send_pong(struct conn *conn)
{
    struct bytes frame = {0};
    if (conn->state != CONN_OPEN)
        return;
    ws_encode(&frame, WS_PONG, true, bytes_str(&conn->pong), conn->pong.len);
    trace_text(&conn->sim->trace, conn->number, false, "pong", bytes_str(&conn->pong),
               conn->pong.len);
    write_frames(conn, &frame);
    bytes_free(&frame);
}

static void on_ping(struct conn *conn, const struct ws_message *message)
{
    bytes_reset(&conn->pong);
    bytes_add(&conn->pong, message->data, message->len);
    if (conn->sim->style.pong_delay_ms)
        conn_arm(conn, CONN_PONG, conn->sim->style.pong_delay_ms);
    else
        send_pong(conn);
}

static void on_close_frame(struct conn *conn, const struct ws_message *message)
{
    char reason[WS_MAX_REASON + 1];
    uint16_t code = ws_close_code(message, reason, sizeof reason);
    bool answer = conn->state == CONN_CLOSING;
    trace_close_frame(&conn->sim->trace, conn->number, true, code, reason, answer);
    if (!answer)
        send_close(conn, code, reason, true);
    finish(conn);
}

static void on_frame(struct conn *conn, const struct ws_message *message)
{
    const char *type = message->opcode == WS_TEXT     ? "text"
                       : message->opcode == WS_BINARY ? "binary"
                       : message->opcode == WS_PING   ? "ping"
                                                      : "pong";
    if (message->opcode == WS_CLOSE) {
        on_close_frame(conn, message);
        return;
    }
    trace_text(&conn->sim->trace, conn->number, true, type, message->data, message->len);
    if (message->opcode == WS_PING)
        on_ping(conn, message);
    else if (message->opcode != WS_PONG)
        session_on_message(&conn->session, message->data, message->len);
}

static void on_ws_data(struct conn *conn, const char *data, size_t len)
{
    struct ws_message message;
    uint16_t code = 0;
    if (conn->broken)
        return;
    ws_feed(&conn->reader, data, len);
    while (conn->state == CONN_OPEN || conn->state == CONN_CLOSING) {
        enum ws_status status = ws_next(&conn->reader, &message, &code);
        if (status == WS_MORE)
            return;
        if (status == WS_BROKEN) {
            /* Ending TCP now, with input unread, would take our close frame with it. */
            conn->broken = true;
            conn_close(conn, code, code == 1009 ? "message too big" : "protocol error");
            return;
        }
        on_frame(conn, &message);
    }
}

/* --- HTTP ------------------------------------------------------------------------------------- */

static void trace_open_request(struct conn *conn)
{
    cJSON *data = cJSON_CreateObject(), *headers;
    struct bytes json = {0};
    char *path = http_path(&conn->request);
    if (!conn->sim->trace.file) {
        free(path);
        cJSON_Delete(data);
        return;
    }
    cJSON_AddStringToObject(data, "path", path);
    headers = cJSON_AddArrayToObject(data, "headers");
    for (size_t i = 0; i < conn->request.header_count; i++) {
        const char *name = bytes_str(&conn->request.headers[i].name);
        const char *value = bytes_str(&conn->request.headers[i].value);
        bool secret = !strcasecmp(name, "authorization") || !strcasecmp(name, "x-goog-api-key");
        cJSON *pair = cJSON_CreateArray();
        cJSON_AddItemToArray(pair, cJSON_CreateString(name));
        cJSON_AddItemToArray(pair, cJSON_CreateString(secret ? "<hidden>" : value));
        cJSON_AddItemToArray(headers, pair);
    }
    json_write(&json, data, (struct json_style){.compact = true});
    trace_json(&conn->sim->trace, conn->number, true, "open", bytes_str(&json));
    bytes_free(&json);
    free(path);
    cJSON_Delete(data);
}

void conn_refuse(struct conn *conn, int status, const char *body)
{
    struct bytes out = {0};
    if (conn->state != CONN_HTTP)
        return;
    http_answer(&out, status, "text/plain", "", body);
    write_frames(conn, &out);
    bytes_free(&out);
    finish(conn);
}

void conn_upgrade(struct conn *conn)
{
    char accept[WS_ACCEPT_LENGTH + 1];
    struct bytes out = {0};
    const char *reason;
    if (conn->state != CONN_HTTP)
        return;
    int code = access_check(&conn->access, &conn->request, conn->sim->options.key, &reason);
    if (code == 401) {
        conn_refuse(conn, 401, "Request is missing required authentication credential.\n");
        return;
    }
    ws_accept(http_header(&conn->request, "sec-websocket-key"), accept);
    bytes_printf(&out,
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                 accept);
    write_frames(conn, &out);
    bytes_free(&out);
    conn->state = CONN_OPEN;
    trace_json(&conn->sim->trace, conn->number, false, "open", "{\"status\":101}");
    if (code)
        conn_close(conn, (uint16_t)code, reason);
    else
        session_on_open(&conn->session);
}

static void on_request(struct conn *conn)
{
    const char *key = http_header(&conn->request, "sec-websocket-key");
    bool upgrade = conn->request.upgrade && *key && strlen(key) < 64;
    char *path = http_path(&conn->request);
    struct bytes out = {0};
    if (upgrade && access_read_path(&conn->access, path)) {
        conn->number = ++conn->sim->upgrades;
        trace_open_request(conn);
        if (!play_event(&conn->session, SCENARIO_UPGRADE, NULL, NULL))
            conn_upgrade(conn);
    } else {
        rest_answer(&conn->sim->rest, &conn->request, &out);
        write_frames(conn, &out);
        finish(conn);
    }
    bytes_free(&out);
    free(path);
}

static void on_data(void *owner, const char *data, size_t len)
{
    struct conn *conn = owner;
    size_t used = 0;
    if (conn->state == CONN_HTTP && !conn->request.done) {
        enum http_result result = http_request_feed(&conn->request, data, len, &used);
        if (result == HTTP_BAD)
            conn_refuse(conn, 400, "bad request\n");
        else if (result == HTTP_DONE)
            on_request(conn);
    }
    if (conn->state == CONN_OPEN || conn->state == CONN_CLOSING)
        on_ws_data(conn, data + used, len - used);
    else if (conn->state == CONN_HTTP && conn->request.upgrade && used < len)
        ws_feed(&conn->reader, data + used, len - used);
}

/* --- timers ----------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
    struct conn *conn = timer->data;
    if (conn->state == CONN_GONE)
        return;
    switch ((enum conn_timer)(timer - conn->timers)) {
    case CONN_TURN:
        session_on_turn_timer(&conn->session);
        break;
    case CONN_SETUP:
        session_on_setup_timer(&conn->session);
        break;
    case CONN_CANCEL:
        session_on_cancel_timer(&conn->session);
        break;
    case CONN_CUT:
        conn_close(conn, 1011, "Deadline expired before operation could complete.");
        break;
    case CONN_PLAY:
        play_on_timer(&conn->session);
        break;
    case CONN_PONG:
        send_pong(conn);
        break;
    case CONN_CLOSE:
        finish(conn);
        break;
    case CONN_TIMERS:
        break;
    }
}

void conn_arm(struct conn *conn, enum conn_timer timer, uint64_t ms)
{
    if (!uv_is_closing((uv_handle_t *)&conn->timers[timer]))
        uv_timer_start(&conn->timers[timer], on_timer, ms, 0);
}

void conn_disarm(struct conn *conn, enum conn_timer timer)
{
    uv_timer_stop(&conn->timers[timer]);
}

/* --- accepting -------------------------------------------------------------------------------- */

static void apply_tls_rule(struct conn *conn, const struct scenario_rule *rule)
{
    for (size_t i = 0; i < rule->action_count; i++) {
        if (rule->actions[i].verb == DO_RESET)
            conn_reset(conn);
        else if (rule->actions[i].verb == DO_DIE)
            conn_die(conn);
    }
}

void conn_accept(struct sim *sim, uv_stream_t *listener)
{
    static const struct link_callbacks callbacks = {on_data, on_end, on_closed};
    const struct scenario_rule *rule =
        scenario_find(&sim->scenario, SCENARIO_TLS, ++sim->accepted, NULL);
    bool hang = rule && rule->action_count > 0 && rule->actions[0].verb == DO_HANG;
    struct conn *conn = mem_new(sizeof *conn);
    conn->sim = sim;
    http_request_init(&conn->request);
    session_init(&conn->session, conn);
    for (int i = 0; i < CONN_TIMERS; i++) {
        uv_timer_init(sim->loop, &conn->timers[i]);
        conn->timers[i].data = conn;
    }
    conn->open_handles = CONN_TIMERS + 1;
    conn->next = sim->conns;
    conn->prev = &sim->conns;
    if (conn->next)
        conn->next->prev = &conn->next;
    sim->conns = conn;
    conn->link = link_accept(listener, sim->ssl, hang, &callbacks, conn);
    if (++sim->open > SIM_MAX_CONNECTIONS)
        conn_die(conn);
    else if (rule && !hang)
        apply_tls_rule(conn, rule);
}
