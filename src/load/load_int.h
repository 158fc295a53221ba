/* SPDX-License-Identifier: GPL-3.0-or-later
 * load_int.h - what the files of load/ share.
 *
 *   zone.c       the time zone files of the machine (/usr/share/zoneinfo)
 *   lists.c      the lists of a policy: the file, or its last good copy
 *   good_copy.c  last good copies on disk
 *   new_ids.c    which rules are known by another id than in the policy in force
 *
 * Owns: nothing. Thread: any. Fails: 0 or -errno; -EINVAL a name or a file that is not what it should be.
 */
#ifndef LOAD_LOAD_INT_H
#define LOAD_LOAD_INT_H

#include "base/strbuf.h"
#include "decide/image.h"
#include "load/policy_load.h"

/* --- zone.c --- */
enum { ZONE_NAME = 64 };

int zone_read(const char *name, struct strbuf *out);
bool zone_data_present(void);
/* The known zone that is most like `name`. */
bool zone_nearest(const char *name, char out[static ZONE_NAME]);

/* --- lists.c --- */
enum { LIST_BYTES_MAX = 512 << 20 };

struct lists_in {
	const struct policy_load_in *in;
	const struct conf *conf;
	struct diag *diag;
	struct arena *mem; /* takes the names */
};
/* One of `names` a list of the conf. -ENOMEM only; what is wrong with a list is in the diag. */
int lists_load(const struct lists_in *l, struct list_names *names, struct list_facts *facts);

/* --- new_ids.c --- */
/* in_force: path of an image; what cannot be read, or is of another version, tells nothing. */
void new_ids_warn(const char *in_force, const struct image *now, struct diag *d);

/* --- good_copy.c --- */
struct good_copy {
	uint64_t names, bytes, digest, saved_ms;
};
/* Its file: another name, file or format of the list is another copy. Heap; NULL without memory. */
char *good_copy_path(const char *dir, const struct conf_list *list, const char *file);
/* The head alone. -ENOENT: none yet. */
int good_copy_head(const char *path, struct good_copy *out);
/* Head and text, checked; *body points into *text. */
int good_copy_read(
	const char *path, struct good_copy *out, struct strbuf *text, struct slice *body);
uint64_t good_copy_digest(struct slice body);
/* Writes a new copy beside `path` and makes it safe on disk; *staged is its name (heap). */
int good_copy_stage(
	const char *path, const struct good_copy *head, struct slice body, char **staged);
/* Removes what is no copy of these lists. */
void good_copy_sweep(const char *dir, const struct list_facts *facts);

#endif
