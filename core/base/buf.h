/* buf - a growing byte buffer with a ceiling given at creation. Not thread-safe; owned by whoever
 * embeds it. After a failed append (ENOMEM, ETOOBIG) the content is unchanged, `failed` is set and
 * every later append is refused until buf_reset(), so that a writer may append in a row and check
 * once with buf_status(). What is appended must not be part of the buffer itself. */
#ifndef BASE_BUF_H
#define BASE_BUF_H
#include "base/status.h"

struct buf {
    char *data; /* owned; NUL-terminated whenever not NULL (the NUL is not counted) */
    size_t len, cap, max;
    enum antiphon_status failed; /* first failure since init or reset */
};

void buf_init(struct buf *buf, size_t max);
void buf_deinit(struct buf *buf);
void buf_reset(struct buf *buf); /* empties, keeps the memory */
enum antiphon_status buf_reserve(struct buf *buf, size_t more);
enum antiphon_status buf_append(struct buf *buf, const void *data, size_t len);
enum antiphon_status buf_puts(struct buf *buf, const char *text);
enum antiphon_status buf_printf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* text as a JSON string with its quotes; raw UTF-8, control characters escaped; bytes that are not
 * valid UTF-8 become U+FFFD. */
enum antiphon_status buf_json_string(struct buf *buf, const char *text, size_t len);
/* Leading bytes of text that stand for themselves in a JSON string, all of them ASCII. */
size_t buf_json_plain(const char *text, size_t len);
/* Cuts the content to its first len bytes; nothing if it is shorter. */
void buf_truncate(struct buf *buf, size_t len);
/* A member of an object: name, colon and text as JSON strings, without a comma. name needs no escaping. */
enum antiphon_status buf_json_member(struct buf *buf, const char *name, const char *text);
/* Removes the first n bytes. */
void buf_consume(struct buf *buf, size_t n);
enum antiphon_status buf_status(const struct buf *buf);
/* Moves the NUL-terminated content out (caller frees); NULL if nothing was ever appended or it
 * failed. */
char *buf_take(struct buf *buf);
/* The content as a C string, "" when empty; borrowed. */
const char *buf_text(const struct buf *buf);
#endif
