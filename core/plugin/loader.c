#include "plugin/loader.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "plugin/manifest_check.h"
#include "base/banned.h"

#define MAX_SEGMENTS 256
#define MIN_STRUCT   (offsetof(struct antiphon_plugin, self_test) + sizeof(void *))

/* The header of the running program, placed by the linker: what "this kind of machine" means. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static bool is_name(const char *name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t len = strlen(name);

    return len > 0 && len <= LOADER_MAX_NAME && name[0] != '-' && strspn(name, letters) == len;
}

static enum antiphon_status find_file(const char *const *dirs, const char *name, char dir[PATH_MAX],
                                      char path[PATH_MAX])
{
    char plain[PATH_MAX];
    struct stat st;

    for (; *dirs; dirs++) {
        int n = snprintf(plain, sizeof(plain), "%s/%s.so", *dirs, name);
        if (n < 0 || (size_t)n >= sizeof(plain) || lstat(plain, &st) != 0)
            continue;
        return realpath(*dirs, dir) && realpath(plain, path) ? ANTIPHON_OK : ANTIPHON_EUNAVAILABLE;
    }
    return ANTIPHON_ENOTFOUND;
}

bool loader_exists(const char *const *dirs, const char *name)
{
    char dir[PATH_MAX], path[PATH_MAX];

    return is_name(name) && find_file(dirs, name, dir, path) != ANTIPHON_ENOTFOUND;
}

static enum antiphon_status not_found(const char *const *dirs, const char *name, struct err *err)
{
    struct buf list;

    buf_init(&list, ERR_MAX_TEXT);
    for (size_t i = 0; dirs[i]; i++)
        buf_printf(&list, "%s%s", i ? ", " : "", dirs[i]);
    err_set(err, ANTIPHON_ENOTFOUND, "find: there is no %s.so in %s", name,
            dirs[0] ? buf_text(&list) : "any directory, because none is configured");
    buf_deinit(&list);
    return ANTIPHON_ENOTFOUND;
}

static enum antiphon_status find(const char *const *dirs, const char *name, char path[PATH_MAX],
                                 struct err *err)
{
    char dir[PATH_MAX];

    if (!is_name(name))
        return err_set(err, ANTIPHON_EINVAL,
                       "name: must be 1 to %d letters, digits, '_' or '-', and not start with '-'",
                       LOADER_MAX_NAME);
    enum antiphon_status status = find_file(dirs, name, dir, path);
    if (status == ANTIPHON_ENOTFOUND)
        return not_found(dirs, name, err);
    if (status)
        return err_set(err, status, "find: %s.so cannot be resolved: %s", name, strerror(errno));
    size_t n = strlen(dir);
    if (strncmp(path, dir, n) != 0 || (path[n] != '/' && strcmp(dir, "/") != 0))
        return err_set(err, ANTIPHON_EDENIED, "file: %s.so leads out of %s to %s", name, dir, path);
    return ANTIPHON_OK;
}

static enum antiphon_status check_file(int fd, const char *path, off_t *size, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return err_set(err, ANTIPHON_EUNAVAILABLE, "file: %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, ANTIPHON_EINVAL, "file: %s is not a regular file", path);
    if (st.st_mode & S_IWOTH)
        return err_set(err, ANTIPHON_EDENIED, "file: %s may be written by everybody; chmod o-w",
                       path);
    *size = st.st_size;
    return ANTIPHON_OK;
}

static const char *machine_name(unsigned machine, char *number, size_t size)
{
    static const struct {
        unsigned machine;
        const char *name;
    } names[] = {
        {EM_X86_64, "x86-64"},    {EM_AARCH64, "arm64"}, {EM_386, "x86 (32 bit)"},
        {EM_ARM, "arm (32 bit)"}, {EM_RISCV, "riscv"},   {EM_PPC64, "ppc64"},
        {EM_S390, "s390"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].machine == machine)
            return names[i].name;
    }
    snprintf(number, size, "ELF machine %u", machine);
    return number;
}

static enum antiphon_status check_header(const ElfW(Ehdr) * head, ssize_t got, const char *path,
                                         struct err *err)
{
    const ElfW(Ehdr) *own = &__ehdr_start;
    char ours[32], theirs[32];

    if (got < SELFMAG || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0)
        return err_set(err, ANTIPHON_EINVAL, "elf: %s is not a shared object (no ELF header)",
                       path);
    if (got < (ssize_t)sizeof(*head))
        return err_set(err, ANTIPHON_EINVAL, "elf: %s is truncated", path);
    if (head->e_ident[EI_CLASS] != own->e_ident[EI_CLASS] ||
        head->e_ident[EI_DATA] != own->e_ident[EI_DATA] || head->e_machine != own->e_machine)
        return err_set(err, ANTIPHON_EINVAL, "elf: %s is built for %s (%s), this program for %s",
                       path, machine_name(head->e_machine, theirs, sizeof(theirs)),
                       head->e_ident[EI_CLASS] == ELFCLASS64 ? "64 bit" : "32 bit",
                       machine_name(own->e_machine, ours, sizeof(ours)));
    if (head->e_type != ET_DYN || head->e_phentsize != sizeof(ElfW(Phdr)) || head->e_phnum == 0 ||
        head->e_phnum > MAX_SEGMENTS)
        return err_set(err, ANTIPHON_EINVAL, "elf: %s is not a shared object", path);
    return ANTIPHON_OK;
}

/* A segment that the file does not hold would be mapped all the same, and fault when touched. The
 * table of sections is not needed to run, but stands at the end and tells a copy that is not whole.
 */
