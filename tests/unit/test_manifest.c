/* Manifests: out of ELF files of every kind, made here byte by byte, and out of real plugins; what is wrong is said. */
#include "unit.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugin/elf_note.h"
#include "plugin/manifest.h"

#define WRAP(json) "{\"abi\":\"1.0\",\"manifest\":" json "}"

/* ---- ELF files made by hand -------------------------------------------------------------------------- */

struct image {
    unsigned char bytes[4096];
    size_t len;
    bool wide, big;
};

static bool read_at(void *ctx, uint64_t offset, void *to, size_t len)
{
    const struct image *image = ctx;

    if (offset > image->len || len > image->len - offset)
        return false;
    memcpy(to, image->bytes + offset, len);
    return true;
}

static void put(struct image *image, size_t at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        image->bytes[at + (image->big ? size - 1 - i : i)] = (unsigned char)(value >> (8 * i));
}

static size_t put_note(struct image *image, size_t at, const char *owner, uint32_t type, const char *text, size_t align)
{
    size_t owner_size = strlen(owner) + 1, text_size = strlen(text) + 1;

    put(image, at, owner_size, 4);
    put(image, at + 4, text_size, 4);
    put(image, at + 8, type, 4);
    memcpy(image->bytes + at + 12, owner, owner_size);
    at += (12 + owner_size + align - 1) / align * align;
    memcpy(image->bytes + at, text, text_size);
    return at + (text_size + align - 1) / align * align;
}

/* One segment of code, one of notes: another's first, ours behind it. */
static void make(struct image *image, bool wide, bool big, size_t align)
{
    size_t head = wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
    size_t entry = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr), notes = head + 2 * entry, end;

    *image = (struct image){.wide = wide, .big = big};
    notes = (notes + 7) / 8 * 8;
    memcpy(image->bytes, ELFMAG, SELFMAG);
    image->bytes[EI_CLASS] = wide ? ELFCLASS64 : ELFCLASS32;
    image->bytes[EI_DATA] = big ? ELFDATA2MSB : ELFDATA2LSB;
    put(image, 16, ET_DYN, 2);
    put(image, 18, EM_S390, 2);
    put(image, wide ? 32 : 28, head, wide ? 8 : 4);
    put(image, wide ? 54 : 42, entry, 2);
    put(image, wide ? 56 : 44, 2, 2);
    put(image, head, PT_LOAD, 4);
    end = put_note(image, notes, "GNU", 3, "0123456789", align);
    end = put_note(image, end, "antiphon", 2, "another type", align);
    end = put_note(image, end, "antiphon", 1, WRAP("{\"name\":\"far\",\"version\":\"3\"}"), align);
    put(image, head + entry, PT_NOTE, 4);
    put(image, head + entry + (wide ? 8 : 4), notes, wide ? 8 : 4);
    put(image, head + entry + (wide ? 32 : 16), end - notes, wide ? 8 : 4);
    put(image, head + entry + (wide ? 48 : 28), align, wide ? 8 : 4);
    image->len = end;
}

static enum antiphon_status find(struct image *image, struct err *err)
{
    char *text = NULL;
    size_t len = 0;
    enum antiphon_status status = elf_note_find(read_at, image, "antiphon", 1, &text, &len, err);

    if (!status) {
        assert_string_equal(text, WRAP("{\"name\":\"far\",\"version\":\"3\"}"));
        assert_int_equal(len, strlen(text) + 1);
    }
    free(text);
    return status;
}

static void test_every_kind_of_elf(void **state)
{
    struct image image;
    struct err err = {0};

    (void)state;
    for (int kind = 0; kind < 8; kind++) {
        make(&image, kind & 1, kind & 2, kind & 4 ? 8 : 4);
        assert_int_equal(find(&image, &err), ANTIPHON_OK);
    }
}

