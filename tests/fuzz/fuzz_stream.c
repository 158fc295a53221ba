/* SPDX-License-Identifier: GPL-3.0-or-later
 * fuzz_stream.c - libFuzzer against struct stream_ident: a client's bytes in any pieces say what they say in one piece.
 *
 * First byte: size of the pieces. Second: the cleartext preamble that it may begin with, if any. The rest: the stream. Run: make fuzz FUZZ_SECONDS=60
 */
#include <stdlib.h>

#include "identify/identify.h"

static uint8_t scratch[TLS_SCRATCH];

enum { KEPT = 64 };

struct said {
	unsigned n;
	bool done;
	uint8_t kind[KEPT], anomaly[KEPT];
	uint64_t safe_to[KEPT];
};

static void feed(struct slice in, size_t size, uint8_t proto, struct said *out)
{
	struct stream_ident s;
	struct ident first;
	struct identify_result r;
	enum identify_step step = IDENTIFY_WAIT;

	stream_ident_init(&s, 4096, &first);
	stream_ident_expect_preamble(&s, proto % (STARTTLS_ANY_LINES + 1));
	for (size_t have = 0; have < in.n && step != IDENTIFY_DONE;) {
		uint64_t from;

		have = in.n - have < size ? in.n : have + size;
		do {
			from = s.pos < have ? s.pos : have;
			uint8_t *copy =
				malloc(have - from +
					1); /* its own block: the sanitizer sees a byte too far */
			memcpy(copy, in.p + from, have - from);
			step = stream_ident_next(
				&s, from, slice_of(copy, have - from), scratch, &r);
			free(copy);
			if (step != IDENTIFY_RESULT)
				continue;
			out->kind[out->n % KEPT] = r.ident.kind;
			out->anomaly[out->n % KEPT] = r.ident.anomaly;
			out->safe_to[out->n++ % KEPT] = r.safe_to;
		} while (step == IDENTIFY_RESULT);
	}
	out->done = step == IDENTIFY_DONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Why it is EVASIVE may differ: of several reasons the one that was looked for first. */
static void compare(const struct said *a, const struct said *b, unsigned i)
{
	if (a->kind[i] == IDENT_EVASIVE && b->kind[i] == IDENT_EVASIVE)
		return;
	if (a->kind[i] != b->kind[i] || a->anomaly[i] != b->anomaly[i] ||
		a->safe_to[i] != b->safe_to[i])
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct said whole = {0}, pieces = {0};

	if (size < 3)
		return 0;
	feed(slice_of(data + 2, size - 2), size, data[1], &whole);
	feed(slice_of(data + 2, size - 2), 1u + data[0], data[1], &pieces);
	for (unsigned i = 0; i < whole.n && i < pieces.n && i < KEPT; i++)
		compare(&whole, &pieces, i);
	/* of pieces, TLS records are looked at only where their lengths let hope for an end: some harm is seen later so */
	if (whole.n == pieces.n ? pieces.done && !whole.done
				: pieces.n + 1 != whole.n ||
					  whole.kind[(whole.n - 1) % KEPT] != IDENT_EVASIVE)
		abort();
	return 0;
}