static enum antiphon_status check_segments(int fd, const ElfW(Ehdr) * head, off_t size,
                                           const char *path, struct err *err)
{
    ElfW(Phdr) segment;
    size_t sections = (size_t)head->e_shnum * head->e_shentsize;

    if (head->e_shoff > (size_t)size || sections > (size_t)size - head->e_shoff)
        return err_set(err, ANTIPHON_EINVAL, "elf: %s is truncated", path);
    for (size_t i = 0; i < head->e_phnum; i++) {
        off_t at = (off_t)(head->e_phoff + i * sizeof(segment));
        if (pread(fd, &segment, sizeof(segment), at) != (ssize_t)sizeof(segment) ||
            segment.p_offset > (size_t)size || segment.p_filesz > (size_t)size - segment.p_offset)
            return err_set(err, ANTIPHON_EINVAL, "elf: %s is truncated", path);
    }
    return ANTIPHON_OK;
}

/* Read before anything of the file can run: one that is built for another ABI is told so, not linked. */
static enum antiphon_status read_manifest(int fd, struct manifest **manifest, struct err *err)
{
    enum antiphon_status status = manifest_read(fd, manifest, err);

    if (status == ANTIPHON_ENOTFOUND)
        return ANTIPHON_OK;
    if (!status)
        status = manifest_check_plugin(*manifest, NULL, err);
    if (status)
        err_prefix(err, "manifest");
    return status;
}

static enum antiphon_status check(int fd, const char *path, struct manifest **manifest, struct err *err)
{
    ElfW(Ehdr) head = {0};
    off_t size = 0;
    enum antiphon_status status = check_file(fd, path, &size, err);

    if (!status)
        status = check_header(&head, pread(fd, &head, sizeof(head), 0), path, err);
    if (!status)
        status = check_segments(fd, &head, size, path, err);
    if (!status)
        status = read_manifest(fd, manifest, err);
    return status;
}

enum antiphon_status loader_find(const char *const *dirs, const char *name, char **path, int *fd,
                                 struct manifest **manifest, struct err *err)
{
    char found[PATH_MAX];
    struct manifest *said = NULL;
    enum antiphon_status status = find(dirs, name, found, err);

