/* id - random identifiers from the kernel's generator. Any thread. */
#ifndef BASE_ID_H
#define BASE_ID_H
#include <stddef.h>

#define ID_UUID_SIZE 37
void id_random(void *out, size_t len);
/* A lower-case UUID version 4 with NUL. */
void id_uuid(char out[ID_UUID_SIZE]);
#endif
