#include "kit.h"

#include <stdio.h>
#include <string.h>

void kit_open(struct kit *kit, const char *config)
{
    *kit = (struct kit){.fake = antiphon_fake_open(antiphon_plugin_v1(), config),
                        .text = "",
                        .wall_ms = KIT_WALL_MS};
    assert_non_null(kit->fake);
    if (antiphon_fake_status(kit->fake) != ANTIPHON_OK)
        fail_msg("init: %s", antiphon_fake_why(kit->fake));
    antiphon_fake_set_wall(kit->fake, kit->wall_ms);
}

void kit_close(struct kit *kit)
{
    cJSON_Delete(kit->json);
    assert_int_equal(antiphon_fake_close(kit->fake), 0);
}

void kit_restart(struct kit *kit, const char *config, int64_t down_ms)
{
    kit->wall_ms += down_ms;
    antiphon_fake_set_wall(kit->fake, kit->wall_ms);
    antiphon_fake_restart(kit->fake, config);
}

void kit_advance(struct kit *kit, uint64_t ms)
{
    kit->wall_ms += (int64_t)ms;
    antiphon_fake_advance(kit->fake, ms);
}

static enum antiphon_status keep(struct kit *kit, const struct antiphon_fake_result *result)
{
    cJSON_Delete(kit->json);
    kit->text = result->text;
    kit->receipt = result->receipt;
    kit->json = result->status == ANTIPHON_OK ? cJSON_Parse(result->text) : NULL;
    return result->status;
}

enum antiphon_status kit_call(struct kit *kit, const char *tool, const char *fmt, ...)
{
    char args[8192];
    va_list list;

    va_start(list, fmt);
    int n = vsnprintf(args, sizeof(args), fmt, list);
    va_end(list);
    assert_true(n > 0 && (size_t)n < sizeof(args));
    kit->call = antiphon_fake_start(kit->fake, tool, args);
    assert_int_not_equal(kit->call, 0);
    return keep(kit, antiphon_fake_wait(kit->fake, kit->call));
}

enum antiphon_status kit_undo(struct kit *kit, unsigned call)
{
    return keep(kit, antiphon_fake_undo(kit->fake, call));
}

const char *kit_get(const struct kit *kit, const char *member)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(kit->json, member));
}

int kit_count(const struct kit *kit, const char *member)
{
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(kit->json, member);
    return cJSON_IsArray(array) ? cJSON_GetArraySize(array) : -1;
}

enum antiphon_verdict kit_check(struct kit *kit, enum antiphon_hook_point point, const char *tool,
                                const char *text)
{
    const struct antiphon_fake_verdict *verdict =
        antiphon_fake_ask(kit->fake, point, tool, NULL, text);

    kit->text = verdict->text;
    return verdict->verdict;
}

static int lines(const char *text)
{
    int n = 0;

    for (; (text = strchr(text, '\n')); text++)
        n++;
    return n;
}

int kit_rows(struct kit *kit)
{
    return lines(antiphon_fake_rows(kit->fake));
}

int kit_notices(struct kit *kit)
{
    return lines(antiphon_fake_notices(kit->fake));
}

bool kit_said(struct kit *kit, const char *text)
{
    return strstr(antiphon_fake_notices(kit->fake), text);
}

bool kit_logged(struct kit *kit, const char *line)
{
    return strstr(antiphon_fake_log(kit->fake), line);
}
