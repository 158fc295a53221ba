/* SPDX-License-Identifier: GPL-3.0-or-later
 * policy_load.h - from a policy file on disk to an image in memory: reads the file, its lists and the time zone, and
 * compiles. The controller, `durwardctl check` and `durwardctl explain --policy` all use it.
 *
 * A list whose file cannot be read, is not text, or has shrunk to less than half is replaced by its last good copy, where
 * there is one, with a warning; without one the first two are errors. Copies are written by policy_load_keep().
 *
 * Owns: *out's members until policy_loaded_fini(). Thread: any, one at a time.
 * Fails: 0 and ok; -EINVAL: errors are in diag (file errors, a list that cannot be read); else -errno (out of memory).
 */
#ifndef LOAD_POLICY_LOAD_H
#define LOAD_POLICY_LOAD_H

#include "base/diag.h"
#include "model/conf.h"

/* One list of the policy, as it is in force. */
struct list_fact {
	char *name, *file; /* file: its path */
	uint64_t names;	   /* in force */
	uint64_t lines, broken;
	char *why;	  /* what is wrong with the file; NULL = nothing */
	bool kept;	  /* the last good copy is in force instead of the file */
	bool shrunk;	  /* ... for the file is smaller than half of it: may be accepted */
	uint64_t good_ms; /* wall clock: when the last good copy was made; 0 = none yet */
	int failure;	  /* -errno: the copy could not be written */
	/* policy_load_keep()'s */
	char *copy;	/* where the last good copy lies; NULL = nowhere */
	char *staged;	/* the new copy beside it, not in place yet; NULL = none */
	bool copy_goes; /* the old copy is not to be used again, though no new one could be written */
};
struct list_facts {
	struct list_fact *all;
	size_t n;
};

struct policy_loaded {
	void *image;
	size_t image_size;
	struct diag diag;   /* errors and warnings, sorted */
	struct strbuf text; /* the file's bytes */
	char *timezone;	    /* NULL = none */
	bool fail_open, judges_all;
	struct list_facts lists;
};

struct policy_load_in {
	const char *path; /* of the policy file; also the base of relative list paths */
	const struct slice
		*text; /* instead of the file's content (check from the UI); NULL = read path */
	const struct cidr *local_nets;
	size_t n_local_nets;
	uint32_t revision;
	bool check_only; /* read and check all, make no image */

	const char *good_dir; /* of the last good copies; NULL = there are none */
	const char *accept; /* lists that may shrink: names with spaces between, "*" = all, NULL */
	/* Path of the image in force: a rule whose id is another one than there is told in a warning. NULL = none */
	const char *in_force;
	bool as_it_is; /* a list that has shrunk is used, with a warning; nothing is staged */
};

int policy_load(const struct policy_load_in *in, struct policy_loaded *out);
void policy_loaded_fini(struct policy_loaded *l); /* drops copies that were not kept */

/* The policy is in force: its lists become the last good ones; copies of lists it does not have go. */
void policy_load_keep(struct policy_loaded *l, const char *good_dir);
/* At the start: what a kill left between reading a policy and policy_load_keep(). Nothing may be loading meanwhile. */
void policy_load_tidy(const char *good_dir);
void list_facts_fini(struct list_facts *f);

#endif
