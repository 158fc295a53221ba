/* SPDX-License-Identifier: GPL-3.0-or-later
 * starttls.h - the client's side of a plain dialogue that may turn into TLS (STARTTLS, STLS, AUTH TLS, SSLRequest).
 *
 * Only what may stand in front of TLS is a dialogue: greetings, capabilities, the request for TLS itself. The first
 * word of anything else (a login, a mail, a query) ends it: this connection will not name a site any more.
 * A server that refuses TLS changes nothing: what the client then says is judged by the same words.
 *
 * Owns: nothing. Thread: one at a time; pure. Fails: by step. See: RFC 3207, 9051 6.2.1, 2595 4, 4217, 4511 4.14, 6120 5,
 * PostgreSQL "Message Formats" SSLRequest, MySQL "Protocol::SSLRequest", MS-RDPBCGR 2.2.1.1; row T26.
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
	STARTTLS_WAIT,	/* *used bytes are dialogue; come back with more */
	STARTTLS_TLS,	/* behind *used bytes a TLS record begins */
	STARTTLS_PLAIN, /* behind *used bytes something begins that is no dialogue */
};

enum {
	STARTTLS_UNIT = 2048,
	STARTTLS_LIMIT = 16384
}; /* bytes of one line or message; of a whole dialogue */

enum starttls_proto starttls_of_port(uint16_t port); /* ANY_LINES for others */

/* in: the client's bytes from the first not yet consumed on, without a gap. */
enum starttls_step starttls_next(enum starttls_proto p, struct slice in, size_t *used);

#endif
