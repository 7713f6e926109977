#include "tree.h"

#include <ctype.h>
#include <string.h>

cJSON *tree_put(bool *failed, cJSON *object, const char *name, cJSON *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    if (value && object && cJSON_AddItemToObject(object, name, value))
        return value;
    cJSON_Delete(value);
    *failed = true;
    return NULL;
}

cJSON *tree_put_string(bool *failed, cJSON *object, const char *name, const char *text)
{
    return tree_put(failed, object, name, cJSON_CreateString(text));
}

cJSON *tree_append(bool *failed, cJSON *array, cJSON *value)
{
    if (value && array && cJSON_AddItemToArray(array, value))
        return value;
    cJSON_Delete(value);
    *failed = true;
    return NULL;
}

cJSON *tree_child(bool *failed, cJSON *object, const char *name)
{
    cJSON *child = cJSON_GetObjectItemCaseSensitive(object, name);
    return child ? child : tree_put(failed, object, name, cJSON_CreateObject());
}

static bool same_name(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += *a == '_';
        b += *b == '_';
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (*a == '\0')
            return true;
    }
}

cJSON *tree_find(const cJSON *object, const char *name)
{
    cJSON *member = object ? object->child : NULL;
    while (member && !same_name(member->string, name))
        member = member->next;
    return member;
}

static void merge(bool *failed, cJSON *into, const cJSON *from, unsigned depth)
{
    const cJSON *member;
    cJSON_ArrayForEach (member, from) {
        cJSON *have = tree_find(into, member->string);
        if (cJSON_IsObject(have) && cJSON_IsObject(member) && depth > 0) {
            merge(failed, have, member, depth - 1);
        } else {
            have = have ? cJSON_DetachItemViaPointer(into, have) : NULL;
            tree_put(failed, into, have ? have->string : member->string,
                     cJSON_Duplicate(member, true));
            cJSON_Delete(have);
        }
    }
}

void tree_merge(bool *failed, cJSON *into, const cJSON *from)
{
    merge(failed, into, from, TREE_MAX_MERGE);
}

void tree_forbid(cJSON *object, const char *path)
{
    char name[64];
    size_t n = strcspn(path, ".");
    if (n >= sizeof name)
        return;
    memcpy(name, path, n);
    name[n] = '\0';
    cJSON *member = tree_find(object, name);
    bool gone = member && path[n] == '\0';
    if (member && cJSON_IsObject(member) && member->child && path[n]) {
        tree_forbid(member, path + n + 1);
        gone = !member->child;
    }
    if (gone)
        cJSON_Delete(cJSON_DetachItemViaPointer(object, member));
}
