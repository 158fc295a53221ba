/* SPDX-License-Identifier: GPL-3.0-or-later
 * fuzz_listfile.c - libFuzzer: any bytes as a list, in each format.
 *
 * Built by clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Iinclude -Isrc/conf from this file and all
 * of src/conf, src/base and src/model, with -lidn2; run with -max_len=2000 -max_total_time=60.
 *
 * Laws: no crash; every entry is a canonical name; what can be said on the wire can be listed.
 */
#include <assert.h>

#include "conf/idn.h"
#include "conf/listfile.h"
#include "model/hostname.h"

static void read_as(const uint8_t *data, size_t size, enum list_format format)
{
	struct arena mem = {.limit = 64 << 20};
	char again[NAME_TEXT];
	struct list_names l;
	uint8_t len;

	listfile_parse(slice_of(data, size), format, &mem, &l);
	assert(l.broken <= l.lines && l.own <= l.broken);
	assert((l.first_broken != 0) == (l.broken > l.own));
	for (size_t i = 0; i < l.n; i++) {
		assert(hostname_canonical(slice_str(l.names[i].name), again, &len) == HOSTNAME_OK);
		assert(strcmp(again, l.names[i].name) == 0);
	}
	arena_fini(&mem);
}

/* What can be said on the wire can be listed, and is the same name. */
static void read_as_name(struct slice in)
{
	char wire[NAME_TEXT], typed[NAME_TEXT];
	uint8_t n, m;

	if (hostname_canonical(in, wire, &n) != HOSTNAME_OK)
		return;
	assert(idn_canonical(in, typed, &m) == IDN_OK);
	assert(n == m && memcmp(wire, typed, n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_as(data, size, LIST_DOMAINS);
	read_as(data, size, LIST_HOSTS);
	read_as_name(slice_of(data, size));
	return 0;
}
