/* SPDX-License-Identifier: GPL-3.0-or-later
 * addr.c - IP addresses, networks and MAC addresses as plain values.
 *
 * Owns: nothing. Thread: any; pure. Fails: parse functions return false and leave *out alone.
 * See: RFC 4291 2.5.5.2 (IPv4-mapped), RFC 5952 (text).
 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

struct addr addr_v4(const void *four)
{
	struct addr a;

	memcpy(a.b, mapped, 12);
	memcpy(a.b + 12, four, 4);
	return a;
}

struct addr addr_v6(const void *sixteen)
{
	struct addr a;

	memcpy(a.b, sixteen, 16);
	return a;
}

bool addr_is_v4(const struct addr *a)
{
	return memcmp(a->b, mapped, 12) == 0;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, 16) == 0;
}

int addr_cmp(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, 16);
}

bool addr_is_zero(const struct addr *a)
{
	static const uint8_t zero[16];

	return addr_is_v4(a) ? memcmp(a->b + 12, zero, 4) == 0 : memcmp(a->b, zero, 16) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
	static const uint8_t one[16] = {[15] = 1};

	return addr_is_v4(a) ? a->b[12] == 127 : memcmp(a->b, one, 16) == 0;
}

bool addr_is_link_local(const struct addr *a)
{
	if (addr_is_v4(a))
		return a->b[12] == 169 && a->b[13] == 254;
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

bool addr_parse(struct slice text, struct addr *out)
{
	char s[ADDR_TEXT];
	uint8_t bytes[16];

	if (text.n == 0 || text.n >= sizeof s || memchr(text.p, 0, text.n))
		return false;
	memcpy(s, text.p, text.n);
	s[text.n] = 0;
	if (inet_pton(AF_INET, s, bytes) == 1)
		*out = addr_v4(bytes);
	else if (inet_pton(AF_INET6, s, bytes) == 1)
		*out = addr_v6(bytes);
	else
		return false;
	return true;
}

const char *addr_format(const struct addr *a, char out[static ADDR_TEXT])
{
	if (addr_is_v4(a))
		return inet_ntop(AF_INET, a->b + 12, out, ADDR_TEXT);
	return inet_ntop(AF_INET6, a->b, out, ADDR_TEXT);
}

/* the address with all bits after `bits` zero */
static struct addr masked(const struct addr *a, unsigned bits)
{
	struct addr m = *a;

	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = bits > i * 8 ? bits - i * 8 : 0;

		if (keep < 8)
			m.b[i] &= (uint8_t)(0xff00 >> keep);
	}
	return m;
}

/* one to three decimal digits, no leading zero */
static bool parse_bits(struct slice s, unsigned max, unsigned *out)
{
	unsigned v = 0;

	if (s.n == 0 || s.n > 3 || (s.n > 1 && s.p[0] == '0'))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (s.p[i] - '0');
	}
	*out = v;
	return v <= max;
}

bool cidr_parse(struct slice text, struct cidr *out)
{
	const uint8_t *slash = text.n ? memchr(text.p, '/', text.n) : NULL;
	size_t head = slash ? (size_t)(slash - text.p) : text.n;
	struct addr a, m;
	unsigned bits, width;

	if (!addr_parse(slice_of(text.p, head), &a))
		return false;
	width = memchr(text.p, ':', head) ? 128 : 32; /* "::ffff:192.0.2.0/120" counts in 128 */
	bits = width;
	if (slash && !parse_bits(slice_of(slash + 1, text.n - head - 1), width, &bits))
		return false;
	bits += 128 - width;
	m = masked(&a, bits);
	if (!addr_eq(&m, &a))
		return false;
	*out = (struct cidr){.net = a, .bits = (uint8_t)bits};
	return true;
}

const char *cidr_format(const struct cidr *c, char out[static CIDR_TEXT])
{
	char a[ADDR_TEXT];
	bool v4 = addr_is_v4(&c->net) && c->bits >= 96;

	addr_format(&c->net, a);
	snprintf(out, CIDR_TEXT, "%s/%d", a, v4 ? c->bits - 96 : c->bits);
	return out;
}

bool cidr_has(const struct cidr *c, const struct addr *a)
{
	unsigned whole = c->bits / 8, rest = c->bits % 8;

	if (c->bits > 128 || memcmp(c->net.b, a->b, whole) != 0)
		return false;
	/* ::/0 holds every IPv6 address but no IPv4 one, though these are kept mapped */
	if (c->bits < 96 && addr_is_v4(a))
		return false;
	return rest == 0 || ((c->net.b[whole] ^ a->b[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool mac_parse(struct slice text, struct mac *out)
{
	struct mac m;

	if (text.n != 17)
		return false;
	for (unsigned i = 0; i < 6; i++) {
		int hi = hex(text.p[i * 3]), lo = hex(text.p[i * 3 + 1]);

		if (hi < 0 || lo < 0)
			return false;
		if (i < 5 && text.p[i * 3 + 2] != ':' && text.p[i * 3 + 2] != '-')
			return false;
		if (text.p[2] != text.p[i < 5 ? i * 3 + 2 : 2])
			return false; /* one kind of separator */
		m.b[i] = (uint8_t)(hi << 4 | lo);
	}
	*out = m;
	return true;
}

const char *mac_format(const struct mac *m, char out[static MAC_TEXT])
{
	snprintf(out, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", m->b[0], m->b[1], m->b[2], m->b[3],
		m->b[4], m->b[5]);
	return out;
}

bool mac_eq(const struct mac *a, const struct mac *b)
{
	return memcmp(a->b, b->b, 6) == 0;
}

void addr_from_sockaddr(const struct sockaddr *sa, struct addr *a, uint16_t *port)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	memset(a, 0, sizeof *a);
	*port = 0;
	if (sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof in);
		*a = addr_v4(&in.sin_addr);
		*port = ntohs(in.sin_port);
	} else if (sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof in6);
		*a = addr_v6(&in6.sin6_addr);
		*port = ntohs(in6.sin6_port);
	}
}

socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	memset(out, 0, sizeof *out);
	if (addr_is_v4(a)) {
		memcpy(&in.sin_addr, a->b + 12, 4);
		memcpy(out, &in, sizeof in);
		return sizeof in;
	}
	memcpy(&in6.sin6_addr, a->b, 16);
	memcpy(out, &in6, sizeof in6);
	return sizeof in6;
}
