/* dotenv - .env files: NAME=value, export prefix, quotes, comments, as python-dotenv reads them (no command
 * substitution). [main], before threads: it sets the environment. */
#ifndef CONFIG_DOTENV_H
#define CONFIG_DOTENV_H
#include "base/err.h"

#define DOTENV_MAX_BYTES (64u * 1024)
/* Pure: calls set for every assignment; err names the line. */
enum antiphon_status dotenv_parse(const char *text, size_t len,
                                  void (*set)(void *ctx, const char *name, const char *value), void *ctx,
                                  struct err *err) MUST_CHECK;
/* Sets what is not yet set. A missing file is OK (*found false). */
enum antiphon_status dotenv_load(const char *path, bool *found, struct err *err) MUST_CHECK;
#endif
