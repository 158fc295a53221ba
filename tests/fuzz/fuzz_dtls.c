/* SPDX-License-Identifier: GPL-3.0-or-later
 * fuzz_dtls.c - libFuzzer against dtls_hello_add and tls_hello_parse: any datagrams; names never lie outside.
 *
 * The input is a row of datagrams: two bytes of length, then the bytes. Run: make fuzz FUZZ_SECONDS=60
 */
#include <stdlib.h>

#include "identify/dtls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct dtls_join *j = calloc(1, sizeof(*j));
	struct tls_hello h;
	struct ident id;

	tls_hello_ident(tls_hello_parse(in, &h), &h, APP_TLS, SOURCE_SNI, &id);
	if (id.name_len != strlen(id.name))
		abort();
	while (in.n > 2) {
		size_t n = ((size_t)in.p[0] << 8 | in.p[1]) % (in.n - 1);
		enum parse status = dtls_hello_add(j, slice_of(in.p + 2, n), &h);

		tls_hello_ident(status, &h, APP_DTLS, SOURCE_SNI, &id);
		in = slice_of(in.p + 2 + n, in.n - 2 - n);
	}
	free(j);
	return 0;
}
