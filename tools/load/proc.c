#include "proc.h"

#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The file's beginning as text; false: it is not there (any more). */
static bool slurp(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t n;

    if (!file)
        return false;
    n = fread(text, 1, size - 1, file);
    text[n] = '\0';
    (void)fclose(file);
    return n > 0;
}

static int parent_of(int pid)
{
    char path[64], text[1024];
    const char *at;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    if (!slurp(path, text, sizeof(text)))
        return 0;
    at = strrchr(text, ')'); /* the name may hold anything */
    return at && strlen(at) > 4 ? (int)strtol(at + 4, NULL, 10) : 0;
}

static bool is_in(const int *pids, unsigned n, int pid)
{
    for (unsigned i = 0; i < n; i++) {
        if (pids[i] == pid)
            return true;
    }
    return false;
}

/* pid and its descendants; several passes, because children may be listed before their parents. */
static unsigned tree_of(int pid, int pids[PROC_MAX])
{
    unsigned n = 1, before = 0;

    pids[0] = pid;
    while (n != before && n < PROC_MAX) {
        DIR *dir = opendir("/proc");
        struct dirent *entry;
        before = n;
        while (dir && n < PROC_MAX && (entry = readdir(dir))) {
            int child = (int)strtol(entry->d_name, NULL, 10);
            if (child > 0 && !is_in(pids, n, child) && is_in(pids, n, parent_of(child)))
                pids[n++] = child;
        }
        if (dir)
            closedir(dir);
    }
    return n;
}

/* RssAnon of /proc/PID/status. */
static uint64_t anon_of(int pid)
{
    char path[64], text[4096];
    const char *at;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
    if (!slurp(path, text, sizeof(text)))
        return 0;
    at = strstr(text, "RssAnon:");
    return at ? strtoull(at + 8, NULL, 10) * 1024 : 0;
}

static void sample_process(int pid, struct proc_sample *sample)
{
    char path[320], text[512];
    struct dirent *entry;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "/proc/%d/statm", pid);
    if (slurp(path, text, sizeof(text))) {
        const char *resident = strchr(text, ' ');
        sample->rss_bytes +=
            (uint64_t)sysconf(_SC_PAGESIZE) * strtoull(resident ? resident : "0", NULL, 10);
        sample->anon_bytes += anon_of(pid);
        sample->processes++;
    }
    (void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
    dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, entry->d_name);
        if (!slurp(path, text, sizeof(text)))
            continue;
        sample->tree_ns += strtoull(text, NULL, 10);
        sample->threads++;
    }
    if (dir)
        closedir(dir);
}

static void sample_cores(int core, struct proc_sample *sample)
{
    static const unsigned busy[] = {0, 1, 2, 5, 6}; /* user nice system irq softirq */
    char text[65536], name[32];
    const char *line;
    uint64_t tick = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK), value[8] = {0};

    (void)snprintf(name, sizeof(name), core < 0 ? "cpu " : "cpu%d ", core);
    if (!slurp("/proc/stat", text, sizeof(text)))
        return;
    for (line = text; line && strncmp(line, name, strlen(name)) != 0; line = line ? line + 1 : NULL)
        line = strchr(line, '\n');
    if (!line)
        return;
    line += strlen(name);
    for (unsigned i = 0; i < 8; i++) {
        char *end;
        value[i] = strtoull(line, &end, 10);
        line = end;
    }
    for (unsigned i = 0; i < sizeof(busy) / sizeof(busy[0]); i++)
        sample->core_busy_ns += value[busy[i]] * tick;
    sample->core_steal_ns = value[7] * tick;
    sample->cores = core < 0 ? (unsigned)sysconf(_SC_NPROCESSORS_ONLN) : 1;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void proc_sample(int pid, int core, struct proc_sample *sample)
{
    int pids[PROC_MAX];
    unsigned n = pid > 0 ? tree_of(pid, pids) : 0;

    memset(sample, 0, sizeof(*sample));
    sample->at_ns = clock_ns(CLOCK_MONOTONIC);
    sample->own_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (unsigned i = 0; i < n; i++)
        sample_process(pids[i], sample);
    sample_cores(core, sample);
}

struct proc_use proc_between(const struct proc_sample *from, const struct proc_sample *to, int core)
{
    struct proc_use use = {0};
    double ns = (double)(to->at_ns - from->at_ns), busy;

    if (ns <= 0)
        return use;
    use.seconds = ns / 1e9;
    use.tree_ns = to->tree_ns > from->tree_ns ? to->tree_ns - from->tree_ns : 0;
    use.tree = (double)use.tree_ns / ns;
    use.own = (double)(to->own_ns - from->own_ns) / ns;
    busy = (double)(to->core_busy_ns - from->core_busy_ns) / ns;
    use.foreign = busy - use.tree - (core < 0 ? use.own : 0);
    if (use.foreign < 0)
        use.foreign = 0; /* ticks are coarse */
    use.steal = (double)(to->core_steal_ns - from->core_steal_ns) / ns;
    return use;
}

bool proc_pin(int core)
{
    cpu_set_t set;

    if (core < 0)
        return true;
    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    return sched_setaffinity(0, sizeof(set), &set) == 0;
}
