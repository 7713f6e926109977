/* Everything that a handshake or a request can hold: who is let in, to which conversation, and what is answered.
 * Lines: method, path, Host, Origin, subprotocol, query ("name=value&..."). The first byte chooses between a server on
 * loopback and one that others can reach. */
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/http_route.h"
#include "api/ws_route.h"
#include "auth/origin.h"
#include "auth/user_id.h"
#include "net/ws_upgrade.h"
#include "session/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

#define LINES 6
enum { METHOD, PATH, HOST, ORIGIN, SUBPROTOCOL, QUERY };

static struct runtime runtime;
static struct config config;
static char folder[] = "/tmp/antiphon-fuzz-XXXXXX";

static void write_agent(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    MUST(mkdir(path, 0700) == 0);
    snprintf(path, sizeof(path), "%s/%s/root_agent.yaml", folder, name);
    FILE *file = fopen(path, "w");
    MUST(file);
    fprintf(file, "name: %s\nmodel: m\ninstruction: i\n", name);
    MUST(fclose(file) == 0);
}

static int remove_one(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(name);
}

static void set_up(void)
{
    static char host[] = "127.0.0.1", origin[] = "https://app.example.org";
    static char *origins[] = {origin, NULL};
    static const struct host_services none;
    struct store_options options = {.path = NULL};
    struct agents *agents = NULL;
    struct report report;
    struct err err;
    char path[128];

    MUST(mkdtemp(folder));
    write_agent("one");
    write_agent("two");
    report_init(&report);
    MUST(agents_load(folder, "one", &report, &agents) == ANTIPHON_OK);
    report_deinit(&report);
    snprintf(path, sizeof(path), "%s/talk.db", folder);
    options.path = path;
    MUST(store_open(&options, &runtime.store, &err) == ANTIPHON_OK);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    config.host = host;
    config.origins = origins;
    runtime.config = &config;
    runtime.agents = agents;
    /* Without any plugin: whoever would be let in is told 503. */
    MUST(registry_new(&none, &runtime.registry) == ANTIPHON_OK);
}

static void read_query(char *text, struct ws_upgrade_request *request)
{
    char *pair;

    while (request->params < WS_UPGRADE_MAX_PARAMS && (pair = strsep(&text, "&"))) {
        char *value = strchr(pair, '=');
        if (value)
            *value++ = '\0';
        request->param[request->params++] = (struct ws_upgrade_param){.name = pair, .value = value ? value : ""};
    }
}

/* Only who may is let in, and only to a user whose id is in its normal form. */
static void check_accepted(const struct ws_upgrade *upgrade)
{
    char user[USER_ID_MAX_DIGITS + 2], again[USER_ID_MAX_DIGITS + 2];

    MUST(strncmp(upgrade->path, "/ws/", 4) == 0);
    MUST(user_id_parse(upgrade->path + 4, strlen(upgrade->path + 4), user) == ANTIPHON_OK);
    MUST(user_id_parse(user, strlen(user), again) == ANTIPHON_OK && strcmp(user, again) == 0);
    MUST(strspn(user + (user[0] == '-'), "0123456789") == strlen(user) - (user[0] == '-'));
    MUST(!origin_host_is_loopback(config.host) || !upgrade->host[0] || origin_host_is_loopback(upgrade->host));
    MUST(!upgrade->origin[0] || strncasecmp(upgrade->origin, "http", 4) == 0);
    MUST(strcmp(upgrade->subprotocol, "") == 0 || strcmp(upgrade->subprotocol, "antiphon.v1") == 0);
}

static void fuzz_upgrade(char *line[LINES])
{
    struct ws_upgrade_request request = {.upgrade = {.path = line[PATH], .raw_path = line[PATH], .origin = line[ORIGIN],
                                                     .host = line[HOST], .subprotocol = line[SUBPROTOCOL]}};
    void *link = NULL;
    int refusal;

    read_query(line[QUERY], &request);
    request.upgrade.query = &request;
    refusal = ws_route_on_upgrade(&runtime, NULL, &request.upgrade, &link);
    MUST(refusal == 400 || refusal == 403 || refusal == 404 || refusal == 503);
    MUST(!link);
    if (refusal == 503)
        check_accepted(&request.upgrade);
}

static void fuzz_request(char *line[LINES])
{
    struct http_request request = {.method = line[METHOD], .path = line[PATH], .host = line[HOST], .origin = line[ORIGIN]};
    struct http_reply reply = {.status = 0};

    buf_init(&reply.body, 16u << 20);
    http_route_on_request(&runtime, &request, &reply);
    MUST(reply.status == 0 || reply.status == 200 || reply.status == 403 || reply.status == 503);
    MUST(!reply.status == !reply.content_type);
    MUST(buf_status(&reply.body) == ANTIPHON_OK);
    MUST(reply.status == 0 || reply.body.len > 0);
    buf_deinit(&reply.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char everywhere[] = "0.0.0.0", loopback[] = "127.0.0.1";
    char text[4096], *at = text, *line[LINES];

    if (!runtime.agents)
        set_up();
    if (size == 0 || size > sizeof(text))
        return 0;
    config.host = data[0] & 1 ? everywhere : loopback;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    for (unsigned i = 0; i < LINES; i++) {
        line[i] = at ? strsep(&at, "\n") : text + size - 1;
    }
    fuzz_request(line);
    fuzz_upgrade(line);
    return 0;
}
