#include "allocs.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_LINE 4352 /* of /proc/PID/maps: a path of PATH_MAX and what stands before it */

bool allocs_open(struct allocs *allocs)
{
    int fd;

    (void)snprintf(allocs->file, sizeof(allocs->file), "/tmp/load-allocs-%d", (int)getpid());
    fd = open(allocs->file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    if (!ftruncate(fd, sizeof(*allocs->page)))
        allocs->page = mmap(NULL, sizeof(*allocs->page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (allocs->page == MAP_FAILED)
        allocs->page = NULL;
    close(fd);
    return allocs->page && !setenv(ALLOCS_ENV, allocs->file, 1);
}

void allocs_close(struct allocs *allocs)
{
    if (allocs->page)
        munmap(allocs->page, sizeof(*allocs->page));
    if (allocs->file[0])
        unlink(allocs->file);
    allocs->page = NULL;
}

void allocs_begin(struct allocs *allocs)
{
    if (!allocs->page)
        return;
    for (size_t i = 0; i < ALLOCS_SLOTS; i++)
        allocs->before[i] = atomic_load(&allocs->page->slot[i].count);
    allocs->before_elsewhere = atomic_load(&allocs->page->elsewhere);
}

enum allocs_part allocs_part_of(const char *path)
{
    static const struct {
        const char *begins;
        enum allocs_part part;
    } parts[] = {{"libwebsockets", ALLOCS_LWS}, {"libcrypto.", ALLOCS_TLS}, {"libssl.", ALLOCS_TLS}, {"libuv.", ALLOCS_UV}};
    const char *name = strrchr(path, '/');

    name = name ? name + 1 : path;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strncmp(name, parts[i].begins, strlen(parts[i].begins)) == 0)
            return parts[i].part;
    }
    return ALLOCS_OWN;
}

/* The file that the address is code of, and the place in it. */
static bool find_file(FILE *maps, uint64_t address, char path[MAX_LINE], uint64_t *place)
{
    char line[MAX_LINE];

    rewind(maps);
    while (fgets(line, sizeof(line), maps)) {
        uint64_t from, to, offset;
        char *end, *slash = strchr(line, '/');
        from = strtoull(line, &end, 16);
        to = strtoull(end + 1, &end, 16);
        offset = strtoull(strlen(end) > 6 ? end + 6 : end, NULL, 16); /* behind " r-xp " */
        if (address < from || address >= to || !slash)
            continue;
        slash[strcspn(slash, "\n")] = '\0';
        (void)snprintf(path, MAX_LINE, "%s", slash);
        *place = address - from + offset;
        return true;
    }
    return false;
}

void allocs_end(struct allocs *allocs, int pid, FILE *out)
{
    char name[32], path[MAX_LINE];
    FILE *maps;

    if (!allocs->page)
        return;
    (void)snprintf(name, sizeof(name), "/proc/%d/maps", pid);
    maps = fopen(name, "re");
    memset(allocs->count, 0, sizeof(allocs->count));
    allocs->count[ALLOCS_OWN] = atomic_load(&allocs->page->elsewhere) - allocs->before_elsewhere;
    for (size_t i = 0; i < ALLOCS_SLOTS; i++) {
        uint64_t n = atomic_load(&allocs->page->slot[i].count) - allocs->before[i], place = 0;
        enum allocs_part part = ALLOCS_OWN;
        if (!n)
            continue;
        if (maps && find_file(maps, atomic_load(&allocs->page->slot[i].caller), path, &place))
            part = allocs_part_of(path);
        else
            (void)snprintf(path, sizeof(path), "?");
        allocs->count[part] += n;
        (void)fprintf(out, "%" PRIu64 " allocations at %s+0x%" PRIx64 "\n", n, path, place);
    }
    if (maps)
        (void)fclose(maps);
}
