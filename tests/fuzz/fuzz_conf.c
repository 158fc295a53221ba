/* SPDX-License-Identifier: GPL-3.0-or-later
 * fuzz_conf.c - libFuzzer: any bytes as a policy.
 *
 * Built by clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Iinclude -Isrc/conf from this file and all
 * of src/conf, src/base and src/model, with -lidn2; run with -max_len=2000 -max_total_time=60.
 *
 * Laws: no crash; the result agrees with the diag; errors lie inside the text.
 */
#include <assert.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena mem = {.limit = 64 << 20};
	struct diag d = {0};
	uint32_t lines = 1;
	struct conf c;
	bool ok;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	ok = conf_parse(slice_of(data, size), &mem, &c, &d);
	assert(ok == (d.errors == 0));
	for (size_t i = 0; i < d.n; i++)
		assert(d.entries[i].line <= lines);
	diag_fini(&d);
	arena_fini(&mem);
	return 0;
}
