#include "net/static_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/banned.h"

#define MAX_FILES 1000u
#define MAX_BYTES (64u * 1024 * 1024)
#define MAX_DEPTH 16
#define ETAG_SIZE 35 /* quotes, 32 hex digits, NUL */

struct entry {
    struct static_file file;
    char *path, *data; /* owned */
    char etag[ETAG_SIZE];
};

struct static_files {
    struct entry *entry; /* owned, sorted by path */
    size_t n, cap, bytes;
};

struct mime {
    const char *extension, *type;
};

static const struct mime mimes[] = {
    {"html", "text/html; charset=utf-8"},
    {"js", "text/javascript; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"json", "application/json"},
    {"map", "application/json"},
    {"webmanifest", "application/manifest+json"},
    {"txt", "text/plain; charset=utf-8"},
    {"svg", "image/svg+xml"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"ico", "image/x-icon"},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"woff2", "font/woff2"},
};

static const char *mime_of(const char *path)
{
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < sizeof(mimes) / sizeof(mimes[0]); i++)
        if (!strcmp(dot + 1, mimes[i].extension))
            return mimes[i].type;
    return "application/octet-stream";
}

static void set_etag(struct entry *entry)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    char *at = entry->etag;

    EVP_Digest(entry->data, entry->file.len, hash, &n, EVP_sha256(), NULL);
    *at++ = '"';
    for (unsigned i = 0; i < 16; i++)
        at += snprintf(at, 3, "%02x", hash[i]);
    *at++ = '"';
    *at = '\0';
}

static enum antiphon_status read_all(int fd, size_t len, char **data)
{
    char *made = malloc(len + 1);
    size_t at = 0;

    if (!made)
        return ANTIPHON_ENOMEM;
    while (at < len) {
        ssize_t n = read(fd, made + at, len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    if (at < len) {
        free(made);
        return ANTIPHON_EUNAVAILABLE;
    }
    made[len] = '\0';
    *data = made;
    return ANTIPHON_OK;
}

static enum antiphon_status add(struct static_files *files, int fd, size_t len,
                                const char *relative, struct err *err)
{
    struct entry *entry;
    enum antiphon_status status;

    if (files->n == MAX_FILES || len > MAX_BYTES - files->bytes)
        return err_set(err, ANTIPHON_ETOOBIG, "more than %u files or %u MiB", MAX_FILES,
                       MAX_BYTES >> 20);
    if (files->n == files->cap) {
        size_t cap = files->cap ? files->cap * 2 : 32;
        entry = realloc(files->entry, cap * sizeof(*entry));
        if (!entry)
            return err_set(err, ANTIPHON_ENOMEM, "out of memory");
        files->entry = entry;
        files->cap = cap;
    }
    entry = &files->entry[files->n];
    *entry = (struct entry){.file.len = len};
    status = read_all(fd, len, &entry->data);
    if (status)
        return err_set(err, status, "cannot read %s", relative);
    if (!strcmp(relative, "index.html"))
        entry->path = strdup("/");
    else if (asprintf(&entry->path, "/static/%s", relative) < 0)
        entry->path = NULL;
    if (!entry->path) {
        free(entry->data);
        return err_set(err, ANTIPHON_ENOMEM, "out of memory");
    }
    entry->file.content_type = mime_of(relative);
    entry->file.html = !strncmp(entry->file.content_type, "text/html", 9);
    set_etag(entry);
    files->n++;
    files->bytes += len;
    return ANTIPHON_OK;
}

/* Whether what the path leads to lies under root, both resolved. */
static bool is_inside(const char *root, const char *path)
{
    char real[PATH_MAX];
    size_t n = strlen(root);

    return realpath(path, real) && !strncmp(real, root, n) && (real[n] == '/' || !real[n]);
}

static enum antiphon_status walk(struct static_files *files, const char *root, const char *relative,
                                 int depth, struct err *err);

static enum antiphon_status visit(struct static_files *files, const char *root,
                                  const char *relative, int depth, struct err *err)
{
    char path[PATH_MAX];
    struct stat info;
    enum antiphon_status status = ANTIPHON_OK;
    int fd;

    if (snprintf(path, sizeof(path), "%s/%s", root, relative) >= (int)sizeof(path) ||
        !is_inside(root, path)) {
        log_warn("static", "%s is left out: it leads out of the folder", relative);
        return ANTIPHON_OK;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &info)) {
        status =
            err_set(err, ANTIPHON_EUNAVAILABLE, "cannot open %s: %s", relative, strerror(errno));
        goto out;
    }
    if (S_ISREG(info.st_mode))
        status = add(files, fd, (size_t)info.st_size, relative, err);
    else if (S_ISDIR(info.st_mode))
        status = walk(files, root, relative, depth + 1, err);
out:
    if (fd >= 0)
        close(fd);
    return status;
}

static enum antiphon_status walk(struct static_files *files, const char *root, const char *relative,
                                 int depth, struct err *err)
{
    char path[PATH_MAX];
    enum antiphon_status status = ANTIPHON_OK;
    struct dirent *item;
    DIR *folder;

    if (depth > MAX_DEPTH)
        return err_set(err, ANTIPHON_ETOOBIG, "%s is nested too deeply", relative);
    if (snprintf(path, sizeof(path), "%s/%s", root, relative) >= (int)sizeof(path))
        return ANTIPHON_OK;
    folder = opendir(path);
    if (!folder)
        return err_set(err, ANTIPHON_EUNAVAILABLE, "cannot open %s: %s", path, strerror(errno));
    while (!status && (item = readdir(folder))) {
        char name[PATH_MAX];
        if (item->d_name[0] == '.')
            continue;
        if (snprintf(name, sizeof(name), "%s%s%s", relative, *relative ? "/" : "", item->d_name) <
            (int)sizeof(name))
            status = visit(files, root, name, depth, err);
    }
    closedir(folder);
    return status;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->file.path, ((const struct entry *)b)->file.path);
}

