/* log - structured lines to stderr: time, level, component, message, key=value pairs in the
 * message. Any thread; one write() a line, at most LOG_MAX_LINE bytes (longer ones are cut and end
 * in "..."). Control characters and bytes that are not UTF-8 are written as \n or \xNN. A reader of
 * stderr that stalls stalls the writer: give it a file or a collector that reads. Never given
 * content of conversations above debug level and never a secret. */
#ifndef BASE_LOG_H
#define BASE_LOG_H
#include "base/status.h"

#define LOG_MAX_LINE 4096

/* "debug", "info", "warn", "error"; EINVAL otherwise. */
enum antiphon_status log_level_parse(const char *text, enum antiphon_log_level *level) MUST_CHECK;
void log_set_level(enum antiphon_log_level level);
bool log_enabled(enum antiphon_log_level level);
void log_line(enum antiphon_log_level level, const char *component, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* From now on lines go to fn, as they were written, instead of stderr. Before there are threads. */
typedef void log_sink_fn(void *ctx, enum antiphon_log_level level, const char *text);
void log_set_sink(log_sink_fn *fn, void *ctx);

#define log_debug(component, ...)                                                                  \
    do {                                                                                           \
        if (log_enabled(ANTIPHON_DEBUG))                                                           \
            log_line(ANTIPHON_DEBUG, component, __VA_ARGS__);                                      \
    } while (0)
#define log_info(component, ...)  log_line(ANTIPHON_INFO, component, __VA_ARGS__)
#define log_warn(component, ...)  log_line(ANTIPHON_WARN, component, __VA_ARGS__)
#define log_error(component, ...) log_line(ANTIPHON_ERROR, component, __VA_ARGS__)
#endif
