/* tcp_progress - how far the other side of a socket has come. (Apart, because the kernel's header
 * that has the field cannot be included beside libc's.) */
#ifndef NET_TCP_PROGRESS_H
#define NET_TCP_PROGRESS_H
#include <stdint.h>

/* Bytes that the other side's system has confirmed since the connection began; 0 if it cannot be
 * told. */
uint64_t tcp_progress_acked(int fd);
#endif
