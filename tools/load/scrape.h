/* scrape - a blocking GET, and counters out of what /metrics answers. */
#ifndef LOAD_SCRAPE_H
#define LOAD_SCRAPE_H
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The answer (head and body) as text, cut to size. 0: none within 5 s. */
size_t scrape_get(const struct sockaddr_in *address, const char *path, char *text, size_t size);

struct scrape {
    bool there; /* the server has /metrics */
    uint64_t took_ns;
    double spliced, parsed; /* audio frames without and with a tree */
};
void scrape_take(const struct sockaddr_in *address, struct scrape *scrape);
/* The value of a metric in Prometheus' text, 0 if it is not there. Pure. */
double scrape_value(const char *text, const char *name);
#endif
