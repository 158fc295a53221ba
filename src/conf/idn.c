/* SPDX-License-Identifier: GPL-3.0-or-later
 * idn.c - the door of libidn2.
 *
 * Label by label, for libidn2 refuses a whole name when one ASCII label has "--" in places 3 and 4 or a '_', and
 * such names are common (r1---sn-abc.googlevideo.com).
 *
 * Owns: nothing. Thread: any. Fails: by enum. See: UTS 46 section 4, RFC 5892.
 */
#include "conf/idn.h"

#include <idn2.h>

enum { FLAGS = IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT, UTF8_NAME_MAX = 1024 };

static bool is_alabel(struct slice s)
{
	return s.n >= 4 && (s.p[0] | 0x20) == 'x' && (s.p[1] | 0x20) == 'n' && s.p[2] == '-' &&
	       s.p[3] == '-';
}

/* libidn2 decodes an A-label, checks what is inside, and compares the way back. */
static bool alabel_is_valid(struct slice label)
{
	uint8_t text[64], *back = NULL;
	bool ok;

	if (label.n >= sizeof text)
		return false;
	for (size_t i = 0; i < label.n; i++)
		text[i] = label.p[i] >= 'A' && label.p[i] <= 'Z' ? label.p[i] | 0x20 : label.p[i];
	text[label.n] = 0;
	ok = idn2_lookup_u8(text, &back, FLAGS) == IDN2_OK && back &&
	     slice_eq(slice_str((char *)back), slice_str((char *)text));
	idn2_free(back);
	return ok;
}

static bool alabels_are_valid(struct slice name)
{
	while (name.n) {
		const uint8_t *dot = memchr(name.p, '.', name.n);
		size_t n = dot ? (size_t)(dot - name.p) : name.n;

		if (is_alabel(slice_of(name.p, n)) && !alabel_is_valid(slice_of(name.p, n)))
			return false;
		name = dot ? slice_of(dot + 1, name.n - n - 1) : slice_of(NULL, 0);
	}
	return true;
}

static enum idn ascii(struct slice in, char out[static NAME_TEXT], uint8_t *len)
{
	switch (hostname_canonical(in, out, len)) {
	case HOSTNAME_OK:
		return memmem(out, *len, "xn--", 4) && !alabels_are_valid(slice_of(out, *len))
			       ? IDN_BAD_ALABEL
			       : IDN_OK;
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

/* Appends one label as ASCII to out (of size bytes). */
static bool label_to_ascii(struct slice label, char *out, size_t size, size_t *n)
{
	uint8_t text[UTF8_NAME_MAX + 1], *a = NULL;
	struct slice done = label;
	bool ok = true;

	memcpy(text, label.p, label.n);
	text[label.n] = 0;
	if (!is_ascii(label)) {
		ok = idn2_lookup_u8(text, &a, FLAGS) == IDN2_OK && a && a[0];
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
