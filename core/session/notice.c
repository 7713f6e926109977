#include "session/notice.h"

#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

void notices_deinit(struct notices *notices)
{
    struct notice *notice;

    while ((notice = notices_take(notices)))
        free(notice);
}

enum antiphon_status notices_add(struct notices *notices, const char *id, const char *plugin, const char *text)
{
    size_t id_size = strlen(id) + 1, plugin_size = strlen(plugin) + 1, text_size = strlen(text) + 1;
    struct notice **last = &notices->first, *notice;

    while (*last && strcmp((*last)->id, id) != 0)
        last = &(*last)->next;
    if (*last)
        return ANTIPHON_OK;
    if (notices->n == NOTICE_MAX)
        return ANTIPHON_EBUSY;
    notice = calloc(1, sizeof(*notice) + id_size + plugin_size + text_size);
    if (!notice)
        return ANTIPHON_ENOMEM;
    notice->id = memcpy(notice->data, id, id_size);
    notice->plugin = memcpy(notice->data + id_size, plugin, plugin_size);
    notice->text = memcpy(notice->data + id_size + plugin_size, text, text_size);
    *last = notice;
    notices->n++;
    return ANTIPHON_OK;
}

struct notice *notices_take(struct notices *notices)
{
    struct notice *notice = notices->first;

    if (!notice)
        return NULL;
    notices->first = notice->next;
    notice->next = NULL;
    notices->n--;
    return notice;
}

void notices_return(struct notices *notices, struct notice *notice)
{
    notice->next = notices->first;
    notices->first = notice;
    notices->n++;
}

enum antiphon_status notice_print(const struct notice *notice, struct buf *out)
{
    return buf_printf(out, "[Notice of %s, not said by the user. Tell the user now, in the language of the "
                           "conversation.] %s",
                      notice->plugin, notice->text);
}
