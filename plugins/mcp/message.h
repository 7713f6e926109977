/* message - JSON-RPC messages of the Model Context Protocol: what is sent, and what came back as
 * something that a model can read. Pure. Protocol: modelcontextprotocol.io, revisions 2024-11-05 to
 * 2025-11-25 (the older era, with a handshake) and 2026-07-28 (the newer one, which tells
 * everything in each request). */
#ifndef MCP_MESSAGE_H
#define MCP_MESSAGE_H
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "antiphon/plugin.h"

#define MESSAGE_NEWER    "2026-07-28"
#define MESSAGE_OLDER    "2025-11-25"  /* what initialize asks for */
#define MESSAGE_MAX_TEXT (128u * 1024) /* of a result; the rest is cut and that is said */
#define MESSAGE_MAX_WHY  1024

/* One line of JSON, caller frees with cJSON_free(); NULL: no memory. Takes params, which may be
 * NULL. id 0: a notification. version: of the newer era, else NULL. progress: ask for it
 * (tools/call). */
char *message_print(int64_t id, const char *method, cJSON *params, const char *version,
                    bool progress);
/* params of initialize. */
cJSON *message_initialize(void);
bool message_is_older(const char *version); /* a revision of the older era that we speak */

/* The id (or progress token) of a message is that one; what a server sends may be anything. */
bool message_id_is(const cJSON *value, int64_t id);
/* The answer to the request `id` in a text: one message, or an array of them. Others in it go to
 * other(), which may be NULL. NULL: it is not there. Caller deletes. */
typedef void message_other_fn(void *ctx, const cJSON *message);
cJSON *message_find(const char *text, size_t len, int64_t id, message_other_fn *other, void *ctx);

/* The server asks us something. */
bool message_is_question(const cJSON *message);
/* "ping" is answered; everything else we cannot do, and have not said that we could. Caller frees
 * with cJSON_free(); NULL: no memory. */
char *message_answer(const cJSON *question);
/* What a message says of the progress of the request `id`, or NULL. Borrowed. */
const char *message_progress(const cJSON *message, int64_t id);
/* params of subscriptions/listen (newer era). */
cJSON *message_listen(void);

/* Of the error of an answer (0 and "" if there is none): */
int message_error(const cJSON *answer, char *why, size_t size);
/* UnsupportedProtocolVersionError and its like: only a server of the newer era says that. */
bool message_is_newer_error(const cJSON *answer);

/* What the model shall get for the result of tools/call: structuredContent if there is, else
 * {"text": ...}; pictures, sound and files are told of in words. Caller deletes. NULL with a
 * sentence in why: the tool failed, or wants what we cannot. */
cJSON *message_result(const cJSON *result, char *why, size_t size);

/* The inputSchema of a tool within the subset that plugin tools may use: references are resolved,
 * what cannot be said is left out (the server checks it again anyway). Text, caller frees with
 * cJSON_free(); NULL: no memory. */
char *message_schema(const cJSON *schema);
/* It has parameters that must be repeated as HTTP headers (x-mcp-header). */
bool message_wants_headers(const cJSON *schema);
#endif
