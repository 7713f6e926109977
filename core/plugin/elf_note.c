#include "plugin/elf_note.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

#define NOTE_HEAD 12u /* owner's size, content's size, type */

struct elf {
    elf_note_read_fn *read;
    void *ctx;
    bool wide, big; /* 64 bit; most significant byte first */
    uint64_t table; /* of segments */
    unsigned entry_size, entries;
};

struct segment {
    uint32_t type;
    uint64_t offset, size, align;
};

static uint64_t number(const struct elf *elf, const unsigned char *at, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++)
        value = value << 8 | at[elf->big ? i : size - 1 - i];
    return value;
}

static uint32_t number32(const struct elf *elf, const unsigned char *at)
{
    return (uint32_t)number(elf, at, 4);
}

static enum antiphon_status read_header(struct elf *elf, struct err *err)
{
    unsigned char head[sizeof(Elf64_Ehdr)];

    if (!elf->read(elf->ctx, 0, head, EI_NIDENT) || memcmp(head, ELFMAG, SELFMAG) != 0)
        return err_set(err, ANTIPHON_EINVAL, "not an ELF file");
    elf->wide = head[EI_CLASS] == ELFCLASS64;
    elf->big = head[EI_DATA] == ELFDATA2MSB;
    if ((!elf->wide && head[EI_CLASS] != ELFCLASS32) || (!elf->big && head[EI_DATA] != ELFDATA2LSB))
        return err_set(err, ANTIPHON_EINVAL, "an ELF file of an unknown kind");
    if (!elf->read(elf->ctx, 0, head, elf->wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
        return err_set(err, ANTIPHON_EINVAL, "the file is truncated");
    elf->table = elf->wide ? number(elf, head + offsetof(Elf64_Ehdr, e_phoff), 8)
                           : number(elf, head + offsetof(Elf32_Ehdr, e_phoff), 4);
    const unsigned char *sizes =
        head + (elf->wide ? offsetof(Elf64_Ehdr, e_phentsize) : offsetof(Elf32_Ehdr, e_phentsize));
    elf->entry_size = (unsigned)number(elf, sizes, 2);
    elf->entries = (unsigned)number(elf, sizes + 2, 2);
    if (elf->entries > ELF_NOTE_MAX_SEGMENTS)
        return err_set(err, ANTIPHON_EINVAL, "the file has %u segments, at most %d are looked at", elf->entries,
                       ELF_NOTE_MAX_SEGMENTS);
    if (elf->entries && elf->entry_size < (elf->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
        return err_set(err, ANTIPHON_EINVAL, "the table of segments is damaged");
    return ANTIPHON_OK;
}

static bool read_segment(const struct elf *elf, unsigned index, struct segment *segment)
{
    unsigned char entry[sizeof(Elf64_Phdr)];
    uint64_t at = elf->table + (uint64_t)index * elf->entry_size;

    if (at < elf->table ||
        !elf->read(elf->ctx, at, entry, elf->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
        return false;
    segment->type = number32(elf, entry);
    if (elf->wide) {
        segment->offset = number(elf, entry + offsetof(Elf64_Phdr, p_offset), 8);
        segment->size = number(elf, entry + offsetof(Elf64_Phdr, p_filesz), 8);
        segment->align = number(elf, entry + offsetof(Elf64_Phdr, p_align), 8);
    } else {
        segment->offset = number32(elf, entry + offsetof(Elf32_Phdr, p_offset));
        segment->size = number32(elf, entry + offsetof(Elf32_Phdr, p_filesz));
        segment->align = number32(elf, entry + offsetof(Elf32_Phdr, p_align));
    }
    return true;
}

static size_t padded(size_t size, size_t align)
{
    return (size + align - 1) & ~(align - 1);
}

/* Notes follow each other; names and contents are padded to the segment's alignment, which is 4 or 8. */
static const unsigned char *find_in(const struct elf *elf, const unsigned char *at, size_t left, size_t align,
                                    const char *owner, uint32_t type, size_t *len)
{
    size_t owner_size = strlen(owner) + 1;

    while (left >= NOTE_HEAD) {
        size_t name = number32(elf, at), content = number32(elf, at + 4);
        uint32_t kind = number32(elf, at + 8);
        if (name > left || content > left)
            return NULL;
        size_t start = padded(NOTE_HEAD + name, align);
        if (start > left || content > left - start)
            return NULL;
        if (kind == type && name == owner_size && memcmp(at + NOTE_HEAD, owner, owner_size) == 0) {
            *len = content;
            return at + start;
        }
        size_t next = padded(start + content, align);
        if (next >= left)
            return NULL;
        at += next;
        left -= next;
    }
    return NULL;
}

static enum antiphon_status search(const struct elf *elf, const struct segment *segment, const char *owner,
                                   uint32_t type, char **text, size_t *len)
{
    size_t size = (size_t)segment->size, found = 0;
    enum antiphon_status status = ANTIPHON_ENOTFOUND;
    unsigned char *notes = malloc(size);

    if (!notes)
        return ANTIPHON_ENOMEM;
    if (!elf->read(elf->ctx, segment->offset, notes, size)) {
        status = ANTIPHON_EINVAL;
        goto out;
    }
    const unsigned char *at = find_in(elf, notes, size, segment->align == 8 ? 8 : 4, owner, type, &found);
    if (!at)
        goto out;
    char *copy = malloc(found + 1);
    if (!copy) {
        status = ANTIPHON_ENOMEM;
        goto out;
    }
    memcpy(copy, at, found);
    copy[found] = '\0';
    *text = copy;
    *len = found;
    status = ANTIPHON_OK;
out:
    free(notes);
    return status;
}

enum antiphon_status elf_note_find(elf_note_read_fn *read, void *ctx, const char *owner, uint32_t type, char **text,
                                   size_t *len, struct err *err)
{
    struct elf elf = {.read = read, .ctx = ctx};
    enum antiphon_status status = read_header(&elf, err);

    if (status)
        return status;
    for (unsigned i = 0; i < elf.entries; i++) {
        struct segment segment;
        if (!read_segment(&elf, i, &segment))
            return err_set(err, ANTIPHON_EINVAL, "the file is truncated");
        if (segment.type != PT_NOTE || segment.size < NOTE_HEAD || segment.size > ELF_NOTE_MAX_BYTES)
            continue;
        status = search(&elf, &segment, owner, type, text, len);
        if (status == ANTIPHON_EINVAL)
            return err_set(err, status, "the file is truncated");
        if (status == ANTIPHON_ENOMEM)
            return err_set(err, status, "no memory");
        if (!status)
            return ANTIPHON_OK;
    }
    return err_set(err, ANTIPHON_ENOTFOUND, "it has no note of %s", owner);
}
