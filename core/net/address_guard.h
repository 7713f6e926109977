/* address_guard - which addresses an outgoing request of unknown origin may reach: public unicast
 * only. The check belongs on the address that is connected to, so that no name server can play
 * tricks. Pure. */
#ifndef NET_ADDRESS_GUARD_H
#define NET_ADDRESS_GUARD_H
#include <stdbool.h>
#include <sys/socket.h>

/* False for loopback, private, shared, link-local, multicast, reserved and unspecified addresses,
 * for IPv4 ones inside IPv6 (mapped, 6to4, Teredo, NAT64) by the same rules or altogether, and for
 * any other family. RFC 6890, RFC 4291. */
bool address_guard_is_public(const struct sockaddr *address);
#endif
