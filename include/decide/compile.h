/* SPDX-License-Identifier: GPL-3.0-or-later
 * compile.h - builds the policy image (decide/image.h) from a read policy and its lists.
 *
 * Owns: *out is the caller's to free(). Thread: any; pure. Fails: 0, -ENOMEM, -E2BIG (an image over 4 GiB or an index
 * over its field).
 */
#ifndef DECIDE_COMPILE_H
#define DECIDE_COMPILE_H

#include "model/conf.h"

struct compile_in {
	const struct conf *conf;
	const struct list_names *lists; /* conf->n_lists of them */
	const struct tz_change *tz;	/* rows of the policy's zone; none = UTC */
	size_t n_tz;
	const struct cidr *
		local_nets; /* the gateway's connected prefixes, the default route's interface apart */
	size_t n_local_nets;
	uint32_t revision;
	uint64_t made_wall_ms;
	uint8_t seed[16]; /* for the name table's hash */
};

int policy_compile(const struct compile_in *in, void **out, size_t *out_size);

#endif