static void test_every_cut(void **state)
{
    struct image image;
    struct err err = {0};

    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        make(&image, kind & 1, kind & 2, 4);
        for (size_t len = 0, whole = image.len; len < whole; len++) {
            image.len = len;
            assert_int_equal(find(&image, &err), ANTIPHON_EINVAL);
            assert_true(err.text[0] != '\0');
        }
    }
}

static void test_damaged_elf(void **state)
{
    struct image image;
    struct err err = {0};

    (void)state;
    make(&image, true, false, 4);
    put(&image, 56, 1, 2); /* the segment of notes is not in the table */
    assert_int_equal(find(&image, &err), ANTIPHON_ENOTFOUND);
    assert_string_equal(err.text, "it has no note of antiphon");
    put(&image, 56, 300, 2);
    assert_int_equal(find(&image, &err), ANTIPHON_EINVAL);
    make(&image, true, false, 4);
    put(&image, 54, 8, 2);
    assert_int_equal(find(&image, &err), ANTIPHON_EINVAL);
    assert_string_equal(err.text, "the table of segments is damaged");
    make(&image, true, false, 4);
    put(&image, 32, UINT64_MAX, 8);
    assert_int_equal(find(&image, &err), ANTIPHON_EINVAL);
    make(&image, true, false, 4);
    image.bytes[EI_CLASS] = 7;
    assert_int_equal(find(&image, &err), ANTIPHON_EINVAL);
    make(&image, true, false, 4);
    put(&image, 64 + 56 + 32, ELF_NOTE_MAX_BYTES + 1, 8); /* passed over */
    assert_int_equal(find(&image, &err), ANTIPHON_ENOTFOUND);
    make(&image, false, true, 4);
    put(&image, 120, UINT32_MAX, 4); /* the first note's name is longer than all of them */
    assert_int_equal(find(&image, &err), ANTIPHON_ENOTFOUND);
}

/* ---- the JSON ------------------------------------------------------------------------------------------ */

static void refuse(const char *text, const char *line)
{
    struct manifest *manifest = NULL;
    struct err err = {0};

    assert_int_not_equal(manifest_parse(text, strlen(text), &manifest, &err), ANTIPHON_OK);
    assert_null(manifest);
    assert_string_equal(err.text, line);
}

static void test_faults(void **state)
{
    (void)state;
    refuse("{\"name\":\"x\"}", "not what ANTIPHON_MANIFEST() writes");
    refuse("{\"abi\":\"1.0\",\"manifest\":[]}", "not what ANTIPHON_MANIFEST() writes");
    refuse(WRAP("{\"name\":\"x\"}"), "\"version\" is missing");
    refuse(WRAP("{\"name\":\"x\",\"version\":\"1\",\"toolz\":[]}"), "toolz: is not known; did you mean \"tools\"?");
    refuse(WRAP("{\"name\":\"x\",\"version\":\"1\",\"tools\":[{\"name\":\"a\",\"flags\":[\"fast\"]}]}"),
           "tools[0].flags[0]: must be one of \"read_only\", \"exclusive\", \"needs_confirmation\", \"long_running\", "
           "\"non_blocking\", \"keep_on_interrupt\", \"native\"");
    refuse(WRAP("{\"name\":\"x\",\"version\":\"1\",\"tools\":[{\"name\":\"a\"},{\"name\":\"a\"}]}"),
           "tool a is there twice");
    refuse(WRAP("{\"name\":\"x\",\"version\":\"1\",\"tools\":[{\"name\":\"a\",\"parameters\":{\"type\":\"object\","
                "\"properties\":{\"n\":{\"oneOf\":[]}}}}]}"),
           "tool a: parameters: schema: properties.n.oneOf: unknown or unsupported keyword");
    refuse(WRAP("{\"name\":\"x\",\"version\":\"1\",\"config\":{\"type\":\"objects\"}}"),
           "config: schema: type: must be string, number, integer, boolean, array, object or null, or an array of "
           "these");
}