    if (status)
        return status;
    /* O_NONBLOCK: a FIFO of that name must not hang the start. */
    int file = open(found, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0)
        return err_set(err, ANTIPHON_EUNAVAILABLE, "file: %s: %s", found, strerror(errno));
    status = check(file, found, &said, err);
    char *copy = status ? NULL : strdup(found);
    if (!status && !copy)
        status = err_set(err, ANTIPHON_ENOMEM, "file: no memory");
    if (status) {
        manifest_free(said);
        close(file);
        return status;
    }
    *path = copy;
    *fd = file;
    *manifest = said;
    return ANTIPHON_OK;
}

static enum antiphon_status take_descriptor(void *library, const char *path,
                                            struct antiphon_plugin *plugin, struct err *err)
{
    const struct antiphon_plugin *(*entry)(void);
    void *symbol = dlsym(library, LOADER_SYMBOL);

    if (!symbol)
        return err_set(err, ANTIPHON_EINVAL, "symbol: %s does not export " LOADER_SYMBOL "()",
                       path);
    memcpy(&entry, &symbol, sizeof(entry)); /* ISO C has no cast from an object to a function */
    const struct antiphon_plugin *theirs = entry();
    if (!theirs)
        return err_set(err, ANTIPHON_EINVAL, "symbol: " LOADER_SYMBOL "() answered NULL");
    if (theirs->struct_size < MIN_STRUCT)
        return err_set(err, ANTIPHON_EINVAL,
                       "struct: struct_size is %u, at least %zu is needed; set it to "
                       "sizeof(struct antiphon_plugin)",
                       theirs->struct_size, MIN_STRUCT);
    *plugin = (struct antiphon_plugin){0};
    size_t n = theirs->struct_size < sizeof(*plugin) ? theirs->struct_size : sizeof(*plugin);
    memcpy(plugin, theirs, n);
    if (!plugin->init)
        return err_set(err, ANTIPHON_EINVAL, "struct: init is NULL");
    if (!plugin->version)
        return err_set(err, ANTIPHON_EINVAL, "struct: version is NULL");
    return ANTIPHON_OK;
}

static enum antiphon_status open_file(const char *path, const char *name, struct antiphon_plugin *plugin,
                                      struct err *err)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

    if (!library) {
        const char *why = dlerror();
        return err_set(err, ANTIPHON_EINVAL, "open: %s", why ? why : "unknown reason");
    }
    enum antiphon_status status = take_descriptor(library, path, plugin, err);
    if (!status && (!plugin->name || strcmp(plugin->name, name) != 0))
        status = err_set(err, ANTIPHON_EINVAL,
                         "name: the file is %s.so, but the plugin calls itself %s", name,
                         plugin->name ? plugin->name : "nothing");
    return status;
}

static enum antiphon_status open_checked(const char *path, const char *name, const struct manifest *manifest,
                                         struct antiphon_plugin *plugin, struct err *err)
{
    struct antiphon_plugin found = {0};
    enum antiphon_status status = open_file(path, name, &found, err);

    if (!status && manifest) {
        status = manifest_check_plugin(manifest, &found, err);
        if (status)
            err_prefix(err, "manifest");
    }
    if (!status)
        *plugin = found;
    return status;
}

enum antiphon_status loader_open(const char *const *dirs, const char *name,
                                 struct antiphon_plugin *plugin, struct manifest **manifest,
                                 struct err *err)
{
    char *path = NULL;
    struct manifest *said = NULL;
    int fd = -1;
    enum antiphon_status status = loader_find(dirs, name, &path, &fd, &said, err);

    if (status)
        return status;
    status = open_checked(path, name, said, plugin, err);
    close(fd);
    free(path);
    if (status)
        manifest_free(said);
    else
        *manifest = said;
    return status;
}

enum antiphon_status loader_open_fd(int fd, const char *name, struct antiphon_plugin *plugin,
                                    struct manifest **manifest, struct err *err)
{
    char path[32];
    struct manifest *said = NULL;
    enum antiphon_status status = read_manifest(fd, &said, err);

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (!status)
        status = open_checked(path, name, said, plugin, err);
    if (status)
        manifest_free(said);
    else
        *manifest = said;
    return status;
}
