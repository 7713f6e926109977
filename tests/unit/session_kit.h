/* session_kit - a whole server in one process for the tests of core/session: settings, agents, store and shards as
 * command/serve puts them together, with echo_model (tests/fixtures/plugins) as the model. Clients are real sockets. */
#ifndef TESTS_UNIT_SESSION_KIT_H
#define TESTS_UNIT_SESSION_KIT_H
#include "net_kit.h"

#include <ftw.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "alloc.h"
#include "api/http_route.h"
#include "api/ws_route.h"
#include "base/log.h"
#include "command/assembly.h"
#include "session/link.h"
#include "session/session_private.h"
#include "session/tool_job.h"

/* What starts /proc/self/exe for a part of the server must not get another run of the tests, which would start it again. */
__attribute__((constructor)) static void kit_is_no_part(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "runner") == 0)
        _exit(3);
}

struct server_kit {
    struct assembly assembly;
    struct runtime runtime;
    struct ws_server_options ws;
    struct http_server_options http;
    int port;
    char folder[64], database[96];
};
static struct server_kit server;

/* In milliseconds, for the next kit_start(). None passes while a test waits for something else, however busy the machine is; a
 * test of a deadline gets a server with short ones. */
struct kit_deadlines {
    unsigned setup, first_byte, tool, confirm, journey;
};
#define KIT_PATIENT   ((struct kit_deadlines){15000, 15000, 15000, 15000, 15000})
#define KIT_IMPATIENT ((struct kit_deadlines){1000, 1000, 500, 1000, 1500})
static struct kit_deadlines kit_deadlines = {15000, 15000, 15000, 15000, 15000};

/* ---- what plugins call: as in command/serve, but for the network ------------------------------------------ */

static inline void kit_finish(void *ctx, struct antiphon_call *call, enum antiphon_status status, const char *text, size_t len)
{
    (void)ctx;
    tool_job_finish(call, status, text, len);
}

static inline bool kit_cancelled(void *ctx, const struct antiphon_call *call)
{
    (void)ctx;
    return tool_job_cancelled(call);
}

static inline void kit_progress(void *ctx, struct antiphon_call *call, const char *text, size_t len)
{
    (void)ctx;
    tool_job_progress(call, text, len);
}

static inline enum antiphon_status kit_receipt(void *ctx, struct antiphon_call *call, const char *json, size_t len)
{
    (void)ctx;
    return tool_job_receipt(call, json, len);
}

static inline void kit_emit(void *ctx, antiphon_sink sink, const struct antiphon_event *event)
{
    sessions_emit(ctx, sink, event);
}

static inline void kit_wake(void *ctx, antiphon_sink sink)
{
    sessions_wake(ctx, sink);
}

static inline void *kit_on_start(void *ctx, struct shard *shard)
{
    struct sessions *sessions = NULL;

    assert_int_equal(sessions_new(ctx, shard, &sessions), ANTIPHON_OK);
    return sessions;
}

static inline void kit_on_stop(void *ctx, struct shard *shard, void *sessions)
{
    (void)ctx, (void)shard;
    sessions_free(sessions);
}

/* ---- files ------------------------------------------------------------------------------------------------- */

static inline void kit_write(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", server.folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static inline int kit_remove_one(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(name);
}

