/* SPDX-License-Identifier: GPL-3.0-or-later
 * fuzz_quic.c - libFuzzer against struct quic_ident: any datagrams, both ways, any frames behind good tags.
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Iinclude -o /tmp/fuzz_quic tests/fuzz/fuzz_quic.c \
 *		src/identify/quic*.c src/identify/tls_hello.c src/base/cursor.c src/base/addr.c src/model/hostname.c -lcrypto
 *	/tmp/fuzz_quic -max_len=8192 -max_total_time=60
 *
 * The input is a row of datagrams: a control byte, two bytes of length, then the bytes. Control bit 0: they are frames,
 * sealed here as an Initial (bits 4-5: of which connection; bit 2: version 2; bit 3: not padded to 1200 bytes); bit 1:
 * from the server; bit 6: a minute passes.
 */
#include <stdlib.h>

#include "identify/quic.h"

enum { ROOM = 70000 };

static struct quic_crypt *crypt_;
static uint8_t buffer[ROOM];

static size_t seal(uint8_t control, struct slice frames)
{
	static uint8_t padded[ROOM];
	uint32_t version = control & 4 ? QUIC_V2 : QUIC_V1;
	uint8_t h[64] = {control & 4 ? 0xd0 : 0xc0};
	struct quic_cid dcid = {.n = 8, .b = {control >> 4 & 3}};
	struct quic_keys keys;
	size_t n = frames.n > 16000 ? 16000 : frames.n;
	memset(padded, 0, 1200);
	if (n)
		memcpy(padded, frames.p, n);
	size_t least = control & 8 ? 4 : 1160;
	n = n < least ? least : n;
	for (int i = 0; i < 4; i++)
		h[1 + i] = (uint8_t)(version >> (24 - 8 * i));
	h[5] = 8;
	memcpy(h + 6, dcid.b, 8);
	h[15] = 0; /* token; h[14] = 0: no source ID */
	h[16] = (uint8_t)(0x40 | (n + 17) >> 8);
	h[17] = (uint8_t)(n + 17);
	if (!quic_crypt_keys(crypt_, version, &dcid, QUIC_CLIENT, &keys))
		abort();
	return quic_crypt_seal(
		crypt_, &keys, slice_of(h, 19), 1, 0, slice_of(padded, n), buffer, sizeof(buffer));
}

static void check(const struct quic_ident *q, const struct quic_seen *s)
{
	bool open = s->step == QUIC_STEP_PASS || s->step == QUIC_STEP_HOLD;
	if (open != (s->ident.kind == IDENT_PENDING) ||
		(s->step == QUIC_STEP_OTHER) != (s->ident.kind == IDENT_NOT_PROTO))
		abort();
	if (s->ident.kind == IDENT_NAME && (s->ident.name_len == 0 || s->conn >= QUIC_CONNS) &&
		s->step == QUIC_STEP_JUDGE)
		abort();
	if (quic_ident_memory(q) > 2 * 16 * 1024 + QUIC_CONNS * 2560)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint64_t now = 1;
	struct quic_ident *q = quic_ident_new();
	crypt_ = crypt_ ? crypt_ : quic_crypt_new();
	while (n >= 3) {
		uint8_t control = p[0];
		size_t len = (size_t)p[1] << 8 | p[2];
		len = len > n - 3 ? n - 3 : len;
		struct slice d = slice_of(p + 3, len);
		uint8_t *copy = malloc(len ? len : 1); /* its end is the allocation's */
		struct quic_seen seen;
		if (len)
			memcpy(copy, d.p, len);
		now += control & 0x40 ? 60000 : 1;
		if (control & 1)
			d = slice_of(buffer, seal(control, d));
		else
			d = slice_of(copy, len);
		if (control & 2) {
			quic_ident_server(q, crypt_, d, now);
		} else {
			quic_ident_client(q, crypt_, d, now, &seen);
			check(q, &seen);
		}
		free(copy);
		p += 3 + len;
		n -= 3 + len;
	}
	quic_ident_free(q);
	return 0;
}
