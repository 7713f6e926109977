#include "config/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"
#include "base/utf8.h"
#include "base/banned.h"

struct secret {
    size_t len;
    char text[]; /* NUL-terminated */
};

#define ENV     "env:"
#define FILE_   "file:"
#define COMMAND "command:"

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool secret_is_reference(const char *text)
{
    return starts(text, ENV) || starts(text, FILE_) || starts(text, COMMAND);
}

void secret_wipe(void *data, size_t len)
{
    if (data)
        explicit_bzero(data, len);
}

static enum antiphon_status make(const char *reference, const char *text, size_t len,
                                 struct secret **secret, struct err *err)
{
    if (len == 0)
        return err_set(err, ANTIPHON_EINVAL, "the secret \"%s\" is empty", reference);
    if (memchr(text, '\0', len) || !utf8_valid(text, len))
        return err_set(err, ANTIPHON_EINVAL, "the secret \"%s\" is not UTF-8 text", reference);
    struct secret *made = malloc(sizeof(*made) + len + 1);
    if (!made)
        return err_set(err, ANTIPHON_ENOMEM, "out of memory");
    made->len = len;
    memcpy(made->text, text, len);
    made->text[len] = '\0';
    *secret = made;
    return ANTIPHON_OK;
}

static enum antiphon_status from_file(const char *reference, const char *folder,
                                      struct secret **secret, struct err *err)
{
    const char *name = reference + strlen(FILE_);
    char path[4096], *data = NULL;
    size_t len = 0;
    int n = snprintf(path, sizeof(path), "%s%s%s", folder && name[0] != '/' ? folder : "",
                     folder && name[0] != '/' ? "/" : "", name);

    if (n < 0 || (size_t)n >= sizeof(path) || !name[0])
        return err_set(err, ANTIPHON_EINVAL, "expected the path of a file behind \"" FILE_ "\"");
    enum antiphon_status status = file_read(path, SECRET_MAX_BYTES, &data, &len, err);
    if (status != ANTIPHON_OK) {
        err_prefix(err, "the secret \"%s\"", reference);
        return status;
    }
    size_t used = len;
    if (used && data[used - 1] == '\n')
        used--;
    if (used && data[used - 1] == '\r')
        used--;
    status = make(reference, data, used, secret, err);
    secret_wipe(data, len);
    free(data);
    return status;
}

enum antiphon_status secret_resolve(const char *reference, const char *folder,
                                    struct secret **secret, struct err *err)
{
    if (starts(reference, ENV)) {
        const char *value = getenv(reference + strlen(ENV));
        if (!value)
            return err_set(err, ANTIPHON_ENOTFOUND,
                           "the secret \"%s\": this environment variable is not set", reference);
        return make(reference, value, strlen(value), secret, err);
    }
    if (starts(reference, FILE_))
        return from_file(reference, folder, secret, err);
    if (starts(reference, COMMAND))
        return err_set(err, ANTIPHON_EINVAL, "secrets from a command are not supported yet");
    /* Not quoted in the message: what stands here may be the secret itself. */
    return err_set(err, ANTIPHON_EINVAL, "expected env:NAME or file:PATH behind \"secret:\"");
}

void secret_free(struct secret *secret)
{
    if (!secret)
        return;
    secret_wipe(secret->text, secret->len);
    free(secret);
}

const char *secret_reveal(const struct secret *secret)
{
    return secret->text;
}
