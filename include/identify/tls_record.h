/* SPDX-License-Identifier: GPL-3.0-or-later
 * tls_record.h - joins TLS records into the first handshake message of a client.
 *
 * The message may lie in any number of records of any size from 1 byte, and record headers may be cut anywhere. Three things are
 * INVALID, each with its own reason: an empty record, another type inside the message, a length above 2^14 + 256.
 *
 * Owns: nothing; the message points into `stream` (one record) or `scratch` (several). Thread: any; pure.
 * Fails: by status; INVALID sets anomaly. See: RFC 8446 5.1.
 */
#ifndef IDENTIFY_TLS_RECORD_H
#define IDENTIFY_TLS_RECORD_H

#include "base/cursor.h"
#include "model/ident.h"

enum {
	TLS_SCRATCH = 64 * 1024, /* bytes of scratch; also the longest message */
	TLS_HEADER = 5,
	TLS_RECORD_MAX = 16384 + 256,
	/* the version of a record MUST be ignored (RFC 8446 5.1), and some servers ignore all of it before the hello;
	 * Go's takes any below 0x1000 */
	TLS_MAJOR_END = 0x10,
};
enum tls_type { TLS_CCS = 20, TLS_ALERT = 21, TLS_HANDSHAKE = 22, TLS_DATA = 23 };

struct tls_message {
	struct slice bytes; /* OK: type, 24-bit length, body: what tls_hello_parse takes */
	size_t used; /* OK: stream bytes up to the end of the record that completes the message */
	size_t need; /* NEED_MORE: no answer can come before `stream` has so many bytes (> stream.n) */
	uint8_t anomaly;  /* INVALID: enum anomaly; NOT_KNOWN = this is not TLS at all */
	uint16_t records; /* OK: over how many records */
};

/* stream: the client's bytes from a record boundary on. scratch: TLS_SCRATCH bytes, used only for several records. */
enum parse tls_record_join(struct slice stream, uint8_t *scratch, struct tls_message *out);

#endif
