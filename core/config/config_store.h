/* config_store - the `store:` setting: a kind and a path. Pure. */
#ifndef CONFIG_CONFIG_STORE_H
#define CONFIG_CONFIG_STORE_H
#include "base/err.h"

/* "sqlite:PATH", "sqlite:///RELATIVE", "sqlite:////ABSOLUTE" -> PATH. A relative path is put behind
 * folder (NULL: left alone). *path is the caller's. EINVAL: something else, or no file. */
enum antiphon_status config_store_path(const char *text, const char *folder, char **path,
                                       struct err *err) MUST_CHECK;
/* folder/path, or path alone if it is absolute or folder is NULL; caller's, NULL: no memory. */
char *config_join(const char *folder, const char *path);
#endif
