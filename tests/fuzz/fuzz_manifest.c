/* An ELF file in memory. What is found lies inside it, and what is read as a manifest answers every question. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/elf_note.h"
#include "plugin/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct file {
    const uint8_t *data;
    size_t size;
};

static bool read_at(void *ctx, uint64_t offset, void *to, size_t len)
{
    const struct file *file = ctx;

    if (offset > file->size || len > file->size - offset)
        return false;
    memcpy(to, file->data + offset, len);
    return true;
}

static void ask(const struct manifest *manifest)
{
    const cJSON *tool;

    assert(manifest_name(manifest) && manifest_version(manifest) && manifest_abi(manifest));
    cJSON_ArrayForEach (tool, json_get(manifest_tree(manifest), "tools")) {
        assert(manifest_tool(manifest, json_get_string(tool, "name")) == tool);
        (void)manifest_tool_flags(tool);
        (void)manifest_tool_native(tool);
    }
    (void)manifest_hook_points(manifest);
    (void)manifest_config(manifest);
    (void)manifest_permits(manifest, "net");
    (void)manifest_permits_host(manifest, "www.example.com");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct file file = {data, size};
    struct manifest *manifest = NULL;
    struct err err = {0};
    char *text = NULL;
    size_t len = 0;

    if (!elf_note_find(read_at, &file, ANTIPHON_NOTE_OWNER, ANTIPHON_NOTE_MANIFEST, &text, &len, &err)) {
        assert(text && len <= size && text[len] == '\0');
    } else {
        assert(err.status && err.text[0]);
        len = size; /* a fuzzer seldom writes ELF: let it try the JSON as it is, too */
        text = malloc(len + 1);
        assert(text);
        memcpy(text, data, len);
        text[len] = '\0';
    }
    if (!manifest_parse(text, len, &manifest, &err))
        ask(manifest);
    else
        assert(err.text[0]);
    manifest_free(manifest);
    free(text);
    return 0;
}
