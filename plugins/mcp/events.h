/* events - a stream of server-sent events as it comes, in pieces of any size. Pure. Format: HTML
 * standard, "Server-sent events". */
#ifndef MCP_EVENTS_H
#define MCP_EVENTS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENTS_MAX_DATA (4u << 20) /* bytes of one event, and of one line */
#define EVENTS_MAX_ID   256        /* longer ones are passed over */

struct events {
    char *line, *data; /* owned */
    size_t line_len, line_size, data_len, data_size;
    bool after_cr, has_data;
    char id[EVENTS_MAX_ID]; /* of the last event that had one, "" if none had */
    char next_id[EVENTS_MAX_ID];
    uint32_t retry_ms; /* what the server wants; 0: it did not say */
};

/* The data of one event, NUL-terminated. */
typedef void events_fn(void *ctx, const char *data, size_t len);

/* Starts zeroed. False: too long, or no memory; nothing more can be read. */
bool events_feed(struct events *events, const char *bytes, size_t len, events_fn *fn, void *ctx);
/* The stream has ended: what began last is told too, if it has data. It may go on with another,
 * id and retry_ms are kept. */
void events_end(struct events *events, events_fn *fn, void *ctx);
void events_free(struct events *events);
#endif
