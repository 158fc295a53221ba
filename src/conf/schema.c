/* SPDX-License-Identifier: GPL-3.0-or-later
 * schema.c - the words of the policy language as data, and tells how near two words are.
 *
 * Owns: nothing. Thread: any; pure. Fails: never. See: tbl/policy_words.h.
 */
#include "conf/schema.h"

enum { NOW = 0, LATER = 1, DISTANCE_BYTES = 64 };

const struct schema_word schema_words[WORDS] = {
#define POLICY_WORD(e, w, r, s, g, h) {w, ROLE_##r, s, g, h, WORD_##e},
#include "tbl/policy_words.h"
#undef POLICY_WORD
};

const struct schema_word *schema_find(struct slice word, unsigned roles)
{
	for (size_t i = 0; i < WORDS; i++)
		if (schema_words[i].role & roles && word_eq(slice_str(schema_words[i].word), word))
			return &schema_words[i];
	return NULL;
}

/* Two-byte UTF-8 letters whose small form also has two bytes; others are left alone. */
static uint32_t fold_char(uint32_t c)
{
	if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9 && c != 0x3a2) ||
		(c >= 0x410 && c <= 0x42f))
		return c + 32;
	if (c >= 0x400 && c <= 0x40f)
		return c + 80;
	if ((c >= 0x100 && c <= 0x12f) || (c >= 0x132 && c <= 0x137) || (c >= 0x14a && c <= 0x177))
		return c | 1; /* Latin Extended-A: pairs, the capital even */
	return c;
}

void word_fold(struct slice in, uint8_t *out)
{
	for (size_t i = 0; i < in.n; i++) {
		uint8_t c = in.p[i];

		if (c >= 'A' && c <= 'Z') {
			out[i] = c | 0x20;
		} else if (c >= 0xc3 && c <= 0xd1 && i + 1 < in.n && (in.p[i + 1] & 0xc0) == 0x80) {
			uint32_t wide = fold_char((uint32_t)(c & 0x1f) << 6 | (in.p[i + 1] & 0x3f));

			out[i++] = (uint8_t)(0xc0 | wide >> 6);
			out[i] = (uint8_t)(0x80 | (wide & 0x3f));
		} else {
			out[i] = c;
		}
	}
}

bool word_eq(struct slice a, struct slice b)
{
	uint8_t fa[DISTANCE_BYTES], fb[DISTANCE_BYTES];

	if (a.n != b.n)
		return false;
	if (a.n > sizeof fa)
		return slice_eq(a, b); /* no keyword and no name is that long */
	word_fold(a, fa);
	word_fold(b, fb);
	return a.n == 0 || memcmp(fa, fb, a.n) == 0;
}

unsigned word_slip(size_t n)
{
	return n <= 2 ? 0 : n <= 4 ? 1 : n <= 8 ? 2 : 3;
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Three rows of the usual table: a swap of neighbours looks two rows up. */
static unsigned distance(const uint8_t *a, size_t an, const uint8_t *b, size_t bn)
{
	uint8_t rows[3][DISTANCE_BYTES + 1];

	for (size_t j = 0; j <= bn; j++)
		rows[0][j] = (uint8_t)j;
	for (size_t i = 1; i <= an; i++) {
		uint8_t *row = rows[i % 3];
		const uint8_t *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];

		row[0] = (uint8_t)i;
		for (size_t j = 1; j <= bn; j++) {
			unsigned v = least(up[j] + 1u, row[j - 1] + 1u,
				up[j - 1] + (a[i - 1] == b[j - 1] ? 0u : 1u));

			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				up2[j - 2] + 1u < v)
				v = up2[j - 2] + 1u;
			row[j] = (uint8_t)v;
		}
	}
	return rows[an % 3][bn];
}

unsigned word_distance(struct slice a, struct slice b, unsigned limit)
{
	uint8_t fa[DISTANCE_BYTES], fb[DISTANCE_BYTES];
	size_t gap = a.n > b.n ? a.n - b.n : b.n - a.n;
	unsigned d;

	if (a.n > sizeof fa || b.n > sizeof fb || gap > limit)
		return limit + 1;
	word_fold(a, fa);
	word_fold(b, fb);
	d = distance(fa, a.n, fb, b.n);
	return d > limit ? limit + 1 : d;
}
