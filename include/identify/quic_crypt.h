/* SPDX-License-Identifier: GPL-3.0-or-later
 * quic_crypt.h - the keys of QUIC Initial packets; everybody who sees a connection's first packet can derive them.
 *
 * Owns: struct quic_crypt holds OpenSSL contexts, one a thread, made once, reused for every packet.
 * Thread: one at a time each. Fails: false (wrong tag, unknown version, too small a buffer, no memory).
 * See: RFC 9001 5.2 to 5.4 and 5.8; RFC 9369 3.3.
 */
#ifndef IDENTIFY_QUIC_CRYPT_H
#define IDENTIFY_QUIC_CRYPT_H

#include "identify/quic_packet.h"

struct quic_crypt;

struct quic_keys { /* of one direction */
	uint8_t key[16], iv[12], hp[16];
};
enum quic_side { QUIC_CLIENT, QUIC_SERVER };

struct quic_crypt *quic_crypt_new(void); /* NULL: no memory, or a libcrypto without AES-128-GCM */
void quic_crypt_free(struct quic_crypt *c);

/* Keys of the packets that `side` sends, from the destination connection ID of the client's first Initial (or, after
 * a Retry, from the Retry's source connection ID). */
bool quic_crypt_keys(struct quic_crypt *c, uint32_t version, const struct quic_cid *dcid,
	enum quic_side side, struct quic_keys *out);

/* Opens an INITIAL. `expected`: one more than the highest packet number seen from that side, 0 = none; a client that has
 * an acknowledgement sends only the last bytes of a number (RFC 9000 17.1). *plain becomes the frames; they lie in c's own
 * buffer until its next use. */
bool quic_crypt_open(struct quic_crypt *c, const struct quic_keys *k, const struct quic_packet *p,
	uint64_t expected, struct slice *plain, uint64_t *pn);

/* Seals: `header` is the header in clear with the packet number at its end (`pn_len` bytes, 1..4, value `pn`) and a
 * right Length field; writes header, sealed frames and tag. Returns the bytes written, 0 when cap is too small or the
 * packet would be too short for its header protection (pn_len + frames.n must be at least 4). */
size_t quic_crypt_seal(struct quic_crypt *c, const struct quic_keys *k, struct slice header,
	unsigned pn_len, uint64_t pn, struct slice frames, uint8_t *out, size_t cap);

/* Is this RETRY an answer to an Initial sent to `original`? Known for v1, v2 and drafts 29 to 34. */
bool quic_crypt_retry_ok(
	struct quic_crypt *c, const struct quic_packet *retry, const struct quic_cid *original);

#endif
