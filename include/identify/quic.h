/* SPDX-License-Identifier: GPL-3.0-or-later
 * quic.h - which site the QUIC connections on one UDP 4-tuple are going to.
 *
 * The verdict is per connection, not per 4-tuple: every long-header datagram of the client is fed here, also when the
 * 4-tuple was decided long ago, and each answer says what the datagram is and which connection it belongs to. A
 * connection keeps its CRYPTO bytes, so that a later Initial that contradicts the inspected ones makes it EVASIVE.
 * Connections are known by the connection ID of the client's first Initial, from which all its Initial keys come
 * (RFC 9001 5.2); a Retry gives it a second one, a compatible change of version more keys from the first.
 *
 * Owns: struct quic_ident (heap, freed by its flow), at most QUIC_CONNS streams of CRYPTO bytes in it:
 * about 4 KiB for the usual one connection, never more than 32 KiB + QUIC_CONNS * 2.5 KiB.
 * Thread: the flow's worker. Fails: out of memory gives HOLD, never a name.
 * See: rows Q01-Q30; RFC 9000, 9001, 9368, 9369.
 */
#ifndef IDENTIFY_QUIC_H
#define IDENTIFY_QUIC_H

#include "identify/quic_crypt.h"
#include "model/ident.h"

enum {
	QUIC_CONNS = 4,
	QUIC_CONN_ANY =
		0xff, /* belongs to some connection of this 4-tuple, not readable to which */
	QUIC_CONN_IDLE_MS = 60000, /* a connection slot may be taken over when unused for so long */
	QUIC_HALF_IDLE_MS = 300000, /* ... when its hello is not complete: no server waits longer */
};

enum quic_step {
	QUIC_STEP_OTHER, /* not QUIC, or not to be proven: ident is NOT_PROTO. A UDP flow like any other: ask policy. */
	QUIC_STEP_PASS, /* part of a hello not complete yet (ident PENDING): keep it until the connection's JUDGE, and do with it as
	                 * then. Not before: a server knows a connection by its ID, and may get the rest from another port. */
	QUIC_STEP_HOLD, /* nothing can be judged by it and it must not go on (ident PENDING): drop it, the client sends it
	                  * again; or keep a few until the next JUDGE. Whatever policy says. */
	QUIC_STEP_JUDGE, /* ident is news about connection `conn` (also: a NAME that became EVASIVE): ask policy */
	QUIC_STEP_FOLLOW, /* of a connection judged before: ident is as then, do as then. With conn == QUIC_CONN_ANY:
	                   * pass if any connection of this 4-tuple was allowed. */
};

struct quic_seen {
	uint8_t step; /* enum quic_step */
	uint8_t conn; /* index below QUIC_CONNS, QUIC_CONN_ANY, also when there is none */
	bool unreadable_version; /* answer a refusal with refuse_quic_versions(): a client that can will try v1 at once */
	uint32_t version; /* of this datagram's first long header; 0 = none */
	struct quic_cid
		dcid; /* from which this connection's Initial keys come now: for refuse_quic_close() */
	struct quic_cid scid; /* the client's own */
	struct quic_cid
		server;	    /* the ID that the server chose, if it has answered; n 0 = not seen */
	struct ident ident; /* source QUIC, app QUIC, but for OTHER */
};

struct quic_ident;
struct quic_ident *quic_ident_new(void);    /* NULL: no memory */
void quic_ident_free(struct quic_ident *q); /* NULL is fine */
/* What all connections together may bring, 1..16 KiB of CRYPTO bytes (that is the default), and how long a hello may take
 * (0, the default: for ever). A connection that goes beyond is EVASIVE, anomaly TOO_LARGE or TIMEOUT. */
void quic_ident_limit(struct quic_ident *q, uint32_t bytes, uint32_t deadline_ms);
/* Whether any connection is known. */
bool quic_ident_any(const struct quic_ident *q);
/* Whether a connection's hello was begun and not ended. */
bool quic_ident_pending(const struct quic_ident *q);

/* One UDP payload of the client, in order of arrival. Always fills *out.
 * An unreadable version is EVASIVE/QUIC_VERSION for this datagram only: a rule by address may allow it, the default
 * is to block; a later Initial of a known version is judged for itself. Behind a first datagram that was no QUIC only
 * versions of known families count, for random bytes look like others once in a thousand datagrams.
 * A short header before any Initial is NONE/QUIC_SHORT. An Initial of a known version that no key opens, and a Handshake
 * packet before any Initial, are EVASIVE/MID_STREAM: their connection began elsewhere, and a client may not move to another
 * port while its handshake lasts (RFC 9000 9). A second hello may be in there.
 * packet in ident counts the client's datagrams. now_ms: monotonic. */
void quic_ident_client(struct quic_ident *q, struct quic_crypt *c, struct slice datagram,
	uint64_t now_ms, struct quic_seen *out);

/* One UDP payload of the server; always to be passed on. Teaches the connection IDs that the server chose. Returns the
 * type of the datagram's first packet that fits a connection here, or QUIC_TYPE_UNKNOWN. INITIAL, HANDSHAKE: the server
 * has answered. */
enum quic_type quic_ident_server(
	struct quic_ident *q, struct quic_crypt *c, struct slice datagram, uint64_t now_ms);

/* The ClientHello handshake message of a connection, for who wants its names as sent; empty while incomplete.
 * Lies in q until its next change. */
struct slice quic_ident_hello(const struct quic_ident *q, uint8_t conn);
size_t quic_ident_memory(const struct quic_ident *q); /* bytes held */

#endif
