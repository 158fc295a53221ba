/* SPDX-License-Identifier: GPL-3.0-or-later
 * fuzz_stream.c - libFuzzer against struct stream_ident: a client's bytes in any pieces say what they say in one piece.
 *
 * First byte: size of the pieces. The rest: the stream. Run: make fuzz FUZZ_SECONDS=60
 */
#include <stdlib.h>

#include "identify/identify.h"

static uint8_t scratch[TLS_SCRATCH];

struct said {
	unsigned n;
	uint8_t kind[64], odd[64];
	uint64_t safe_to[64];
};

static void feed(struct slice in, size_t size, struct said *out)
{
	struct stream_ident s;
	struct identify_result r;
	enum identify_step step = IDENTIFY_WAIT;

	stream_ident_init(&s, 4096);
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
			if (step == IDENTIFY_RESULT && out->n < 64) {
				out->kind[out->n] = r.ident.kind;
				out->odd[out->n] = r.ident.odd;
				out->safe_to[out->n++] = r.safe_to;
			}
		} while (step == IDENTIFY_RESULT);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct said whole = {0}, pieces = {0};

	if (size < 2)
		return 0;
	feed(slice_of(data + 1, size - 1), size, &whole);
	feed(slice_of(data + 1, size - 1), 1u + data[0], &pieces);
	/* the limit and an early look at what is odd may end pieces sooner: what both said, up to there, is the same */
	for (unsigned i = 0; i < whole.n && i < pieces.n; i++) {
		if (whole.kind[i] == IDENT_EVASIVE && pieces.kind[i] == IDENT_EVASIVE)
			break;
		if (whole.kind[i] != pieces.kind[i] || whole.odd[i] != pieces.odd[i] ||
			whole.safe_to[i] != pieces.safe_to[i])
			abort();
	}
	return 0;
}
