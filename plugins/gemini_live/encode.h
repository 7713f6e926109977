/* encode - events of a client as messages to the service. Pure. */
#ifndef GEMINI_ENCODE_H
#define GEMINI_ENCODE_H
#include <cjson/cJSON.h>

#include "text.h"

/* How one model wants to be spoken to: from its profile (core/config/profile.h). */
struct encode_style {
    bool realtime_text; /* "text":"realtime", else clientContent */
    bool media_chunks;  /* "audio":"media_chunks", else audio and video */
    bool scheduling;    /* "tools":"non_blocking": an answer may say when it is to be used */
};
struct encode_style encode_style_of(const cJSON *profile);

#define ENCODE_MAX_PARTS  5
#define ENCODE_ROOM_BYTES 9216 /* base64 of 200 ms of sound, the longest that a client's short frames are joined to */

/* One message in pieces, in order; they borrow from the event, from owned, from room and from
 * constants. Not to be moved or copied. */
struct encode_message {
    struct antiphon_span parts[ENCODE_MAX_PARTS];
    size_t n;
    enum antiphon_ws_kind kind;
    struct text owned[2];
    char room[ENCODE_ROOM_BYTES]; /* raw audio becomes base64 here, so that it needs no memory */
};

/* EINVAL: an event that does not go to the model, or whose data is not what it says. The message
 * must be freed whatever was returned. */
enum antiphon_status encode_event(const struct encode_style *style,
                                  const struct antiphon_event *event,
                                  struct encode_message *message);
void encode_free(struct encode_message *message);
#endif
