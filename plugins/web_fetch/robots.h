/* robots - what a site's robots.txt allows (RFC 9309). Pure. */
#ifndef WEB_FETCH_ROBOTS_H
#define WEB_FETCH_ROBOTS_H
#include <stdbool.h>
#include <stddef.h>

/* Whether the program called `agent` may read `path` (path and query of a clean address). The rules
 * of all groups that name the agent count, else those of "*"; the longest matching rule decides,
 * "allow" among equals. Patterns of more than 1,024 bytes never match. */
bool robots_allow(const char *text, size_t len, const char *agent, const char *path);
#endif