enum antiphon_status static_files_load(const char *folder, struct static_files **files,
                                       struct err *err)
{
    char root[PATH_MAX];
    struct static_files *made;
    enum antiphon_status status;

    if (!realpath(folder, root))
        return err_set(err, ANTIPHON_ENOTFOUND, "the folder of the web client, %s, is missing: %s",
                       folder, strerror(errno));
    made = calloc(1, sizeof(*made));
    if (!made)
        return err_set(err, ANTIPHON_ENOMEM, "out of memory");
    status = walk(made, root, "", 0, err);
    if (status) {
        err_prefix(err, "the folder of the web client, %s", folder);
        goto fail;
    }
    for (size_t i = 0; i < made->n; i++) { /* only now: the table no longer moves but as a whole */
        struct entry *entry = &made->entry[i];
        entry->file.path = entry->path;
        entry->file.data = entry->data;
    }
    if (made->n > 0)
        qsort(made->entry, made->n, sizeof(*made->entry), compare);
    for (size_t i = 0; i < made->n; i++)
        made->entry[i].file.etag = made->entry[i].etag;
    if (!static_files_find(made, "/")) {
        status = err_set(err, ANTIPHON_ENOTFOUND, "%s has no index.html", folder);
        goto fail;
    }
    *files = made;
    return ANTIPHON_OK;
fail:
    static_files_free(made);
    return status;
}

void static_files_free(struct static_files *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < files->n; i++) {
        free(files->entry[i].path);
        free(files->entry[i].data);
    }
    free(files->entry);
    free(files);
}

static int compare_path(const void *path, const void *entry)
{
    return strcmp(path, ((const struct entry *)entry)->file.path);
}

const struct static_file *static_files_find(const struct static_files *files, const char *path)
{
    const struct entry *found = NULL;

    if (files->n > 0)
        found = bsearch(path, files->entry, files->n, sizeof(*files->entry), compare_path);
    return found ? &found->file : NULL;
}
