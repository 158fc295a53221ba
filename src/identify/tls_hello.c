/* SPDX-License-Identifier: GPL-3.0-or-later
 * tls_hello.c - finds the server name in a TLS ClientHello.
 *
 * Owns: nothing; results point into the caller's bytes. Thread: any; pure. Fails: NEED_MORE, INVALID with an anomaly.
 * See: identify/tls_hello.h. Why not OpenSSL: it needs the whole handshake and allocates; we see the first flight only.
 */
#include "identify/tls_hello.h"

#include <stdio.h>

#include "model/hostname.h"

enum { CLIENT_HELLO = 1, SESSION_ID_MAX = 32, SNI_HOST_NAME = 0 };
enum { EXT_SERVER_NAME = 0, EXT_ALPN = 16, EXT_VERSIONS = 43, EXT_ECH = 0xfe0d, EXT_ESNI = 0xffce };

/* ServerNameList: one host_name at most; entries of other types are skipped by their length (T20). */
static void read_server_name(struct cursor ext, struct tls_hello *out)
{
	struct cursor list = cursor_block(&ext, cursor_u16(&ext));
	bool any = false;

	while (cursor_left(&list) > 0) {
		uint8_t type = cursor_u8(&list);
		struct slice name = cursor_bytes(&list, cursor_u16(&list));

		any = true;
		if (type != SNI_HOST_NAME || !cursor_ok(&list))
			continue;
		if (out->has_sni)
			out->anomaly = ANOMALY_TWO_NAMES;
		else
			out->name = name;
		out->has_sni = true;
	}
	if (!any || !cursor_ok(&list) || cursor_done(&ext) != PARSE_OK)
		out->anomaly = ANOMALY_BAD_LENGTH;
}

static void read_alpn(struct cursor ext, struct tls_hello *out)
{
	struct slice all = cursor_bytes(&ext, cursor_u16(&ext));
	struct cursor list = cursor_inner(all);

	while (cursor_left(&list) > 0)
		cursor_skip(&list, cursor_u8(&list));
	if (!cursor_ok(&list) || cursor_done(&ext) != PARSE_OK)
		out->anomaly = ANOMALY_BAD_LENGTH;
	else
		out->alpn = all;
}

static void read_versions(struct cursor ext, struct tls_hello *out)
{
	struct cursor list = cursor_block(&ext, cursor_u8(&ext));

	while (cursor_left(&list) > 1)
		out->tls13 |= cursor_u16(&list) == 0x0304;
}

static void read_extension(uint16_t type, struct cursor ext, struct tls_hello *out, bool *seen_sni)
{
	switch (type) {
	case EXT_SERVER_NAME:
		if (*seen_sni)
			out->anomaly = ANOMALY_DUPLICATE_EXTENSION;
		else
			read_server_name(ext, out);
		*seen_sni = true;
		break;
	case EXT_ALPN:
		read_alpn(ext, out);
		break;
	case EXT_VERSIONS:
		read_versions(ext, out);
		break;
	case EXT_ECH:
		out->ech = true;
		break;
	case EXT_ESNI:
		out->esni = true;
		break;
	}
}

static bool is_structural(uint8_t anomaly)
{
	return anomaly == ANOMALY_BAD_LENGTH || anomaly == ANOMALY_DUPLICATE_EXTENSION;
}

static enum parse read_extensions(struct cursor *c, struct tls_hello *out)
{
	struct cursor all = cursor_block(c, cursor_u16(c));
	bool seen_sni = false;

	while (cursor_left(&all) > 0 && !is_structural(out->anomaly)) {
		uint16_t type = cursor_u16(&all);
		struct cursor ext = cursor_block(&all, cursor_u16(&all));

		if (cursor_ok(&all))
			read_extension(type, ext, out, &seen_sni);
	}
	if (!is_structural(out->anomaly) && (!cursor_ok(&all) || cursor_done(c) != PARSE_OK))
		out->anomaly = ANOMALY_BAD_LENGTH;
	return is_structural(out->anomaly) ? PARSE_INVALID : PARSE_OK;
}

static enum parse read_body(struct cursor *c, bool dtls, struct tls_hello *out)
{
	uint16_t ciphers;
	uint8_t len;

	out->version = cursor_u16(c);
	cursor_skip(c, 32);
	len = cursor_u8(c);
	if (len > SESSION_ID_MAX)
		cursor_fail(c);
	cursor_skip(c, len);
	if (dtls)
		cursor_skip(c, cursor_u8(c));
	ciphers = cursor_u16(c);
	if (ciphers < 2 || ciphers % 2 != 0)
		cursor_fail(c);
	cursor_skip(c, ciphers);
	len = cursor_u8(c);
	if (len == 0)
		cursor_fail(c);
	cursor_skip(c, len);
	if (!cursor_ok(c)) {
		out->anomaly = ANOMALY_BAD_LENGTH;
		return PARSE_INVALID;
	}
	return cursor_left(c) > 0 ? read_extensions(c, out) : PARSE_OK;
}

