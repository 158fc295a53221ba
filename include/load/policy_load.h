/* SPDX-License-Identifier: GPL-3.0-or-later
 * policy_load.h - from a policy file on disk to an image in memory: reads the file, its lists and the time zone, and
 * compiles. The desk, `durwardctl check` and `durwardctl explain --policy` all go this way.
 *
 * Owns: *out's members until policy_loaded_fini(). Thread: any, one at a time.
 * Fails: 0 and ok; -EINVAL: errors are in diag (file mistakes, a list that cannot be read); else -errno (out of memory).
 */
#ifndef LOAD_POLICY_LOAD_H
#define LOAD_POLICY_LOAD_H

#include "base/diag.h"
#include "model/conf.h"

struct policy_loaded {
	void *image;
	size_t image_size;
	struct diag diag;   /* errors and warnings, sorted */
	struct strbuf text; /* the file's bytes */
	char *timezone;	    /* NULL = none */
	bool fail_open, judges_all;
};

struct policy_load_in {
	const char *path; /* of the policy file; also the base of relative list paths */
	const struct slice
		*text; /* instead of the file's content (check from the UI); NULL = read path */
	const struct cidr *local_nets;
	size_t n_local_nets;
	uint32_t revision;
	bool check_only; /* read and check all, make no image */
};

int policy_load(const struct policy_load_in *in, struct policy_loaded *out);
void policy_loaded_fini(struct policy_loaded *l);

#endif
