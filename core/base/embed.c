#include "base/embed.h"

#include <string.h>

#include "base/banned.h"

const struct embed *embed_find(const char *name)
{
    for (const struct embed *file = embed_files; file->name; file++) {
        if (strcmp(file->name, name) == 0)
            return file;
    }
    return NULL;
}
