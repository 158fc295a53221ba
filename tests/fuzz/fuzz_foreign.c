/* SPDX-License-Identifier: GPL-3.0-or-later
 * fuzz_foreign.c - libFuzzer: any bytes as what iptables-save or nft printed.
 *
 * Laws: no crash; a finding says a rule; a line that fixes it is one line.
 */
#include <assert.h>

#include "netsetup/foreign.h"

static void take(void *user, const struct foreign *f)
{
	assert(*f->rule && !strchr(f->fix, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct foreign_in in = {
		.text = slice_of(data, size), .tool = "iptables", .ours = 0xff000000, .tell = take};

	foreign_iptables(&in);
	foreign_nft(&in);
	(void)foreign_free_mask(in.used);
	return 0;
}
