#include "store/migrate_layout.h"

#include "store/store_sql.h"
#include "base/banned.h"

/* Each asks for the number of columns that we use, less many for one we would have to fill. */
#define COLUMNS(table, names)                                                                      \
    "SELECT coalesce(sum(CASE WHEN name IN (" names ") THEN 1"                                     \
    " WHEN \"notnull\" AND dflt_value IS NULL THEN -100 ELSE 0 END), 0)"                           \
    " FROM pragma_table_info('" table "')"

struct table {
    const char *name, *exists, *columns;
    int n;
};

#define TABLE(name, n, names)                                                                      \
    {                                                                                              \
        name, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '" name "'",     \
            COLUMNS(name, names), n                                                                \
    }

static const struct table tables[] = {
    TABLE("sessions", 6, "'app_name','user_id','id','state','create_time','update_time'"),
    TABLE("events", 7,
          "'id','app_name','user_id','session_id','invocation_id','timestamp','event_data'"),
    TABLE("app_states", 3, "'app_name','state','update_time'"),
    TABLE("user_states", 4, "'app_name','user_id','state','update_time'"),
};

static enum antiphon_status refuse_v0(const char *path, struct err *err)
{
    return err_set(
        err, ANTIPHON_EINVAL,
        "%s has the old layout of ADK's DatabaseSessionService (version 0, pickled "
        "actions); convert it: python -m "
        "google.adk.sessions.migration.migrate_from_sqlalchemy_sqlite --source_db_path %s "
        "--dest_db_path NEW.db, then use NEW.db",
        path, path);
}

static enum antiphon_status refuse_v1(const char *path, struct err *err)
{
    return err_set(
        err, ANTIPHON_EINVAL,
        "%s has the layout of ADK's DatabaseSessionService (version 1, made with a "
        "sqlite+aiosqlite URI); antiphon shares databases with ADK's SqliteSessionService "
        "(sqlite URI): give the store another path",
        path);
}

/* In this order: version 1 has event_data too. */
static enum antiphon_status check_versions(sqlite3 *db, const char *path, struct err *err)
{
    sqlite3_int64 v1 = 0, v0 = 0;
    enum antiphon_status status = store_sql_int(
        db, path,
        "SELECT (SELECT count(*) FROM sqlite_master WHERE name = 'adk_internal_metadata')"
        " + (SELECT count(*) FROM pragma_table_info('events') WHERE name = 'timestamp'"
        " AND type = 'DATETIME')"
        " * (SELECT count(*) FROM pragma_table_info('events') WHERE name = 'event_data')",
        0, &v1, err);
    if (status == ANTIPHON_OK)
        status = store_sql_int(db, path,
                               "SELECT count(*) > 0 AND sum(name = 'event_data') = 0"
                               " FROM pragma_table_info('events')",
                               0, &v0, err);
    if (status != ANTIPHON_OK)
        return status;
    if (v0)
        return refuse_v0(path, err);
    return v1 ? refuse_v1(path, err) : ANTIPHON_OK;
}

static enum antiphon_status check_columns(sqlite3 *db, const char *path, int *found,
                                          struct err *err)
{
    *found = 0;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        sqlite3_int64 exists = 0, columns = 0;
        enum antiphon_status status = store_sql_int(db, path, tables[i].exists, 0, &exists, err);
        if (status == ANTIPHON_OK && exists)
            status = store_sql_int(db, path, tables[i].columns, 0, &columns, err);
        if (status != ANTIPHON_OK)
            return status;
        if (exists && columns != tables[i].n)
            return err_set(err, ANTIPHON_EINVAL,
                           "the table \"%s\" of %s is not that of ADK's SqliteSessionService; give "
                           "the store another path",
                           tables[i].name, path);
        *found += exists != 0;
    }
    return ANTIPHON_OK;
}

enum antiphon_status migrate_layout_check(sqlite3 *db, const char *path,
                                          enum migrate_layout *layout, struct err *err)
{
    int found;
    sqlite3_int64 all = 0;
    enum antiphon_status status = check_versions(db, path, err);
    if (status == ANTIPHON_OK)
        status = check_columns(db, path, &found, err);
    if (status == ANTIPHON_OK)
        status = store_sql_int(db, path,
                               "SELECT count(*) FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%'"
                               " ESCAPE '\\'",
                               0, &all, err);
    if (status != ANTIPHON_OK)
        return status;
    if (all > 0 && found == 0)
        return err_set(err, ANTIPHON_EINVAL,
                       "%s is the database of another program; give the store another path", path);
    *layout = all > 0 ? MIGRATE_ADK : MIGRATE_EMPTY;
    return ANTIPHON_OK;
}
