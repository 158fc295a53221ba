/* SPDX-License-Identifier: GPL-3.0-or-later
 * quic_int.h - what the quic_* files share: which versions are readable, and how.
 */
#ifndef IDENTIFY_QUIC_INT_H
#define IDENTIFY_QUIC_INT_H

#include "identify/quic_packet.h"

struct quic_version {
	uint32_t first, last; /* versions, both included */
	const uint8_t *salt;  /* 20 bytes, RFC 9001 5.2 */
	bool v2;	      /* type bits and labels of RFC 9369 */
	/* of the Retry's integrity tag; NULL = not known */
	const uint8_t *retry_key, *retry_nonce;
};

const struct quic_version *quic_version_find(uint32_t version); /* NULL: unreadable */

#endif
