/* SPDX-License-Identifier: GPL-3.0-or-later
 * idn.c - converts international names with libidn2, which no other file uses.
 *
 * Names are converted label by label, because libidn2 refuses a whole name when one ASCII label has "--" in places 3 and 4 or a
 * '_', and such names are common (r1---sn-abc.googlevideo.com). ASCII labels are not given to the library: an A-label is
 * compared as it is, whatever the library's version of Unicode makes of it.
 *
 * Symbols: libidn2 checks a non-transitional label against IDNA 2008, too, which allows no symbols, but a transitional one
 * against UTS 46 alone, which does. The two conversions differ in four letters only, so a label without these may be converted
 * either way. A label with such a letter and a symbol is not accepted; it can be written as its A-label.
 *
 * Owns: nothing. Thread: any. Fails: by enum. Source: UTS 46 section 4 (and 7, deviations).
 * See: RFC 5892.
 */
#include "conf/idn.h"

#include <idn2.h>

enum { UTF8_NAME_MAX = 1024 };

static enum idn ascii(struct slice in, char out[static NAME_TEXT], uint8_t *len)
{
	switch (hostname_canonical(in, out, len)) {
	case HOSTNAME_OK:
		return IDN_OK;
	case HOSTNAME_IP:
		return IDN_ADDRESS;
	case HOSTNAME_EMPTY:
		return IDN_EMPTY;
	default:
		return IDN_BAD;
	}
}

static bool is_ascii(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] >= 0x80)
			return false;
	return true;
}

/* The other full stops of UTS 46: U+3002, U+FF0E, U+FF61. */
static size_t wide_dot(const uint8_t *p, size_t left)
{
	if (left < 3)
		return 0;
	return memcmp(p, "\xe3\x80\x82", 3) == 0 || memcmp(p, "\xef\xbc\x8e", 3) == 0 ||
			       memcmp(p, "\xef\xbd\xa1", 3) == 0
		       ? 3
		       : 0;
}

/* Capital sharp s, U+1E9E, is sharp s to browsers (UTS 46 since 15.1); older tables make it "ss". In place. */
static void small_sharp_s(char *text)
{
	char *to = text;

	for (const char *p = text; *p;) {
		bool capital = strncmp(p, "\xe1\xba\x9e", 3) == 0;

		if (capital)
			*to++ = '\xc3', *to++ = '\x9f';
		else
			*to++ = *p;
		p += capital ? 3 : 1;
	}
	*to = 0;
}

/* Sharp s, final sigma, and the two joiners: what UTS 46 maps in one way and keeps in the other. */
static bool has_deviation(const char *text)
{
	return strstr(text, "\xc3\x9f") || strstr(text, "\xcf\x82") ||
	       strstr(text, "\xe2\x80\x8c") || strstr(text, "\xe2\x80\x8d");
}

/* To be given to idn2_free(), whatever came of it. */
static bool unicode_to_ascii(char *text, uint8_t **out)
{
	int r;

	small_sharp_s(text);
	r = idn2_lookup_u8((uint8_t *)text, out, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
	if (r == IDN2_DISALLOWED && !has_deviation(text))
		r = idn2_lookup_u8((uint8_t *)text, out, IDN2_TRANSITIONAL | IDN2_NFC_INPUT);
	return r == IDN2_OK && *out && **out;
}

/* Appends one label as ASCII to out (of size bytes). */
static bool label_to_ascii(struct slice label, char *out, size_t size, size_t *n)
{
	char text[UTF8_NAME_MAX + 1];
	uint8_t *a = NULL;
	struct slice done = label;
	bool ok = true;

	if (!is_ascii(label)) {
		memcpy(text, label.p, label.n);
		text[label.n] = 0;
		ok = unicode_to_ascii(text, &a);
		done = ok ? slice_str((char *)a) : done;
	}
	ok = ok && done.n < size - *n;
	if (ok) {
		memcpy(out + *n, done.p, done.n);
		*n += done.n;
	}
	idn2_free(a);
	return ok;
}

enum idn idn_canonical(struct slice in, char out[static NAME_TEXT], uint8_t *len)
{
	char name[NAME_TEXT + 1];
	size_t n = 0, from = 0, step;

	if (is_ascii(in))
		return ascii(in, out, len);
	if (in.n > UTF8_NAME_MAX || memchr(in.p, 0, in.n))
		return IDN_BAD;
	for (size_t i = 0; i <= in.n; i += step) {
		bool end = i == in.n;
		size_t dot = end ? 1 : in.p[i] == '.' ? 1 : wide_dot(in.p + i, in.n - i);

		step = dot ? dot : 1;
		if (!dot)
			continue;
		if (!label_to_ascii(slice_of(in.p + from, i - from), name, sizeof name - 1, &n))
			return IDN_BAD;
		if (!end)
			name[n++] = '.';
		from = i + dot;
	}
	return ascii(slice_of(name, n), out, len);
}
