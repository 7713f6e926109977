/* dotenv - .env files: NAME=value, export prefix, quotes, comments, as python-dotenv reads them (no
 * command substitution). [main], before threads: it sets the environment.
 *
 * A value is plain (up to " #" or the end of the line, white space around it dropped), in single
 * quotes
 * (\\ and \' are escapes) or in double quotes (\\ \' \" \a \b \f \n \r \t \v); quoted ones may span
 * lines. A name without "=" sets nothing. "${NAME}" and "${NAME:-default}" in a value are replaced
 * when a file is loaded: by the environment, else by what the file has set before, else by nothing.
 */
#ifndef CONFIG_DOTENV_H
#define CONFIG_DOTENV_H
#include "base/err.h"

#define DOTENV_MAX_BYTES (64u * 1024)
#define DOTENV_MAX_NAMES 1024
/* Pure: calls set for every assignment; err names the line. */
enum antiphon_status dotenv_parse(const char *text, size_t len,
                                  void (*set)(void *ctx, const char *name, const char *value),
                                  void *ctx, struct err *err) MUST_CHECK;
/* Sets what is not yet set. A missing file is OK (*found false). */
enum antiphon_status dotenv_load(const char *path, bool *found, struct err *err) MUST_CHECK;

/* The same, and the line (from 1; 0: no line) of a fault apart from its text. */
enum antiphon_status dotenv_load_at(const char *path, bool *found, int *line,
                                    struct err *err) MUST_CHECK;
#endif
