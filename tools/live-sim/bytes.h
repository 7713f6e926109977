/* bytes - a growing byte buffer and the few allocation helpers of this program. The stand-in serves
 * tests and demos on the machine it runs on: when memory ends it says so and aborts, so nothing
 * here returns a failure. Bounds are checked by the callers, each against its own limit. */
#ifndef LIVE_SIM_BYTES_H
#define LIVE_SIM_BYTES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    char *data; /* owned; NUL-terminated whenever not NULL (the NUL is not counted) */
    size_t len, cap;
};

void bytes_free(struct bytes *bytes);
void bytes_reset(struct bytes *bytes); /* empties, keeps the memory */
void bytes_add(struct bytes *bytes, const void *data, size_t len);
void bytes_text(struct bytes *bytes, const char *text);
void bytes_printf(struct bytes *bytes, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void bytes_consume(struct bytes *bytes, size_t len); /* drops the first len bytes */
const char *bytes_str(const struct bytes *bytes);    /* borrowed; "" when empty */
char *bytes_take(struct bytes *bytes);               /* moves out, never NULL; caller frees */

/* Standard alphabet with padding. */
void bytes_base64(struct bytes *out, const void *data, size_t len);
/* Both alphabets, padding optional; false (out unchanged) when text is not base64. */
bool bytes_unbase64(struct bytes *out, const char *text, size_t len);

void *mem_new(size_t size); /* zeroed */
char *mem_text(const char *text);
/* Longest prefix of text that has at most max bytes and does not cut a UTF-8 sequence. */
size_t mem_utf8_cut(const char *text, size_t len, size_t max);
bool mem_utf8_valid(const char *text, size_t len);
#endif
