/* SPDX-License-Identifier: GPL-3.0-or-later
 * tbl/ident.h - what can be known of a flow's name, one row each (X-macros, no include guard: included many times).
 *
 * IDENT_KIND(ENUM, "key", "words for a person")
 * IDENT_SOURCE(ENUM, "key")
 * APP_PROTO(ENUM, "key")
 * ODDITY(ENUM, "key", "words for a person: what was odd")        why a flow is EVASIVE, OPAQUE, NONE or NOT_PROTO
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
#ifdef ODDITY
ODDITY(NOTHING, "nothing", "nothing odd")
ODDITY(NO_SNI, "no-sni", "the hello names no site")
ODDITY(IP_LITERAL, "ip-literal", "the name is an IP address")
ODDITY(NO_HOST, "no-host", "the request names no host")
ODDITY(SSLV2, "sslv2", "an SSLv2 hello, which cannot name a site")
ODDITY(ECH, "ech", "the real name is encrypted (ECH)")
ODDITY(ESNI, "esni", "the real name is encrypted (draft ESNI)")
ODDITY(QUIC_VERSION, "quic-version", "a QUIC version that cannot be read")
ODDITY(QUIC_SHORT, "quic-short", "a QUIC packet of a connection whose start was not seen")
ODDITY(BAD_NAME, "bad-name", "the name holds characters that no site's name may hold")
ODDITY(TWO_NAMES, "two-names", "two different server names in one hello")
ODDITY(DUPLICATE_EXTENSION, "duplicate-extension", "the server name extension is there twice")
ODDITY(BAD_LENGTH, "bad-length", "lengths inside the hello contradict each other")
ODDITY(BAD_RECORD, "bad-record", "a TLS record that no correct client sends")
ODDITY(BAD_FRAME, "bad-frame", "a QUIC frame that no correct client sends in its first packets")
ODDITY(INTERLEAVED, "interleaved", "another record inside the hello")
ODDITY(NAME_CHANGED, "name-changed", "a second hello with a different name")
ODDITY(CONTRADICTION, "contradiction", "the same bytes were sent twice with different content")
ODDITY(URGENT, "urgent", "urgent data inside the hello")
ODDITY(TOO_LARGE, "too-large", "the hello or request is larger than the limit")
ODDITY(TIMEOUT, "timeout", "no complete hello or request within the time limit")
ODDITY(BAD_REQUEST, "bad-request", "an HTTP request that servers read in different ways")
ODDITY(TWO_HOSTS, "two-hosts", "an HTTP request with more than one Host")
ODDITY(HOST_MISMATCH, "host-mismatch", "the request's target and its Host disagree")
ODDITY(FRAMING, "framing", "an HTTP request whose length can be read in two ways")
ODDITY(H2C, "h2c", "HTTP/2 without TLS")
ODDITY(PROXY_PREFACE, "proxy-preface", "a request to another proxy in front of the hello")
ODDITY(SERVER_FIRST, "server-first", "the server spoke before a complete hello")
ODDITY(NOT_KNOWN, "not-known", "not TLS, HTTP or QUIC")
ODDITY(MID_STREAM, "mid-stream", "the connection began before the gateway watched it")
ODDITY(OVERLOAD, "overload", "too many unfinished connections from this device")
ODDITY(FRAGMENT, "fragment", "packet fragments that could not be put together")
ODDITY(TRUNCATED, "truncated", "a packet larger than the kernel hands over")
ODDITY(SILENT, "silent", "neither side said anything")
ODDITY(MARK_LOST, "mark-lost",
	"the gateway saw it begin, and its mark is gone: a rule of another program wrote it, or "
	"the kernel forgot the "
	"connection (`durwardctl doctor` finds such rules)")
#endif
