/* SPDX-License-Identifier: GPL-3.0-or-later
 * fuzz_starttls.c - cleartext preambles: never past the input, and piece by piece what it is as a whole.
 */
#include <stdlib.h>

#include "identify/starttls.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Where TLS begins, and whether PLAIN was said before; SIZE_MAX: nowhere. */
static size_t run(enum starttls_proto proto, const uint8_t *p, size_t n, size_t cut, bool *plain)
{
	struct starttls t = {.proto = (uint8_t)proto};
	enum starttls_step step = STARTTLS_WAIT;
	size_t pos = 0, used;

	for (size_t end = cut < n ? cut : n;; end = n) {
		do {
			step = starttls_next(&t, slice_of(p + pos, end - pos), &used);
			if (used > end - pos)
				abort();
			pos += used;
		} while (step == STARTTLS_PLAIN);
		*plain = t.plain;
		if (step == STARTTLS_TLS)
			return pos;
		if (end == n)
			return SIZE_MAX;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	enum starttls_proto proto;
	bool plain, plain_cut;
	size_t cut;

	if (n < 2)
		return 0;
	proto = p[0] % (STARTTLS_ANY_LINES + 1);
	cut = p[1] % (n - 1);
	p += 2;
	n -= 2;
	if (run(proto, p, n, n, &plain) != run(proto, p, n, cut, &plain_cut) || plain != plain_cut)
		abort();
	return 0;
}
