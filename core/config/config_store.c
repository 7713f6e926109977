#include "config/config_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

char *config_join(const char *folder, const char *path)
{
    char *text = NULL;

    if (!folder || path[0] == '/')
        return strdup(path);
    return asprintf(&text, "%s/%s", folder, path) < 0 ? NULL : text;
}

enum antiphon_status config_store_path(const char *text, const char *folder, char **path,
                                       struct err *err)
{
    static const char scheme[] = "sqlite:";
    const char *rest = text + sizeof(scheme) - 1;

    if (strncmp(text, scheme, sizeof(scheme) - 1) != 0)
        return err_set(err, ANTIPHON_EINVAL, "must be sqlite:PATH, for example sqlite:antiphon.db");
    /* Three slashes introduce a path, a fourth is its own. */
    if (strncmp(rest, "///", 3) == 0)
        rest += 3;
    else if (strncmp(rest, "//", 2) == 0)
        return err_set(err, ANTIPHON_EINVAL,
                       "has a host part; write sqlite:///RELATIVE or sqlite:////ABSOLUTE");
    if (!rest[0] || rest[strlen(rest) - 1] == '/')
        return err_set(err, ANTIPHON_EINVAL, "names no file; write sqlite:PATH");
    if (strcmp(rest, ":memory:") == 0)
        return err_set(err, ANTIPHON_EINVAL, "a database in memory is not supported; name a file");
    *path = config_join(folder, rest);
    return *path ? ANTIPHON_OK : err_set(err, ANTIPHON_ENOMEM, "out of memory");
}
