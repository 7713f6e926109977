/* frame_input - what the parsers of both JSON protocols share: the {"mime_type","data"} messages
 * and the faults. Pure: no I/O, no clock, no globals.
 *
 * An audio message in one of the spellings that JSON writers produce is recognised by its exact
 * first and last bytes, and its base64 is checked where it lies: no tree is built and nothing is
 * copied. Every other message takes the checked path (json_parse). The short cut decides nothing
 * but audio, and what it does not like goes to the checked path, so both give the same answer.
 *
 * All functions return ANTIPHON_OK with *input filled, or EINVAL with *fault filled; ENOMEM and
 * ETOOBIG (scratch is full) fill *fault as well. input->data points into the frame or into scratch.
 */
#ifndef FRONTEND_FRAME_INPUT_H
#define FRONTEND_FRAME_INPUT_H
#include "base/json.h"
#include "session/frontend.h"

#define FRAME_INPUT_MAX_BYTES (16u << 20) /* the transport has a lower limit of its own */

/* Fills *fault and returns EINVAL. The message never holds anything that the client sent. */
enum antiphon_status frame_input_refuse(struct client_fault *fault, const char *code,
                                        const char *hint, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* The short cut: *taken tells whether the frame was audio in a known spelling, and only then is the
 * status to be looked at. */
enum antiphon_status frame_input_splice(const char *data, size_t len, struct buf *scratch,
                                        struct client_input *input, struct client_fault *fault,
                                        bool *taken) MUST_CHECK;

/* A JSON object; free *tree with cJSON_Delete(). */
enum antiphon_status frame_input_object(const char *data, size_t len, cJSON **tree,
                                        struct client_fault *fault) MUST_CHECK;

#define FRAME_INPUT_IMAGES (1u << 0) /* image/jpeg and image/png are taken as well */

/* A message with a "mime_type"; the input does not point into the tree. */
enum antiphon_status frame_input_media(const cJSON *tree, unsigned flags, struct buf *scratch,
                                       struct client_input *input,
                                       struct client_fault *fault) MUST_CHECK;

/* Raw PCM: the whole of a binary message. */
enum antiphon_status frame_input_pcm(const char *data, size_t len, struct client_input *input,
                                     struct client_fault *fault) MUST_CHECK;
#endif
