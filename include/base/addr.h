/* SPDX-License-Identifier: GPL-3.0-or-later
 * addr.h - IP addresses, networks and MAC addresses as plain values.
 *
 * Every address is 16 bytes; IPv4 is held IPv4-mapped (::ffff:a.b.c.d), so one compare serves both families.
 * Owns: nothing. Thread: any; pure. Fails: parse functions return false and leave *out alone.
 */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/layout.h"
#include "base/slice.h"

struct addr {
	uint8_t b[16]; /* network order; IPv4-mapped for IPv4 */
};
LAYOUT(struct addr, 16);

struct cidr {
	struct addr net; /* host bits zero */
	uint8_t bits;	 /* 0..128, counted over the 16 bytes (an IPv4 /24 is 120) */
};

struct mac {
	uint8_t b[6];
};
LAYOUT(struct mac, 6);

enum { ADDR_TEXT = 46, CIDR_TEXT = 50, MAC_TEXT = 18 }; /* with the final NUL */

struct addr addr_v4(const void *four); /* 4 bytes, network order */
struct addr addr_v6(const void *sixteen);
bool addr_is_v4(const struct addr *a);
bool addr_eq(const struct addr *a, const struct addr *b);
int addr_cmp(const struct addr *a, const struct addr *b);
bool addr_is_zero(const struct addr *a);       /* 0.0.0.0 or :: */
bool addr_is_loopback(const struct addr *a);   /* 127/8, ::1 */
bool addr_is_link_local(const struct addr *a); /* 169.254/16, fe80::/10 */

bool addr_parse(struct slice text,
	struct addr *out); /* "192.0.2.1", "2001:db8::1"; no port, no zone, no brackets */
const char *addr_format(const struct addr *a, char out[static ADDR_TEXT]);

/* "192.0.2.0/24", "2001:db8::/32"; a bare address is a /32 or /128. Host bits set: false. */
bool cidr_parse(struct slice text, struct cidr *out);
const char *cidr_format(const struct cidr *c, char out[static CIDR_TEXT]);
bool cidr_has(const struct cidr *c, const struct addr *a);

bool mac_parse(struct slice text, struct mac *out); /* aa:bb:cc:dd:ee:ff or with '-' */
const char *mac_format(const struct mac *m, char out[static MAC_TEXT]);
bool mac_eq(const struct mac *a, const struct mac *b);

void addr_from_sockaddr(const struct sockaddr *sa, struct addr *a, uint16_t *port);
socklen_t addr_to_sockaddr(
	const struct addr *a, uint16_t port, struct sockaddr_storage *out); /* AF_INET for v4 */

#endif
