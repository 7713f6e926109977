/* shape - the fields a client message may have, and the proto-JSON rules for them. Pure.
 *
 * Proto JSON accepts every key in lowerCamelCase and in snake_case, null for "absent", int64 and
 * int32 as a number or a string, bytes in both base64 alphabets; it refuses names it does not know. The tables
 * here follow the public v1beta proto plus the newer fields that the official SDKs send. Maps that
 * belong to the user (arguments, responses, JSON Schemas) are left as they came. */
#ifndef LIVE_SIM_SHAPE_H
#define LIVE_SIM_SHAPE_H
#include "json.h"

enum shape_kind {
    SHAPE_ANY,
    SHAPE_STRING,
    SHAPE_BOOL,
    SHAPE_NUMBER,
    SHAPE_INT32, /* whole, and within its range */
    SHAPE_BYTES,
    SHAPE_OBJECT
};
enum shape_backend { SHAPE_BOTH, SHAPE_VERTEX };

struct shape_field {
    const char *name; /* lowerCamelCase; NULL ends a table */
    enum shape_kind kind;
    bool list;
    enum shape_backend backend;
    const struct shape_field *of; /* borrowed, static: fields of SHAPE_OBJECT */
};

/* The whole client message: setup, clientContent, realtimeInput, toolResponse, contextUpdate. */
extern const struct shape_field shape_client_message[];

/* Renames every known key of message to lowerCamelCase and drops nulls. false: reason holds the
 * sentence the real server closes with (1007); message is then half renamed and of no use. */
bool shape_normalise(cJSON *message, const struct shape_field *fields, bool vertex,
                     struct bytes *reason);
#endif
