/* SPDX-License-Identifier: GPL-3.0-or-later
 * hostname.c - makes host names from the wire canonical.
 *
 * Browsers take a name whose last label is a number for an IPv4 address (WHATWG URL, "ends in a number"). So such a name is
 * either the plain four-part literal or BAD; the other forms that inet_aton reads would be judged as one thing and dialled as
 * another.
 *
 * Owns: nothing. Thread: any; pure. Fails: by enum; out untouched unless OK or IP.
 */
#include "model/hostname.h"

enum { LABEL_MAX = 63, NAME_MAX_DOTLESS = 253 };

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static bool is_name_byte(uint8_t c)
{
	c = lower(c);
	return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
}

static struct slice last_label(struct slice name)
{
	size_t i = name.n;

	while (i > 0 && name.p[i - 1] != '.')
		i--;
	return slice_of(name.p + i, name.n - i);
}

/* all digits, or 0x and hexadecimal digits (also none) */
static bool is_number(struct slice label)
{
	bool hex = label.n >= 2 && label.p[0] == '0' && lower(label.p[1]) == 'x';

	for (size_t i = hex ? 2 : 0; i < label.n; i++) {
		uint8_t c = lower(label.p[i]);

		if (!is_digit(c) && !(hex && c >= 'a' && c <= 'f'))
			return false;
	}
	return label.n > 0;
}

static bool labels_are_valid(struct slice name)
{
	size_t label = 0;

	if (name.n > NAME_MAX_DOTLESS)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (!is_name_byte(name.p[i]) || ++label > LABEL_MAX) {
			return false;
		}
	}
	return label > 0;
}

static enum hostname literal(struct slice in, bool want_v6, char *out, uint8_t *out_len)
{
	bool v6 = in.n && memchr(in.p, ':', in.n);
	char text[ADDR_TEXT];
	struct addr a;

	if (v6 != want_v6 || !addr_parse(in, &a))
		return HOSTNAME_BAD;
	addr_format(&a, text);
	*out_len = (uint8_t)strlen(text);
	memcpy(out, text, *out_len + 1u);
	return HOSTNAME_IP;
}

enum hostname hostname_canonical(struct slice in, char out[static NAME_TEXT], uint8_t *out_len)
{
	if (in.n == 0)
		return HOSTNAME_EMPTY;
	if (in.p[0] == '[') {
		if (in.p[in.n - 1] != ']')
			return HOSTNAME_BAD;
		return literal(slice_of(in.p + 1, in.n - 2), true, out, out_len);
	}
	if (memchr(in.p, ':', in.n))
		return literal(in, true, out, out_len);
	if (in.p[in.n - 1] == '.')
		in.n--;
	if (in.n == 0)
		return HOSTNAME_EMPTY;
	if (!labels_are_valid(in))
		return HOSTNAME_BAD;
	if (is_number(last_label(in)))
		return literal(in, false, out, out_len);
	for (size_t i = 0; i < in.n; i++)
		out[i] = (char)lower(in.p[i]);
	out[in.n] = 0;
	*out_len = (uint8_t)in.n;
	return HOSTNAME_OK;
}

/* 1..65535 in at most five digits; empty is 0 (RFC 3986 3.2.3 allows "host:") */
static bool parse_port(struct slice s, uint16_t *port)
{
	uint32_t v = 0;

	if (s.n > 5)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!is_digit(s.p[i]))
			return false;
		v = v * 10 + (s.p[i] - '0');
	}
	*port = (uint16_t)v;
	return v <= 65535 && (v > 0 || s.n == 0);
}

enum hostname hostname_from_authority(
	struct slice in, char out[static NAME_TEXT], uint8_t *out_len, uint16_t *port)
{
	const uint8_t *end = in.n && in.p[0] == '[' ? memchr(in.p, ']', in.n) : NULL;
	const uint8_t *from = end ? end : in.p;
	const uint8_t *colon = in.n ? memchr(from, ':', in.n - (size_t)(from - in.p)) : NULL;
	struct slice host = in;

	uint16_t p = 0;
	enum hostname h;

	*port = 0;
	if (colon) {
		host.n = (size_t)(colon - in.p);
		if (!parse_port(slice_of(colon + 1, in.n - host.n - 1), &p))
			return HOSTNAME_BAD;
	}
	h = hostname_canonical(host, out, out_len);
	if (h == HOSTNAME_OK || h == HOSTNAME_IP)
		*port = p;
	return h;
}

struct slice hostname_parent(struct slice name)
{
	const uint8_t *dot = name.n ? memchr(name.p, '.', name.n) : NULL;

	if (!dot)
		return slice_of(NULL, 0);
	return slice_of(dot + 1, name.n - (size_t)(dot + 1 - name.p));
}
