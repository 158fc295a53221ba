/* SPDX-License-Identifier: GPL-3.0-or-later
 * preface.c - recognises a client that addresses a proxy (PROXY protocol, SOCKS) in front of its hello.
 *
 * Owns: nothing. Thread: any; pure. Fails: NEED_MORE, INVALID = none of them.
 * Source: HAProxy's doc/proxy-protocol.txt; the SOCKS4 and SOCKS4A memos. See: RFC 1928.
 */
#include "identify_int.h"

enum { SOCKS4_TEXT_MAX = 255 };

/* OK: all of `word` is there. NEED_MORE: `in` is a prefix of it. */
static enum parse begins(struct slice in, const char *word, size_t n)
{
	size_t have = in.n < n ? in.n : n;

	if (memcmp(in.p, word, have) != 0)
		return PARSE_INVALID;
	return have == n ? PARSE_OK : PARSE_NEED_MORE;
}

/* Printable text up to a NUL. */
static struct slice take_text(struct cursor *c)
{
	struct slice text = {.p = c->p, .n = 0};
	uint8_t b;

	while ((b = cursor_u8(c)) != 0 && cursor_ok(c)) {
		if (b < ' ' || b == 0x7f || ++text.n > SOCKS4_TEXT_MAX)
			cursor_fail(c);
	}
	return text;
}

/* 4, CONNECT or BIND, port, address, user, NUL; 4A: address 0.0.0.x, then host, NUL. */
static enum parse socks4(struct slice in, struct slice *target)
{
	struct cursor c = cursor_outer(in);
	uint32_t address;
	struct slice host;

	if (in.n >= 1 && in.p[0] != 4)
		return PARSE_INVALID;
	if (in.n >= 2 && in.p[1] != 1 && in.p[1] != 2)
		return PARSE_INVALID;
	cursor_u16(&c);
	if (cursor_u16(&c) == 0 && cursor_ok(&c))
		return PARSE_INVALID;
	address = cursor_u32(&c);
	take_text(&c);
	if (cursor_ok(&c) && address != 0 && address < 256) {
		host = take_text(&c);
		if (cursor_ok(&c))
			*target = host;
	}
	return c.status;
}

/* 5, count, that many methods: each assigned (0 to 9) or private (0x80 and up). */
static enum parse socks5(struct slice in)
{
	struct cursor c = cursor_outer(in);
	uint8_t n, i;

	if (in.n >= 1 && in.p[0] != 5)
		return PARSE_INVALID;
	cursor_u8(&c);
	n = cursor_u8(&c);
	if (cursor_ok(&c) && n == 0)
		return PARSE_INVALID;
	for (i = 0; i < n && cursor_ok(&c); i++) {
		uint8_t method = cursor_u8(&c);

		if (method > 9 && method < 0x80)
			cursor_fail(&c);
	}
	return c.status;
}

static enum parse proxy_v1(struct slice in)
{
	enum parse status = begins(in, "PROXY ", 6);
	struct slice rest = {.p = in.p + 6, .n = in.n >= 6 ? in.n - 6 : 0};

	if (status != PARSE_OK || rest.n == 0)
		return status == PARSE_OK ? PARSE_NEED_MORE : status;
	if (begins(rest, "TCP", 3) != PARSE_INVALID)
		return begins(rest, "TCP", 3);
	return begins(rest, "UNKNOWN", 7);
}

enum parse preface_parse(struct slice in, struct slice *target)
{
	*target = slice_of(NULL, 0);
	if (in.n == 0)
		return PARSE_NEED_MORE;
	switch (in.p[0]) {
	case 4:
		return socks4(in, target);
	case 5:
		return socks5(in);
	case 'P':
		return proxy_v1(in);
	case '\r':
		return begins(in, "\r\n\r\n\0\r\nQUIT\n", 12);
	}
	return PARSE_INVALID;
}
