/* SPDX-License-Identifier: GPL-3.0-or-later
 * reference.c - the word on a block page by which its decision can be found again.
 *
 * Owns: nothing. Thread: any; pure. Fails: by false. Source: Crockford's base 32. See: model/reference.h.
 */
#include "model/reference.h"

#include <string.h>

enum { DIGITS = 12, GROUP = 4 };
static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const char *reference_write(uint64_t wall_ms, uint16_t port, char out[static REFERENCE_TEXT])
{
	uint64_t bits = wall_ms << 16 | port;
	char *p = out;

	for (int i = 0; i < DIGITS; i++) {
		if (i && i % GROUP == 0)
			*p++ = '-';
		*p++ = digits[bits >> (5 * (DIGITS - 1 - i)) & 31];
	}
	*p = '\0';
	return out;
}

/* -1: none of ours. */
static int value_of(uint8_t c)
{
	const char *at;

	if (c >= 'a' && c <= 'z')
		c = (uint8_t)(c - 'a' + 'A');
	if (c == 'O')
		c = '0';
	if (c == 'I' || c == 'L')
		c = '1';
	at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

bool reference_read(struct slice text, uint64_t *wall_ms, uint16_t *port)
{
	uint64_t bits = 0;
	int n = 0;

	for (size_t i = 0; i < text.n; i++) {
		int v = value_of(text.p[i]);

		if (text.p[i] == '-' || text.p[i] == ' ')
			continue;
		if (v < 0 || n++ == DIGITS)
			return false;
		bits = bits << 5 | (unsigned)v;
	}
	*wall_ms = bits >> 16;
	*port = (uint16_t)bits;
	return n == DIGITS && *wall_ms > 0;
}