static void test_answers(void **state)
{
    static const char text[] =
        WRAP("{\"name\":\"x\",\"version\":\"1.2\",\"tools\":[{\"name\":\"a\",\"flags\":[\"read_only\","
             "\"non_blocking\"]},{\"name\":\"b\",\"flags\":[\"native\"]}],\"hooks\":[\"user_text\",\"after_tool\"],"
             "\"config\":{\"type\":\"object\"},\"permissions\":{\"http\":[\"api.example.com\",\"*.example.org\"],"
             "\"private\":true,\"exec\":false}}") "\0\0";
    struct manifest *manifest = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(manifest_parse(text, sizeof(text), &manifest, &err), ANTIPHON_OK);
    assert_string_equal(manifest_abi(manifest), "1.0");
    assert_string_equal(manifest_name(manifest), "x");
    assert_string_equal(manifest_version(manifest), "1.2");
    assert_string_equal(manifest_config(manifest), "{\"type\":\"object\"}");
    assert_int_equal(manifest_tool_flags(manifest_tool(manifest, "a")),
                     ANTIPHON_TOOL_READ_ONLY | ANTIPHON_TOOL_NON_BLOCKING);
    assert_false(manifest_tool_native(manifest_tool(manifest, "a")));
    assert_true(manifest_tool_native(manifest_tool(manifest, "b")));
    assert_null(manifest_tool(manifest, "c"));
    assert_int_equal(manifest_hook_points(manifest),
                     ANTIPHON_HOOK_AT(ANTIPHON_HOOK_USER_TEXT) | ANTIPHON_HOOK_AT(ANTIPHON_HOOK_AFTER_TOOL));
    assert_true(manifest_permits(manifest, "private"));
    assert_false(manifest_permits(manifest, "exec"));
    assert_false(manifest_permits(manifest, "net"));
    assert_true(manifest_permits_host(manifest, "API.example.com"));
    assert_true(manifest_permits_host(manifest, "www.example.org"));
    assert_false(manifest_permits_host(manifest, "example.org"));
    assert_false(manifest_permits_host(manifest, "notexample.org"));
    assert_false(manifest_permits_host(manifest, "api.example.com.evil.net"));
    manifest_free(manifest);
}

static void test_no_permissions(void **state)
{
    struct manifest *manifest = NULL;
    static const char text[] = WRAP("{\"name\":\"x\",\"version\":\"1\"}");

    (void)state;
    assert_int_equal(manifest_parse(text, strlen(text), &manifest, NULL), ANTIPHON_OK);
    assert_null(manifest_config(manifest));
    assert_false(manifest_permits_host(manifest, "example.org"));
    assert_int_equal(manifest_hook_points(manifest), 0);
    manifest_free(manifest);
}

/* ---- files ---------------------------------------------------------------------------------------------- */

static void test_real_files(void **state)
{
    struct manifest *manifest = NULL;
    struct err err = {0};
    int fd = open(FIXTURE_PLUGINS_DIR "/hello.so", O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(manifest_read(fd, &manifest, &err), ANTIPHON_OK);
    assert_string_equal(manifest_name(manifest), "hello");
    assert_int_equal(manifest_tool_flags(manifest_tool(manifest, "say_hello")), ANTIPHON_TOOL_READ_ONLY);
    manifest_free(manifest);
    close(fd);

    fd = open(FIXTURE_PLUGINS_DIR "/bad_schema.so", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(manifest_read(fd, &manifest, &err), ANTIPHON_ENOTFOUND);
    close(fd);

    fd = open(FIXTURE_PLUGINS_DIR "/not_elf.so", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(manifest_read(fd, &manifest, &err), ANTIPHON_EINVAL);
    assert_string_equal(err.text, "not an ELF file");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_elf), cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_damaged_elf),       cmocka_unit_test(test_faults),
        cmocka_unit_test(test_answers),           cmocka_unit_test(test_no_permissions),
        cmocka_unit_test(test_real_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
