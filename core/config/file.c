#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"

static enum antiphon_status from_errno(struct err *err, int code)
{
    char text[128];

    return err_set(err,
                   code == ENOENT || code == ENOTDIR ? ANTIPHON_ENOTFOUND : ANTIPHON_EUNAVAILABLE,
                   "cannot read the file: %s", strerror_r(code, text, sizeof(text)));
}

static enum antiphon_status fill(int fd, size_t max, char **data, size_t *len, struct err *err)
{
    size_t cap = 4096, used = 0;
    char *text = malloc(cap + 1);

    while (text) {
        ssize_t n = read(fd, text + used, cap - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int code = errno;
            free(text);
            return from_errno(err, code);
        }
        used += (size_t)n;
        if (used > max) {
            free(text);
            return err_set(err, ANTIPHON_ETOOBIG, "the file is larger than %zu bytes", max);
        }
        if (n == 0) {
            text[used] = '\0';
            *data = text;
            *len = used;
            return ANTIPHON_OK;
        }
        if (used == cap) {
            cap *= 2;
            char *more = realloc(text, cap + 1);
            if (!more)
                free(text);
            text = more;
        }
    }
    return err_set(err, ANTIPHON_ENOMEM, "out of memory");
}

enum antiphon_status file_read(const char *path, size_t max, char **data, size_t *len,
                               struct err *err)
{
    struct stat st;
    /* O_NONBLOCK: opening a FIFO nobody writes to must not hang the start. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return from_errno(err, errno);
    enum antiphon_status status;
    if (fstat(fd, &st) != 0)
        status = from_errno(err, errno);
    else if (!S_ISREG(st.st_mode))
        status = err_set(err, ANTIPHON_EINVAL, "not a regular file");
    else
        status = fill(fd, max, data, len, err);
    close(fd);
    return status;
}
