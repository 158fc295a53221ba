/* SPDX-License-Identifier: GPL-3.0-or-later
 * fuzz_packet.c - libFuzzer against packet_parse, segments and server_hello_look: any packets, any order.
 *
 * The input is a row of packets: two bytes of length, then the bytes from the IP header on. Run: make fuzz FUZZ_SECONDS=60
 */
#include <stdlib.h>

#include "identify/packet.h"
#include "identify/segments.h"
#include "identify/server_hello.h"

static void check(struct segments *s, const struct packet *p)
{
	struct slice before = segments_contiguous(s);
	uint8_t *copy = malloc(before.n + 1);
	enum segments_result r;

	if (before.n)
		memcpy(copy, before.p, before.n);
	r = segments_add(s, p->seq, p->payload, p->flags & PACKET_PSH);
	struct slice after = segments_contiguous(s);
	if (after.n < before.n || (before.n && memcmp(after.p, copy, before.n) != 0))
		abort(); /* what was there changed */
	if (r == SEGMENTS_SAME && after.n != before.n && s->pad_n)
		abort();
	free(copy);
	server_hello_look(after);
	if (after.n > 3000)
		segments_release(s, s->released + after.n / 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct segments s = {0};
	struct packet p;

	while (in.n > 2) {
		size_t n = ((size_t)in.p[0] << 8 | in.p[1]) % (in.n - 1);

		if (packet_parse(slice_of(in.p + 2, n), &p) == PARSE_OK) {
			if (p.payload.n &&
				(p.payload.p < in.p || p.payload.p + p.payload.n > in.p + 2 + n))
				abort();
			if (s.limit == 0)
				segments_init(&s, p.seq, 8192);
			if (p.proto == IPPROTO_TCP)
				check(&s, &p);
		}
		in = slice_of(in.p + 2 + n, in.n - 2 - n);
	}
	segments_fini(&s);
	return 0;
}
