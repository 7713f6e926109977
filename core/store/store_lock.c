#include "store/store_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/banned.h"

#define MAX_SUFFIX 64 /* room for the names of companion files: -wal, .lock, .backup-... */

static enum antiphon_status set_path_err(struct err *err, const char *path, int code)
{
    if (code == ENOENT || code == ENOTDIR)
        return err_set(err, ANTIPHON_ENOTFOUND,
                       "the folder of the database %s does not exist; create it", path);
    if (code == ENAMETOOLONG)
        return err_set(err, ANTIPHON_EINVAL, "the path of the database is too long");
    return err_set(err, ANTIPHON_EDENIED, "the database %s cannot be written: %s", path,
                   strerror(code));
}

static enum antiphon_status resolve_new(const char *path, char **resolved, struct err *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    enum antiphon_status status = err_set(err, ANTIPHON_ENOMEM, "out of memory");
    size_t size = PATH_MAX;
    char *joined = malloc(size);
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    char *real = NULL;
    if (!joined || !folder)
        goto out;
    real = realpath(folder, NULL);
    if (!real) {
        status = set_path_err(err, path, errno);
        goto out;
    }
    int len = snprintf(joined, size, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name);
    if (len < 0 || (size_t)len >= size) {
        status = set_path_err(err, path, ENAMETOOLONG);
        goto out;
    }
    *resolved = joined;
    joined = NULL;
    status = ANTIPHON_OK;
out:
    free(real);
    free(folder);
    free(joined);
    return status;
}

enum antiphon_status store_lock_resolve(const char *path, char **resolved, struct err *err)
{
    char *real = NULL;
    if (!*path || path[strlen(path) - 1] == '/')
        return err_set(err, ANTIPHON_EINVAL, "the path of the database \"%s\" names no file", path);
    if (strlen(path) + MAX_SUFFIX >= PATH_MAX)
        return set_path_err(err, path, ENAMETOOLONG);
    real = realpath(path, NULL);
    if (!real)
        return errno == ENOENT ? resolve_new(path, resolved, err) : set_path_err(err, path, errno);
    if (strlen(real) + MAX_SUFFIX >= PATH_MAX) {
        free(real);
        return set_path_err(err, path, ENAMETOOLONG);
    }
    *resolved = real;
    return ANTIPHON_OK;
}

static long read_holder(int fd)
{
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    return n > 0 ? strtol(text, NULL, 10) : 0;
}

static void write_holder(int fd)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    /* Only a help for the message of the next one: a full disk must not keep us from starting. */
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) < 0)
        errno = 0;
}

enum antiphon_status store_lock_open(const char *path, int *fd, struct err *err)
{
    char name[PATH_MAX];
    int len = snprintf(name, sizeof(name), "%s.lock", path);
    if (len < 0 || (size_t)len >= sizeof(name))
        return set_path_err(err, path, ENAMETOOLONG);
    int file = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return set_path_err(err, path, errno);
    if (flock(file, LOCK_EX | LOCK_NB) == 0) {
        write_holder(file);
        *fd = file;
        return ANTIPHON_OK;
    }
    int code = errno;
    long holder = read_holder(file);
    close(file);
    if (code != EWOULDBLOCK)
        return set_path_err(err, path, code);
    if (holder <= 0)
        return err_set(err, ANTIPHON_EEXISTS,
                       "another server uses the database %s; stop it or give this one another path",
                       path);
    return err_set(err, ANTIPHON_EEXISTS,
                   "another server (process %ld) uses the database %s; stop it or give this one "
                   "another path",
                   holder, path);
}

enum antiphon_status store_lock_holder(const char *path, long *pid, struct err *err)
{
    char name[PATH_MAX];
    int len = snprintf(name, sizeof(name), "%s.lock", path);

    if (len < 0 || (size_t)len >= sizeof(name))
        return set_path_err(err, path, ENAMETOOLONG);
    int file = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0 && errno != ENOENT)
        return set_path_err(err, path, errno);
    bool held = file >= 0 && flock(file, LOCK_SH | LOCK_NB) != 0;
    long holder = held ? read_holder(file) : 0;
    if (file >= 0)
        close(file);
    if (holder <= 0)
        return err_set(err, ANTIPHON_ENOTFOUND, "no server uses the database %s", path);
    *pid = holder;
    return ANTIPHON_OK;
}

void store_lock_close(int fd)
{
    if (fd >= 0)
        close(fd);
}
