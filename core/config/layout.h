/* layout - where the program's own folders are: beside the executable. In a build tree
 * (build/<preset>/antiphon) the repository's agents/ and static/ and the build's plugins/;
 * installed, <prefix>/share/antiphon and <prefix>/<lib>/antiphon/plugins of wherever <prefix>/bin
 * was put, else of the prefix that was configured. [main] */
#ifndef CONFIG_LAYOUT_H
#define CONFIG_LAYOUT_H
#include "base/err.h"

struct layout {
    char *agents, *statics, *plugins; /* owned; they need not exist */
};

enum antiphon_status layout_find(struct layout *layout, struct err *err) MUST_CHECK;
/* The same for an executable in that folder. */
enum antiphon_status layout_find_from(const char *exe_dir, struct layout *layout,
                                      struct err *err) MUST_CHECK;
void layout_deinit(struct layout *layout);
#endif
