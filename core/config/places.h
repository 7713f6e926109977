/* places - where each node of a file stood: a table from path to line and column. One thread;
 * embedded in struct yaml. */
#ifndef CONFIG_PLACES_H
#define CONFIG_PLACES_H
#include <stddef.h>

#include "base/status.h"

struct place {
    char *path;       /* owned; as the tree has it */
    char *shown;      /* owned; as the file has it, NULL if the same */
    int line, column; /* from 1 */
};
struct places {
    struct place *items; /* owned */
    size_t n, cap;
    size_t bytes, max_bytes; /* of all paths; more is ETOOBIG */
};

void places_init(struct places *places, size_t max_bytes);
void places_deinit(struct places *places);
enum antiphon_status places_add(struct places *places, const char *path, int line,
                                int column) MUST_CHECK;
/* The node with that path, else the nearest around it; NULL if the table is empty. */
const struct place *places_find(const struct places *places, const char *path);
/* The path to show for `path`: the known part as the file has it, the rest as given. Caller frees.
 */
char *places_show(const struct places *places, const char *path);
/* Gives every path below prefix the tail that rename makes of it (same bytes or up to twice as
 * many: rename writes at most 2 * strlen(tail) + 1). */
enum antiphon_status places_rename(struct places *places, const char *prefix,
                                   void (*rename)(const char *tail, char *out)) MUST_CHECK;
#endif
