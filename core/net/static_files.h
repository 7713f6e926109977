/* static_files - a folder read into memory at start, so that no shard ever waits for a disk. [main]
 * to load, immutable and shared afterwards. At most 1,000 files and 64 MiB; hidden files and links
 * that leave the folder are left out. */
#ifndef NET_STATIC_FILES_H
#define NET_STATIC_FILES_H
#include "base/err.h"

struct static_files;
struct static_file {
    const char *path; /* URL path: "/" is index.html, others "/static/<relative>" */
    const char *content_type;
    const char *etag; /* quoted, from the content */
    const char *data;
    size_t len;
    bool html; /* gets the Content-Security-Policy header */
};
/* ENOTFOUND if the folder or its index.html is missing. */
enum antiphon_status static_files_load(const char *folder, struct static_files **files,
                                       struct err *err) MUST_CHECK;
void static_files_free(struct static_files *files);
const struct static_file *static_files_find(const struct static_files *files, const char *path);
#endif
