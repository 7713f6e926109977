/* elf_note - finds a note in an ELF file without loading it: 32 and 64 bit, either byte order, any machine. Nothing
 * in the file is believed: every offset and size is checked, and what is looked at is bounded. Pure.
 *
 * Layout: System V ABI, "ELF Header", "Program Header" and "Note Section"; notes are found by their PT_NOTE
 * segments, which survive strip. */
#ifndef PLUGIN_ELF_NOTE_H
#define PLUGIN_ELF_NOTE_H
#include "base/err.h"

#define ELF_NOTE_MAX_SEGMENTS 256
#define ELF_NOTE_MAX_BYTES ((size_t)1 << 20) /* of one segment of notes; larger ones are passed over */

/* Fills to with len bytes from offset; false: the file does not have them or cannot be read. */
typedef bool elf_note_read_fn(void *ctx, uint64_t offset, void *to, size_t len);

/* The content of the first note of that owner and type; *text is the caller's to free, a NUL follows its *len bytes.
 * EINVAL: not an ELF file, or a damaged one; ENOTFOUND: it has no such note; ENOMEM. err is one line. */
enum antiphon_status elf_note_find(elf_note_read_fn *read, void *ctx, const char *owner, uint32_t type, char **text,
                                   size_t *len, struct err *err) MUST_CHECK;
#endif
