/* SPDX-License-Identifier: GPL-3.0-or-later
 * tls_hello.h - finds the server name in a TLS ClientHello (also QUIC's CRYPTO stream and DTLS's rebuilt message).
 *
 * Owns: nothing; slices point into the caller's bytes. Thread: any; pure.
 * Fails: NEED_MORE until all bytes the 24-bit length declares are there; INVALID sets out->anomaly (BAD_LENGTH,
 * DUPLICATE_EXTENSION, NOT_KNOWN = another message). See: RFC 8446 4.1.2, RFC 6066 3, RFC 7301, RFC 9849.
 */
#ifndef IDENTIFY_TLS_HELLO_H
#define IDENTIFY_TLS_HELLO_H

#include "base/cursor.h"
#include "model/ident.h"

struct tls_hello {
	uint8_t anomaly;   /* INVALID: why. OK: NOTHING, or TWO_NAMES */
	bool has_sni;	   /* a host_name entry is there */
	bool ech;	   /* encrypted_client_hello (0xfe0d), outer or inner, grease or not */
	bool esni;	   /* draft ESNI (0xffce) */
	struct slice name; /* the first host_name, bytes as sent */
	struct slice
		alpn;	  /* ProtocolNameList without its length: (u8 length, bytes)*; n 0 = none */
	uint16_t version; /* legacy_version */
	bool tls13;	  /* supported_versions offers 1.3 */
	size_t used;	  /* bytes of this message */
};

/* message: handshake type, 24-bit length, body; bytes behind it are left alone (QUIC, several messages). */
enum parse tls_hello_parse(struct slice message, struct tls_hello *out);
/* The body alone (DTLS, whose header and cookie differ: dtls = true). All bytes must be there: never NEED_MORE. */
enum parse tls_hello_parse_body(struct slice body, bool dtls, struct tls_hello *out);

/* What a parse gave (OK or INVALID) as an ident: NAME, NONE, OPAQUE (ESNI without SNI) or EVASIVE; name canonical,
 * alpn and ech filled. Whether ECH makes it OPAQUE is policy's (ech-public-names). app and source as given. */
void tls_hello_ident(enum parse status, const struct tls_hello *h, enum app_proto app,
	enum ident_source source, struct ident *out);

/* An SSLv2-compatible ClientHello at the start of a stream (T24). */
enum parse tls_sslv2_parse(struct slice stream, size_t *used);

#endif
