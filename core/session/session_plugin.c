#include "session/session_plugin.h"

#include <stdlib.h>
#include <string.h>

#include "session/session_private.h"
#include "session/tool_job.h"
#include "base/banned.h"

struct published {
    struct session_message message;
    const char *call_id, *plugin, *name; /* in text */
    size_t len;
    char text[]; /* the JSON and a NUL, then the others */
};

static void on_published(struct session *session, struct session_message *message)
{
    const struct published *published = (struct published *)message;
    struct antiphon_event event = EVENT_INIT(EVENT_PLUGIN);

    event.id = published->call_id;
    event.name = published->name;
    event.detail = published->plugin;
    event.data = published->text;
    event.len = published->len;
    session_tell(session, &event);
}

static const char *put(char **at, const char *text, size_t len)
{
    char *copy = *at;

    memcpy(copy, text, len);
    copy[len] = '\0';
    *at += len + 1;
    return copy;
}

enum antiphon_status session_plugin_publish(const struct antiphon_call *call, const char *plugin, const char *name,
                                            const char *json, size_t len)
{
    size_t size = len + strlen(call->call_id) + strlen(plugin) + strlen(name) + 4;
    struct published *published = NULL;
    char *at;

    if (!tool_job_may_show(call))
        return ANTIPHON_EBUSY;
    published = calloc(1, sizeof(*published) + size);
    if (!published)
        return ANTIPHON_ENOMEM;
    at = published->text;
    (void)put(&at, json, len);
    published->len = len;
    published->call_id = put(&at, call->call_id, strlen(call->call_id));
    published->plugin = put(&at, plugin, strlen(plugin));
    published->name = put(&at, name, strlen(name));
    published->message.fn = on_published;
    tool_job_post(call, &published->message);
    return ANTIPHON_OK;
}
