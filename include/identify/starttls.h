/* SPDX-License-Identifier: GPL-3.0-or-later
 * starttls.h - the client's side of a cleartext preamble that may turn into TLS (STARTTLS, STLS, AUTH TLS, SSLRequest).
 *
 * A usual preamble consists of greetings, capabilities and the request for TLS itself. The first word of anything else (a login,
 * a mail, an unknown command) gives PLAIN, once: the flow has no name. A server may answer an unknown command by an error and
 * agree to TLS all the same, so the stream is watched on where the protocol allows TLS later: lines, XMPP, LDAP. Servers discard
 * what they have read ahead when they turn to TLS; so once the client has mentioned it (the letters "TLS" or "SSL"), a hello
 * may begin anywhere, also in the middle of a line.
 *
 * Owns: nothing. Thread: one at a time; pure. Fails: by step. See: RFC 3207, 9051 6.2.1, 2595 4, 4217, 4511 4.14, 6120 5;
 * row T26. Source: PostgreSQL "Message Formats" SSLRequest, MySQL "Protocol::SSLRequest", MS-RDPBCGR 2.2.1.1.
 */
#ifndef IDENTIFY_STARTTLS_H
#define IDENTIFY_STARTTLS_H

#include "base/slice.h"

enum starttls_proto {
	STARTTLS_NONE,
	STARTTLS_SMTP,
	STARTTLS_IMAP,
	STARTTLS_POP3,
	STARTTLS_FTP,
	STARTTLS_XMPP,
	STARTTLS_LDAP,
	STARTTLS_POSTGRES,
	STARTTLS_MYSQL,
	STARTTLS_RDP,
	STARTTLS_ANY_LINES, /* a port that is listed but not one of the above: SMTP's, IMAP's, POP3's or FTP's words */
};

enum starttls_step {
	STARTTLS_WAIT, /* *used bytes are preamble; come back with more. t->skip: after skipping so many */
	STARTTLS_TLS,	/* behind *used bytes a TLS record begins */
	STARTTLS_PLAIN, /* behind *used bytes something begins that is no preamble; said once */
};

struct starttls {	 /* = {.proto = ...} */
	uint8_t proto;	 /* enum starttls_proto */
	bool plain;	 /* PLAIN was said */
	bool asked;	 /* TLS was spoken of */
	uint8_t last[2]; /* letters, upper case */
	uint64_t
		skip; /* LDAP: bytes left of a message; UINT64_MAX: nothing here can become TLS any more */
};

enum {
	STARTTLS_UNIT = 2048,	/* bytes of one line or message */
	STARTTLS_LIMIT = 16384, /* of a whole preamble */
	STARTTLS_HEARD = 65536, /* of plain words, behind which TLS counts as spoken of */
};

enum starttls_proto starttls_of_port(uint16_t port); /* ANY_LINES for others */

/* Whether none of these bytes can be one of those that tell a hello behind plain words, once TLS was spoken of: what stands
 * in their place then changes nothing, for the others would tell it. */
bool starttls_tells_nothing(const struct starttls *t, struct slice bytes);

/* May TLS begin behind plain words that are none of the usual ones? at_start: they are the stream's first; `first` is
 * their first byte. Where not, bytes at the start may be anything, as on other ports. */
bool starttls_goes_on(enum starttls_proto p, bool at_start, uint8_t first);

/* in: the client's bytes from the first not yet consumed on, without a gap. */
enum starttls_step starttls_next(struct starttls *t, struct slice in, size_t *used);

#endif
