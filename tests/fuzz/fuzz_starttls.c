/* SPDX-License-Identifier: GPL-3.0-or-later
 * fuzz_starttls.c - plain dialogues: never past the input, and piece by piece what it is as a whole.
 */
#include <stdlib.h>

#include "identify/starttls.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	size_t used, part, more, cut;
	enum starttls_step whole, step;
	enum starttls_proto proto;

	if (n < 2)
		return 0;
	proto = p[0] % (STARTTLS_ANY_LINES + 1);
	cut = p[1] % (n - 1);
	p += 2;
	n -= 2;
	cut = cut < n ? cut : n;
	whole = starttls_next(proto, slice_of(p, n), &used);
	if (used > n)
		abort();
	step = starttls_next(proto, slice_of(p, cut), &part);
	if (part > cut || part > used)
		abort();
	if (step != STARTTLS_WAIT)
		return 0;
	step = starttls_next(proto, slice_of(p + part, n - part), &more);
	if (step != whole || part + more != used)
		abort();
	return 0;
}
