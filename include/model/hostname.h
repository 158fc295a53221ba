/* SPDX-License-Identifier: GPL-3.0-or-later
 * hostname.h - makes host names from the wire canonical. They are ASCII; conf/idn.h converts international names.
 *
 * Owns: nothing. Thread: any; pure. See: RFC 1035 2.3.4, RFC 6066 3, RFC 3986 3.2.2, durward-policy(5) "NAMES OF SITES".
 */
#ifndef MODEL_HOSTNAME_H
#define MODEL_HOSTNAME_H

#include "base/addr.h"
#include "model/ident.h"

enum hostname {
	HOSTNAME_OK,
	HOSTNAME_EMPTY,
	HOSTNAME_IP, /* an IPv4 or IPv6 literal (also in brackets) */
	HOSTNAME_BAD, /* NUL, space, control, 8-bit, '%', '*', '/', an empty label, label > 63, name > 253, an odd numeric
	               * form of an IPv4 address (octal, hex, one integer) */
};

/* Lower-cases, takes off ONE final dot, checks labels (letters, digits, '-', '_'). out and *out_len are set for OK and
 * IP (the literal in its usual text form). No port allowed here. */
enum hostname hostname_canonical(struct slice in, char out[static NAME_TEXT], uint8_t *out_len);

/* Host header or authority: [userinfo@ is BAD] host [":" port]. port 0 when none. */
enum hostname hostname_from_authority(
	struct slice in, char out[static NAME_TEXT], uint8_t *out_len, uint16_t *port);

/* Number of labels; hostname_parent("a.b.c") = "b.c", "" after the last. */
struct slice hostname_parent(struct slice name);

#endif
