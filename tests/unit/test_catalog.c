/* Which plugin has a tool, read from the files of the plugin folders: shipped ones, fixtures, and broken ones between them. */
#include "unit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/file.h"
#include "plugin/catalog.h"

static struct catalog *read_dirs(const char *first, const char *second)
{
    const char *const dirs[] = {first, second, NULL};
    struct catalog *catalog = NULL;

    assert_int_equal(catalog_read(dirs, &catalog), ANTIPHON_OK);
    return catalog;
}

static void test_owner(void **state)
{
    struct catalog *catalog = read_dirs(FIXTURE_PLUGINS_DIR, PLUGINS_DIR);

    (void)state;
    assert_string_equal(catalog_owner(catalog, "set_reminder", 0), "clock");
    assert_null(catalog_owner(catalog, "set_reminder", 1));
    assert_string_equal(catalog_owner(catalog, "google_search", 0), "google_search");
    assert_string_equal(catalog_owner(catalog, "say_hello", 0), "also_hello");
    assert_string_equal(catalog_owner(catalog, "say_hello", 1), "hello");
    assert_null(catalog_owner(catalog, "say_hello", 2));
    assert_null(catalog_owner(catalog, "own_tool", 0)); /* name_clash has no manifest */
    assert_null(catalog_owner(catalog, "", 0));
    catalog_free(catalog);
}

static void test_names(void **state)
{
    const char *names[64];
    struct catalog *catalog = read_dirs(PLUGINS_DIR, NULL);
    size_t n = catalog_tools(catalog, names, 64);
    bool found = false;

    (void)state;
    for (size_t i = 0; i < n; i++)
        found = found || strcmp(names[i], "convert_unit") == 0;
    assert_true(found);
    assert_int_equal(catalog_tools(catalog, names, 2), 2);
    catalog_free(catalog);
}

static void copy(const char *from, const char *to)
{
    char *text = NULL;
    size_t len = 0;
    struct err err;
    FILE *file = fopen(to, "wb");

    assert_non_null(file);
    assert_int_equal(file_read(from, 16 << 20, &text, &len, &err), ANTIPHON_OK);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    free(text);
}

/* An earlier folder's file stands for its name, whatever it is; what calls itself otherwise than its file is nothing. */
static void test_shadows(void **state)
{
    char folder[] = "/tmp/antiphon-catalog-XXXXXX", path[256];
    struct catalog *catalog;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/clock.so", folder);
    copy(FIXTURE_PLUGINS_DIR "/not_elf.so", path);
    (void)snprintf(path, sizeof(path), "%s/guten_tag.so", folder);
    copy(FIXTURE_PLUGINS_DIR "/hello.so", path);
    catalog = read_dirs(folder, PLUGINS_DIR);
    assert_null(catalog_owner(catalog, "set_reminder", 0));
    assert_null(catalog_owner(catalog, "say_hello", 0));
    assert_non_null(catalog_owner(catalog, "recall", 0));
    catalog_free(catalog);
    (void)snprintf(path, sizeof(path), "%s/hello.so", folder);
    copy(FIXTURE_PLUGINS_DIR "/hello.so", path);
    catalog = read_dirs("/nowhere/at/all", folder);
    assert_string_equal(catalog_owner(catalog, "say_hello", 0), "hello");
    catalog_free(catalog);
    assert_int_equal(chmod(path, 0666), 0); /* the loader would refuse it */
    catalog = read_dirs(folder, NULL);
    assert_null(catalog_owner(catalog, "say_hello", 0));
    catalog_free(catalog);
    static const char *const made[] = {"clock", "guten_tag", "hello"};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s.so", folder, made[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void test_no_memory(void **state)
{
    const char *const dirs[] = {FIXTURE_PLUGINS_DIR, NULL};
    struct catalog *catalog = NULL;
    enum antiphon_status status;

    (void)state;
    /* A manifest that could not be read for want of memory is passed over; the next look finds it. */
    for (unsigned n = 0; alloc_fail_at(n), status = catalog_read(dirs, &catalog), alloc_has_failed(); n++) {
        assert_true(status == ANTIPHON_OK || status == ANTIPHON_ENOMEM);
        if (!status)
            catalog_free(catalog);
        catalog = NULL;
    }
    assert_int_equal(status, ANTIPHON_OK);
    catalog_free(catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_owner), cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_shadows), cmocka_unit_test(test_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
