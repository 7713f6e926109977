/* migrate_layout - whose database it is, told by its tables. Reads only. */
#ifndef STORE_MIGRATE_LAYOUT_H
#define STORE_MIGRATE_LAYOUT_H
#include <sqlite3.h>
#include "base/err.h"

enum migrate_layout {
    MIGRATE_EMPTY, /* no tables */
    MIGRATE_ADK    /* the tables of ADK's SqliteSessionService, perhaps with ours */
};

/* EINVAL, with a sentence that names the layout and the next step: anything else. Newer versions of
 * ADK may have added tables, and columns that may be left out. */
enum antiphon_status migrate_layout_check(sqlite3 *db, const char *path,
                                          enum migrate_layout *layout, struct err *err) MUST_CHECK;
#endif
