/* SPDX-License-Identifier: GPL-3.0-or-later
 * tbl/ident.h - what can be known of a flow's name, one row each (X-macros, no include guard: included many times).
 *
 * IDENT_KIND(ENUM, "key", "words for a person")
 * IDENT_SOURCE(ENUM, "key")
 * APP_PROTO(ENUM, "key")
 * ANOMALY(ENUM, "key", "words for a person: what was odd")        why a flow is EVASIVE, OPAQUE, NONE or NOT_PROTO
 */
#ifdef IDENT_KIND
IDENT_KIND(PENDING, "pending", "not decided yet")
IDENT_KIND(NAME, "name", "a readable name")
IDENT_KIND(NONE, "none", "a valid handshake that names no site")
IDENT_KIND(OPAQUE, "opaque", "the name is encrypted")
IDENT_KIND(EVASIVE, "evasive", "breaks the protocol or contradicts itself")
IDENT_KIND(NOT_PROTO, "not-proto", "not a protocol that carries a name")
#endif
#ifdef IDENT_SOURCE
IDENT_SOURCE(NONE, "none")
IDENT_SOURCE(SNI, "sni")
IDENT_SOURCE(HOST, "host")
IDENT_SOURCE(QUIC, "quic")
#endif
#ifdef APP_PROTO
APP_PROTO(UNKNOWN, "unknown")
APP_PROTO(TLS, "tls")
APP_PROTO(QUIC, "quic")
APP_PROTO(HTTP, "http")
APP_PROTO(STARTTLS, "starttls")
APP_PROTO(DTLS, "dtls")
#endif
#ifdef ANOMALY
ANOMALY(NOTHING, "nothing", "nothing odd")
ANOMALY(NO_SNI, "no-sni", "the hello names no site")
ANOMALY(IP_LITERAL, "ip-literal", "the name is an IP address")
ANOMALY(NO_HOST, "no-host", "the request names no host")
ANOMALY(SSLV2, "sslv2", "an SSLv2 hello, which cannot name a site")
ANOMALY(ECH, "ech", "the real name is encrypted (ECH)")
ANOMALY(ESNI, "esni", "the real name is encrypted (draft ESNI)")
ANOMALY(QUIC_VERSION, "quic-version", "a QUIC version that cannot be read")
ANOMALY(QUIC_SHORT, "quic-short", "a QUIC packet of a connection whose start was not seen")
ANOMALY(BAD_NAME, "bad-name", "the name holds characters that no site's name may hold")
ANOMALY(TWO_NAMES, "two-names", "two different server names in one hello")
ANOMALY(DUPLICATE_EXTENSION, "duplicate-extension", "the server name extension is there twice")
ANOMALY(BAD_LENGTH, "bad-length", "lengths inside the hello contradict each other")
ANOMALY(BAD_RECORD, "bad-record", "a TLS record that no correct client sends")
ANOMALY(BAD_FRAME, "bad-frame", "a QUIC frame that no correct client sends in its first packets")
ANOMALY(INTERLEAVED, "interleaved", "another record inside the hello")
ANOMALY(NAME_CHANGED, "name-changed", "a second hello with a different name")
ANOMALY(CONTRADICTION, "contradiction", "the same bytes were sent twice with different content")
ANOMALY(URGENT, "urgent", "urgent data inside the hello")
ANOMALY(TOO_LARGE, "too-large", "the hello or request is larger than the limit")
ANOMALY(TIMEOUT, "timeout", "no complete hello or request within the time limit")
ANOMALY(BAD_REQUEST, "bad-request", "an HTTP request that servers read in different ways")
ANOMALY(TWO_HOSTS, "two-hosts", "an HTTP request with more than one Host")
ANOMALY(HOST_MISMATCH, "host-mismatch", "the request's target and its Host disagree")
ANOMALY(FRAMING, "framing", "an HTTP request whose length can be read in two ways")
ANOMALY(H2C, "h2c", "HTTP/2 without TLS")
ANOMALY(PROXY_PREFACE, "proxy-preface", "a request to another proxy in front of the hello")
ANOMALY(SERVER_FIRST, "server-first", "the server spoke before a complete hello")
ANOMALY(NOT_KNOWN, "not-known", "not TLS, HTTP or QUIC")
ANOMALY(MID_STREAM, "mid-stream", "the connection began before the gateway watched it")
ANOMALY(OVERLOAD, "overload", "too many unfinished connections from this device")
ANOMALY(FRAGMENT, "fragment", "packet fragments that could not be put together")
ANOMALY(TRUNCATED, "truncated", "a packet larger than the kernel hands over")
ANOMALY(SILENT, "silent", "neither side said anything")
ANOMALY(MARK_LOST, "mark-lost",
	"the gateway saw it begin, and its mark is gone: a rule of another program wrote it, or "
	"the kernel forgot the "
	"connection (`durwardctl doctor` finds such rules)")
#endif