/* First column of the first row, "" for none; good until the next call. */
static inline const char *kit_query(const char *sql)
{
    static char text[65536];
    sqlite3_stmt *statement = NULL;
    sqlite3 *db = NULL;

    text[0] = '\0';
    assert_int_equal(sqlite3_open(server.database, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_text(statement, 0))
        snprintf(text, sizeof(text), "%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return text;
}

/* ---- the server -------------------------------------------------------------------------------------------- */

#define KIT_AGENT(name, model, more)                                                               \
    "name: " name "\nmodel: " model "\ninstruction: Echo.\ndescription: An echo.\n" more "\n"
#define KIT_LIVE "live: {provider: echo_model, app_name: echo-app"

static inline void kit_write_files(unsigned shards)
{
    char path[256], text[2048];
    static const char *const folders[] = {"agents", "agents/echo", "agents/voice"};

    snprintf(server.folder, sizeof(server.folder), "/tmp/antiphon-session-XXXXXX");
    assert_non_null(mkdtemp(server.folder));
    snprintf(server.database, sizeof(server.database), "%s/talk.db", server.folder);
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", server.folder, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    snprintf(text, sizeof(text),
             "shards: %u\nagents_dir: agents\nstore: sqlite:talk.db\nplugins_dir: %s\ndefault_agent: echo\n"
             "plugins: {echo_model: {}, time_tools: {slow_ms: 20}, life_tools: {log: '%s/log'}}\n"
             "deadlines: {setup_ms: %u, first_byte_ms: %u, tool_ms: %u, confirm_ms: %u}\n"
             "models: [{provider: echo_model, backend: '*', match: '', modalities: [TEXT, AUDIO], text: realtime,\n"
             "  history: client_content}, {provider: echo_model, backend: '*', match: voice, modalities: [AUDIO]}]\n",
             shards, FIXTURE_PLUGINS_DIR, server.folder, kit_deadlines.setup, kit_deadlines.first_byte, kit_deadlines.tool,
             kit_deadlines.confirm);
    kit_write("antiphon.yaml", text);
    snprintf(text, sizeof(text),
             KIT_AGENT("echo_agent", "echo-1",
                       "tools: [{name: get_time}, {name: slow_time}, {name: hang}, {name: twice}, {name: late}, {name: refuse},\n"
                       "  {name: book}, {name: nap}, {name: keep}, {name: background}, {name: pay}, {name: transfer}, "
                       "{name: tally}, {name: stuck}, {name: journey}]\n")
             KIT_LIVE ",\n  tools: {tally: {calls_per_turn: 2}, nap: {concurrency: 2}, journey: {deadline_ms: %u},\n"
                      "    late: {confirm: never}}}\n",
             kit_deadlines.journey);
    kit_write("agents/echo/root_agent.yaml", text);
    kit_write("agents/voice/root_agent.yaml", KIT_AGENT("voice_agent", "voice-1", "") KIT_LIVE "-voice}\n");
}

static inline void kit_assemble(void)
{
    static const struct host_services services = {.ctx = &server.runtime, .finish = kit_finish, .cancelled = kit_cancelled,
                                                  .progress = kit_progress, .receipt = kit_receipt,
                                                  .emit = kit_emit, .wake = kit_wake};
    char path[256];
    struct config_flags flags = {.config_file = path, .port = -1, .shards = -1};
    struct report report;

    snprintf(path, sizeof(path), "%s/antiphon.yaml", server.folder);
    report_init(&report);
    if (assembly_load_config(&server.assembly, &flags, &report) ||
        assembly_load_plugins(&server.assembly, &services, &report))
        fail_msg("%s", buf_text(&report.text));
    report_deinit(&report);
}

static inline void kit_start_shards(void)
{
    const struct config *config = server.assembly.config;
    struct shard_options options = {.host = "127.0.0.1", .ws = &server.ws, .http = &server.http,
                                    .on_start = kit_on_start, .on_stop = kit_on_stop, .ctx = &server.runtime};
    struct err err = {0};
    int reserve = -1;

    server.ws = (struct ws_server_options){
        .subprotocols = ws_route_subprotocols, .max_connections = 1000, .max_message = config->limits.client_message_bytes,
        .max_control_bytes = config->limits.client_control_bytes,
        .max_control_messages = config->limits.client_control_messages,
        .max_audio_bytes = config->limits.client_audio_bytes, .stall_ms = config->limits.client_stall_ms,
        .on_upgrade = ws_route_on_upgrade, .on_open = link_on_open, .on_message = link_on_message,
        .on_close = link_on_close, .ctx = &server.runtime};
    server.http = (struct http_server_options){.on_request = http_route_on_request, .ctx = &server.runtime};
    server.port = 0;
    assert_int_equal(listener_probe("127.0.0.1", &server.port, &reserve, &err), ANTIPHON_OK);
    options.port = server.port;
    for (unsigned i = 0; i < config->shards; i++) {
        options.index = i;
        if (shard_start(&options, &server.runtime.shards[i], &err))
            fail_msg("%s", err.text);
        server.runtime.shards_n = i + 1;
    }
    close(reserve);
}

static inline void kit_open_parts(void)
{
    struct runtime *runtime = &server.runtime;
    struct store_options store = {.path = server.database};
    struct err err = {0};

    runtime->config = server.assembly.config;
    runtime->agents = server.assembly.agents;
    runtime->profiles = server.assembly.profiles;
    runtime->registry = server.assembly.registry;
    assert_int_equal(directory_new(&runtime->directory), ANTIPHON_OK);
    assert_int_equal(pool_new("tools", 4, 100, &runtime->pool), ANTIPHON_OK);
    assert_int_equal(alarms_new(runtime->pool, &runtime->alarms), ANTIPHON_OK);
    if (store_open(&store, &runtime->store, &err))
        fail_msg("%s", err.text);
}

static inline void kit_start(unsigned shards)
{
    struct err err = {0};

    memset(&server, 0, sizeof(server));
    tool_jobs_set_phase(TOOL_JOBS_OPEN);
    log_set_level(ANTIPHON_ERROR);
    kit_write_files(shards);
    kit_assemble();
    assert_int_equal(upstream_global_init(&err), ANTIPHON_OK);
    kit_open_parts();
    kit_start_shards();
}

static inline void kit_count(struct shard *shard, void *count)
{
    *(unsigned *)count = sessions_count(shard_user(shard));
}

/* Waits until no shard has a session any more. */
static inline void kit_until_no_session(void)
{
    uint64_t until = clock_now_ms() + KIT_WAIT_MS;

    for (unsigned i = 0; i < server.runtime.shards_n; i++) {
        struct timespec pause = {0, 1000000};
        unsigned left = 0;
        for (;;) {
            kit_on(server.runtime.shards[i], kit_count, &left);
            if (left == 0 || clock_now_ms() >= until)
                break;
            nanosleep(&pause, NULL);
        }
        if (left > 0)
            fail_msg("%u sessions did not end", left);
    }
}

static inline void kit_end(struct shard *shard, void *unused)
{
    (void)unused;
    sessions_end(shard_user(shard));
}

static inline void kit_stop(void)
{
    struct runtime *runtime = &server.runtime;

    for (unsigned i = 0; i < runtime->shards_n; i++)
        shard_stop_accepting(runtime->shards[i]);
    for (unsigned i = 0; i < runtime->shards_n; i++)
        kit_on(runtime->shards[i], kit_end, NULL);
    kit_until_no_session();
    assert_int_equal(directory_count(runtime->directory), 0);
    tool_jobs_set_phase(TOOL_JOBS_ENDING);
    alarms_free(runtime->alarms);
    pool_free(runtime->pool, 2000);
    tool_jobs_set_phase(TOOL_JOBS_CLOSED);
    store_close(runtime->store);
    for (unsigned i = 0; i < runtime->shards_n; i++)
        shard_stop(runtime->shards[i]);
    assembly_free(&server.assembly);
    directory_free(runtime->directory);
    upstream_global_deinit();
    assert_int_equal(nftw(server.folder, kit_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* Runs on the session's shard with the session of that key; fails if there is none. */
struct kit_look {
    const char *key;
    void (*fn)(struct session *session, void *arg);
    void *arg;
    bool found;
};

static inline void kit_look_on_shard(struct shard *shard, void *arg)
{
    struct kit_look *look = arg;
    struct session *session = NULL;
    const struct agent *agent = agents_default(server.assembly.agents);
    char user[64], id[96];

    (void)shard;
    snprintf(user, sizeof(user), "%s", look->key);
    snprintf(id, sizeof(id), "%s_%s", agent->live.app_name, look->key);
    if (sessions_open(sessions_self(), agent, user, id, &session) == ANTIPHON_OK) {
        look->found = true;
        look->fn(session, look->arg);
    }
}

/* user: of the default agent, on shard 0. */
static inline void kit_look(const char *user, void (*fn)(struct session *session, void *arg), void *arg)
{
    struct kit_look look = {user, fn, arg, false};

    kit_on(server.runtime.shards[0], kit_look_on_shard, &look);
    assert_true(look.found);
}

/* ---- clients ------------------------------------------------------------------------------------------------ */

#define V1 "Sec-WebSocket-Protocol: antiphon.v1\r\n"

/* Sockets of the running test, so that one that failed leaves none behind. */
static int kit_joined[64];
static size_t kit_joined_n;

static inline void kit_leave(int fd)
{
    for (size_t i = 0; i < kit_joined_n; i++) {
        if (kit_joined[i] == fd) {
            kit_joined[i] = kit_joined[--kit_joined_n];
            close(fd);
            return;
        }
    }
}

static inline void kit_leave_all(void)
{
    while (kit_joined_n > 0)
        kit_leave(kit_joined[0]);
}

static inline int kit_join(const char *path, const char *headers)
{
    char answer[2048];
    int fd = kit_connect(server.port);
    int status = kit_ws_ask(fd, path, headers, answer, sizeof(answer));

    assert_true(kit_joined_n < sizeof(kit_joined) / sizeof(kit_joined[0]));
    kit_joined[kit_joined_n++] = fd;

    if (status != 101)
        fail_msg("%s: %s", path, answer);
    return fd;
}

static inline void kit_say(int fd, const char *text)
{
    struct buf frame;

    buf_init(&frame, 1u << 20);
    buf_puts(&frame, "{\"mime_type\":\"text/plain\",\"data\":");
    buf_json_string(&frame, text, strlen(text));
    buf_puts(&frame, "}");
    kit_ws_send(fd, 0x81, buf_text(&frame), frame.len);
    buf_deinit(&frame);
}

/* The next text frame; "(closed CODE)" for a close frame, "(gone)" for the end. Good until the next call. */
static inline const char *kit_next(int fd)
{
    static char frame[4u << 20];
    size_t len;

    for (;;) {
        unsigned first = kit_ws_recv(fd, frame, sizeof(frame), &len);
        if (first == 0x81)
            return frame;
        if (first == 0x88)
            snprintf(frame, sizeof(frame), "(closed %d)", len >= 2 ? kit_ws_code(frame) : 1005);
        if (first == 0)
            snprintf(frame, sizeof(frame), "(gone)");
        if (first == 0 || first == 0x88)
            return frame;
        if (first == 0x82) {
            snprintf(frame, sizeof(frame), "(binary %zu)", len);
            return frame;
        }
    }
}

/* The next frame that has `piece`; those before it are skipped. */
static inline const char *kit_until(int fd, const char *piece)
{
    for (;;) {
        const char *frame = kit_next(fd);
        if (strstr(frame, piece))
            return frame;
        if (frame[0] == '(' && frame[1] != 'b')
            fail_msg("%s instead of %s", frame, piece);
    }
}

#define EXPECT(fd, want) assert_string_equal(kit_next(fd), want)
#define EXPECT_PIECE(fd, piece)                                                                    \
    do {                                                                                           \
        const char *got_frame = kit_next(fd);                                                      \
        if (!strstr(got_frame, piece))                                                             \
            fail_msg("%s:%d: %s instead of ...%s...", __FILE__, __LINE__, got_frame, piece);       \
    } while (0)
#define SAID(text) "{\"mime_type\":\"text/plain\",\"data\":\"" text "\"}"
#define COMPLETE "{\"turn_complete\":true,\"interrupted\":null}"
#define INTERRUPTED "{\"turn_complete\":null,\"interrupted\":true}"
#endif
