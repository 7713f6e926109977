/* hash - FNV-1a, 64 bits: for tables whose keys nobody chooses to collide. Pure. */
#ifndef BASE_HASH_H
#define BASE_HASH_H
#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *data, size_t len);
#endif
