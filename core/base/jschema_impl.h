/* jschema_impl - what jschema.c (compiling) and jschema_check.c (checking) share; nobody else
 * includes it. */
#ifndef BASE_JSCHEMA_IMPL_H
#define BASE_JSCHEMA_IMPL_H
#include <regex.h>

#include "base/jschema.h"

/* Where in a value: "live.voice", "items[2].x"; "" at its root. Cut when it is full. */
struct jschema_path {
    size_t len;
    char text[256];
};

struct jschema_pattern {
    struct jschema_pattern *next; /* owned */
    const cJSON *node;            /* the schema object that has the pattern; borrowed: tree */
    regex_t regex;
};

struct jschema {
    char *name;                       /* owned */
    cJSON *tree;                      /* owned */
    struct jschema_pattern *patterns; /* owned */
};

/* Both answer the length to cut back to. */
size_t jschema_path_member(struct jschema_path *path, const char *name);
size_t jschema_path_index(struct jschema_path *path, size_t index);
void jschema_path_cut(struct jschema_path *path, size_t len);

/* The bit of one type name of either spelling; 0: unknown. */
unsigned jschema_type_bit(const char *name);
/* Whether value, which is not changed, is valid. */
bool jschema_fits(const struct jschema *schema, const cJSON *node, cJSON *value);
#endif
