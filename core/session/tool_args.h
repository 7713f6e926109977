/* tool_args - what the model gives to a tool, checked, and what it is told when that is wrong. The sentences are those
 * that models tuned on Google's agent kit know. Pure. */
#ifndef SESSION_TOOL_ARGS_H
#define SESSION_TOOL_ARGS_H
#include "base/buf.h"
#include "plugin/registry.h"

#define TOOL_ARGS_MAX_NAME_BYTES 128 /* of an unknown tool's name as it is quoted; longer ones are cut */

/* Checks the arguments of a call (a JSON object; len 0 stands for an empty one): unknown members are dropped, `clean`
 * gets the JSON object for the tool, to the byte as it came unless something was dropped (numbers keep all their digits
 * then). EINVAL: `why` gets a sentence for the model that says what is missing or wrong and how to call again. ENOMEM,
 * ETOOBIG: of the buffers. */
enum antiphon_status tool_args_check(const struct registry_tool *tool, const char *args, size_t len,
                                     struct buf *clean, struct buf *why) MUST_CHECK;
/* The sentence for a tool that does not exist or is not allowed; names are those that are. */
void tool_unknown_text(const char *name, const char *const *names, size_t n, struct buf *why);
#endif
