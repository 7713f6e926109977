#include "plugin/host_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "plugin/registration.h"
#include "base/banned.h"

static bool may_change(const struct host *host)
{
    return host->set_tools && host->manifest &&
           json_get_bool(manifest_tree(host->manifest), "dynamic_tools", false);
}

static enum antiphon_status take_all(const struct host *host, const struct antiphon_tool *const *tools, size_t n,
                                     struct registry_tool *copies, struct err *err)
{
    enum antiphon_status status = ANTIPHON_OK;

    for (size_t i = 0; i < n && !status; i++) {
        status = host_take_tool(host, tools[i], &copies[i], err);
        copies[i].plugin = host->name;
        for (size_t k = 0; k < i && !status; k++) {
            if (strcmp(copies[k].tool.name, copies[i].tool.name) == 0)
                status = err_set(err, ANTIPHON_EEXISTS, "tool %s: is there twice", copies[i].tool.name);
        }
    }
    return status;
}

enum antiphon_status host_set_tools(const struct antiphon_host *h, const struct antiphon_tool *const *tools, size_t n)
{
    const struct host *host = host_of(h);
    struct registry_tool *copies = calloc(n + 1, sizeof(*copies));
    struct err why = {0};
    enum antiphon_status status = copies ? ANTIPHON_OK : err_set(&why, ANTIPHON_ENOMEM, "no memory");

    if (!status && !may_change(host))
        status = err_set(&why, ANTIPHON_EDENIED, "its manifest has no \"dynamic_tools\"");
    if (!status && n > HOST_MAX_TOOLS)
        status = err_set(&why, ANTIPHON_EBUSY, "more than %d tools", HOST_MAX_TOOLS);
    if (!status)
        status = take_all(host, tools, n, copies, &why);
    if (!status)
        status = host->set_tools(host->set_tools_ctx, host->name, copies, n, &why);
    if (!status && host->services->tools_changed)
        host->services->tools_changed(host->services->ctx);
    for (size_t i = 0; status && copies && i < n && i < HOST_MAX_TOOLS; i++)
        registration_tool_free(&copies[i]);
    if (status && status != ANTIPHON_EUNAVAILABLE)
        log_error(host->name, "set_tools() was refused: %s", why.text);
    free(copies);
    return status;
}