enum parse tls_hello_parse_body(struct slice body, bool dtls, struct tls_hello *out)
{
	struct cursor c = cursor_inner(body);

	*out = (struct tls_hello){.used = body.n};
	return read_body(&c, dtls, out);
}

enum parse tls_hello_parse(struct slice message, struct tls_hello *out)
{
	struct cursor c = cursor_outer(message);
	struct cursor body;

	*out = (struct tls_hello){0};
	if (message.n == 0)
		return PARSE_NEED_MORE;
	if (cursor_u8(&c) != CLIENT_HELLO) {
		out->anomaly = ANOMALY_NOT_KNOWN;
		return PARSE_INVALID;
	}
	body = cursor_block(&c, cursor_u24(&c));
	if (!cursor_ok(&c))
		return PARSE_NEED_MORE;
	out->used = (size_t)(c.p - message.p);
	return read_body(&body, false, out);
}

/* "h2,http/1.1"; what is not plain ASCII, and the comma itself, as \xNN; cut where a whole item no longer fits. */
static void alpn_text(struct slice alpn, char *out, size_t room)
{
	struct cursor c = cursor_inner(alpn);
	size_t n = 0;

	out[0] = '\0';
	while (cursor_left(&c) > 0) {
		struct slice item = cursor_bytes(&c, cursor_u8(&c));
		size_t i, from = n;

		if (n > 0 && n + 1 < room)
			out[n++] = ',';
		for (i = 0; i < item.n; i++) {
			uint8_t b = item.p[i];
			bool plain = b > ' ' && b < 0x7f && b != ',' && b != '\\' && b != '"';

			if (n + (plain ? 1 : 4) >= room) {
				out[from] = '\0';
				return;
			}
			if (plain)
				out[n++] = (char)b;
			else
				n += (size_t)snprintf(out + n, room - n, "\\x%02x", b);
		}
		out[n] = '\0';
	}
}

static void judge(struct ident *out, enum ident_kind kind, enum anomaly anomaly)
{
	out->kind = kind;
	out->anomaly = anomaly;
}

static void judge_name(const struct tls_hello *h, struct ident *out)
{
	switch (hostname_canonical(h->name, out->name, &out->name_len)) {
	case HOSTNAME_OK:
		judge(out, IDENT_NAME, ANOMALY_NOTHING);
		break;
	case HOSTNAME_IP:
		judge(out, IDENT_NONE, ANOMALY_IP_LITERAL);
		break;
	case HOSTNAME_EMPTY:
	case HOSTNAME_BAD:
		judge(out, IDENT_EVASIVE, ANOMALY_BAD_NAME);
		break;
	}
	if (h->anomaly == ANOMALY_TWO_NAMES)
		judge(out, IDENT_EVASIVE, ANOMALY_TWO_NAMES);
}

void tls_hello_ident(enum parse status, const struct tls_hello *h, enum app_proto app,
	enum ident_source source, struct ident *out)
{
	*out = (struct ident){.app = app, .source = source, .ech = h->ech};
	alpn_text(h->alpn, out->alpn, sizeof(out->alpn));
	if (status == PARSE_NEED_MORE)
		judge(out, IDENT_PENDING, ANOMALY_NOTHING);
	else if (status != PARSE_OK)
		judge(out, h->anomaly == ANOMALY_NOT_KNOWN ? IDENT_NOT_PROTO : IDENT_EVASIVE,
			h->anomaly);
	else if (h->has_sni)
		judge_name(h, out);
	else if (h->esni)
		judge(out, IDENT_OPAQUE, ANOMALY_ESNI);
	else
		judge(out, IDENT_NONE, ANOMALY_NO_SNI);
}

/* Two bytes of length with the top bit set, type 1, version, three lengths that add up (RFC 5246 appendix E.2). */
enum parse tls_sslv2_parse(struct slice stream, size_t *used)
{
	struct cursor c = cursor_outer(stream), body;
	uint16_t len, version, ciphers, session, challenge;

	if (stream.n >= 1 && !(stream.p[0] & 0x80))
		return PARSE_INVALID;
	if (stream.n >= 3 && stream.p[2] != CLIENT_HELLO)
		return PARSE_INVALID;
	if (stream.n >= 4 && stream.p[3] != 0 && stream.p[3] != 3)
		return PARSE_INVALID;
	len = cursor_u16(&c) & 0x7fff;
	cursor_u8(&c);
	version = cursor_u16(&c);
	ciphers = cursor_u16(&c);
	session = cursor_u16(&c);
	challenge = cursor_u16(&c);
	if (!cursor_ok(&c))
		return PARSE_NEED_MORE;
	if ((version != 2 && version >> 8 != 3) || ciphers == 0 || ciphers % 3 != 0 ||
		session > 32 || challenge < 16 || challenge > 32 ||
		len != 9u + ciphers + session + challenge)
		return PARSE_INVALID;
	body = cursor_block(&c, len - 9u);
	*used = len + 2u;
	return body.status;
}
