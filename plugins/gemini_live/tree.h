/* tree - building and changing cJSON trees so that a failed allocation is not lost: every function
 * that allocates sets *failed, and the builder looks at it once, at its end. Pure.
 *
 * Where a parent is NULL the value is freed and *failed set, so that calls can be nested. */
#ifndef GEMINI_TREE_H
#define GEMINI_TREE_H
#include <cjson/cJSON.h>
#include <stdbool.h>

/* The member is added or replaced; takes value over. Returns it, or NULL. */
cJSON *tree_put(bool *failed, cJSON *object, const char *name, cJSON *value);
cJSON *tree_put_string(bool *failed, cJSON *object, const char *name, const char *text);
/* Takes value over. Returns it, or NULL. */
cJSON *tree_append(bool *failed, cJSON *array, cJSON *value);
/* The object `name` of object, made if it is not there. */
cJSON *tree_child(bool *failed, cJSON *object, const char *name);

/* The member whose name means `name`: "voiceName" and "voice_name" are one. NULL if there is none.
 */
cJSON *tree_find(const cJSON *object, const char *name);
/* Copies from's members into `into`, objects member by member (TREE_MAX_MERGE levels), anything
 * else in place of what means the same. */
#define TREE_MAX_MERGE 16
void tree_merge(bool *failed, cJSON *into, const cJSON *from);
/* Removes "a.b.c", in either spelling; an object that is empty thereafter goes, too. */
void tree_forbid(cJSON *object, const char *path);
#endif
