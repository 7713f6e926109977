#include "api/ws_route.h"

#include <stdio.h>
#include <string.h>

#include "auth/origin.h"
#include "auth/user_id.h"
#include "base/log.h"
#include "frontend/wire_sample.h"
#include "frontend/wire_v1.h"
#include "session/link.h"
#include "base/banned.h"

const char *const ws_route_subprotocols[] = {"antiphon.v1", NULL};

static const struct frontend *const frontends[] = {&wire_sample, &wire_v1};

static const struct frontend *find_frontend(const char *subprotocol)
{
    for (size_t i = 0; i < sizeof(frontends) / sizeof(frontends[0]); i++) {
        if (strcmp(frontends[i]->subprotocol, subprotocol) == 0)
            return frontends[i];
    }
    return NULL;
}

/* The user id of /ws/{user_id}; 403 for any other path, as the original answers it. */
static int parse_path(const char *path, char user[USER_ID_MAX_DIGITS + 2])
{
    const char *id = path + 4;

    if (strncmp(path, "/ws/", 4) != 0)
        return 403;
    return user_id_parse(id, strlen(id), user) ? 403 : 0;
}

static int parse_audio(const char *text, enum client_audio *audio)
{
    if (!text || strcmp(text, "base64") == 0)
        *audio = CLIENT_AUDIO_BASE64;
    else if (strcmp(text, "binary") == 0)
        *audio = CLIENT_AUDIO_BINARY;
    else if (strcmp(text, "off") == 0)
        *audio = CLIENT_AUDIO_OFF;
    else
        return 400;
    return 0;
}

static bool is_there(const char *what, const char *name, bool there, const struct agent *agent)
{
    if (!there)
        log_warn("agent", "agent=%s a conversation was refused: its %s %s is not there", agent->folder, what, name);
    return there;
}

/* One without its model or tools would promise what it cannot do. They come back with their plugin. */
static bool is_whole(struct runtime *runtime, const struct agent *agent)
{
    const char *model = agent->live.provider;

    if (!is_there("model", model, registry_model(runtime->registry, model) != NULL, agent))
        return false;
    for (size_t i = 0; i < agent->tools_n; i++) {
        const char *name = agent->tools[i].name;
        if (!is_there("tool", name, registry_tool(runtime->registry, name) != NULL, agent))
            return false;
    }
    return true;
}

static int parse(struct runtime *runtime, const struct ws_upgrade *upgrade, struct link_options *options,
                 char user[USER_ID_MAX_DIGITS + 2])
{
    const char *agent = ws_upgrade_query(upgrade, "agent");
    const char *is_audio = ws_upgrade_query(upgrade, "is_audio");
    int refusal = parse_path(upgrade->path, user);

    if (refusal)
        return refusal;
    options->frontend = find_frontend(upgrade->subprotocol);
    if (!options->frontend)
        return 400;
    if (!options->frontend->wants_hello && !is_audio)
        return 403;
    options->wants_audio = is_audio && strcmp(is_audio, "true") == 0;
    options->agent = agent ? agents_find(runtime->agents, agent) : agents_default(runtime->agents);
    if (!options->agent)
        return 404;
    if (!is_whole(runtime, options->agent))
        return 503;
    return parse_audio(ws_upgrade_query(upgrade, "audio"), &options->audio);
}

int ws_route_on_upgrade(void *ctx, struct shard *shard, const struct ws_upgrade *upgrade, void **link)
{
    struct runtime *runtime = ctx;
    char user[USER_ID_MAX_DIGITS + 2], session[1024];
    struct link_options options = {0};
    struct link *made = NULL;
    int refusal;

    if (!origin_host_allowed(upgrade->host, origin_host_is_loopback(runtime->config->host)) ||
        !origin_allowed(upgrade->origin, upgrade->host, runtime->config->origins))
        return 403;
    refusal = parse(runtime, upgrade, &options, user);
    if (refusal)
        return refusal;
    if (snprintf(session, sizeof(session), "%s_%s", options.agent->live.app_name, user) >= (int)sizeof(session))
        return 403;
    options.user = user;
    options.session = session;
    if (link_new(runtime, shard, &options, &made))
        return 503;
    *link = made;
    return 0;
}
