/* SPDX-License-Identifier: GPL-3.0-or-later
 * policy_load.c - from a policy file on disk to an image in memory.
 *
 *   file -> conf_parse -> time zone -> lists -> policy_compile
 *
 * The zone and the lists of a file with errors are looked for all the same, so that one check finds every error.
 *
 * Owns: *out's members. Thread: any, one at a time. Fails: as load/policy_load.h says.
 */
#include "load/policy_load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "conf/conf.h"
#include "decide/compile.h"
#include "decide/image.h"
#include "decide/tz.h"
#include "load_int.h"

enum { POLICY_BYTES_MAX = 4 << 20, TZ_ROWS = 512 };
/* Names of all lists together: some forty million. */
#define LISTS_BYTES_MAX ((size_t)3 << 30)
#define YEARS_S(n)	((int64_t)(n)*31556952)

struct loading {
	const struct policy_load_in *in;
	struct policy_loaded *out;
	struct conf conf;
	struct arena mem, list_mem;
	struct list_names *lists;
	struct tz_change tz[TZ_ROWS];
	size_t n_tz;
};

static void whole_file(struct diag *d, const char *what, const char *path, int err)
{
	const char *why = err == -EFBIG	   ? "it is longer than 4 MiB"
			  : err == -EINVAL ? "it is no file"
					   : strerror(-err);

	diag_add(d, DIAG_ERROR, 0, 0, 0, "%s %s cannot be read: %s", what, path, why);
}

static bool read_text(struct loading *l)
{
	int err;

	if (l->in->text) {
		strbuf_add(&l->out->text, *l->in->text);
		err = l->in->text->n > POLICY_BYTES_MAX ? -EFBIG
		      : l->out->text.failed		? -ENOMEM
							: 0;
	} else {
		err = file_read(l->in->path, POLICY_BYTES_MAX, &l->out->text);
	}
	if (err)
		whole_file(&l->out->diag, "the policy", l->in->path, err);
	return err == 0;
}

/* --- the time zone --- */

static int load_zone(struct loading *l)
{
	int64_t now = (int64_t)(clock_wall_ms() / 1000);
	const struct conf_pos pos = l->conf.timezone_pos;
	struct strbuf file = {0};
	char near[ZONE_NAME];
	int err;

	if (!l->conf.timezone)
		return 0;
	err = zone_read(l->conf.timezone, &file);
	if (!err && !l->in->check_only)
		err = tz_read(slice_of(file.s, file.n), now - YEARS_S(20), now + YEARS_S(50), l->tz,
			TZ_ROWS, &l->n_tz);
	strbuf_fini(&file);
	if (!err)
		return 0;
	if (err == -ENOMEM)
		return err;
	if (!zone_data_present())
		diag_add(&l->out->diag, DIAG_ERROR, pos.line, pos.column, pos.length,
			"there is no time zone data on this machine; install the package tzdata");
	else if (zone_nearest(l->conf.timezone, near))
		diag_add(&l->out->diag, DIAG_ERROR, pos.line, pos.column, pos.length,
			"'%s' is no time zone of this machine; the nearest is '%s'",
			l->conf.timezone, near);
	else
		diag_add(&l->out->diag, DIAG_ERROR, pos.line, pos.column, pos.length,
			"'%s' is no time zone of this machine; see /usr/share/zoneinfo",
			l->conf.timezone);
	return 0;
}

/* --- lists --- */

static int load_lists(struct loading *l)
{
	struct lists_in in = {
		.in = l->in, .conf = &l->conf, .diag = &l->out->diag, .mem = &l->list_mem};

	l->lists = arena_alloc(&l->mem, l->conf.n_lists * sizeof *l->lists);
	if (!l->lists)
		return -ENOMEM;
	l->list_mem.limit = LISTS_BYTES_MAX;
	return lists_load(&in, l->lists, &l->out->lists);
}

/* --- all together --- */

static int compile(struct loading *l)
{
	struct compile_in in = {
		.conf = &l->conf,
		.lists = l->lists,
		.tz = l->tz,
		.n_tz = l->n_tz,
		.local_nets = l->in->local_nets,
		.n_local_nets = l->in->n_local_nets,
		.revision = l->in->revision,
		.made_wall_ms = clock_wall_ms(),
	};
	int err;

	if (getrandom(in.seed, sizeof in.seed, 0) != (ssize_t)sizeof in.seed)
		return -errno;
	err = policy_compile(&in, &l->out->image, &l->out->image_size);
	if (err == -E2BIG) {
		diag_add(&l->out->diag, DIAG_ERROR, 0, 0, 0,
			"the policy and its lists are larger than an image may be");
		return -EINVAL;
	}
	return err;
}

static bool compares(const struct loading *l)
{
	return l->in->in_force && access(l->in->in_force, R_OK) == 0;
}

static int finish(struct loading *l)
{
	const struct image *img;
	const char *why;
	int err = compile(l);

	if (err)
		return err;
	err = image_open(l->out->image, l->out->image_size, &img, &why);
	if (err) {
		diag_add(&l->out->diag, DIAG_ERROR, 0, 0, 0, "the image is not sound: %s", why);
		return -EINVAL;
	}
	l->out->fail_open = image_fail_open(img);
	l->out->judges_all = image_judges_all(img);
	if (compares(l))
		new_ids_warn(l->in->in_force, img, &l->out->diag);
	return 0;
}

static int load(struct loading *l)
{
	int err = 0;

	if (!read_text(l))
		return -EINVAL;
	conf_parse(slice_of(l->out->text.s, l->out->text.n), &l->mem, &l->conf, &l->out->diag);
	l->out->fail_open = l->conf.fail == FAIL_OPEN;
	if (l->conf.timezone && !(l->out->timezone = strdup(l->conf.timezone)))
		return -ENOMEM;
	err = load_zone(l);
	if (!err)
		err = load_lists(l);
	if (!err && l->out->diag.errors)
		err = -EINVAL;
	if (!err && (!l->in->check_only || compares(l)))
		err = finish(l);
	return err;
}

int policy_load(const struct policy_load_in *in, struct policy_loaded *out)
{
	struct loading *l = calloc(1, sizeof *l);
	int err;

	*out = (struct policy_loaded){0};
	if (!l)
		return -ENOMEM;
	l->in = in;
	l->out = out;
	err = load(l);
	diag_sort(&out->diag);
	if (err || in->check_only) {
		free(out->image);
		out->image = NULL;
		out->image_size = 0;
	}
	arena_fini(&l->list_mem);
	arena_fini(&l->mem);
	free(l);
	return err;
}

void policy_loaded_fini(struct policy_loaded *l)
{
	free(l->image);
	free(l->timezone);
	diag_fini(&l->diag);
	strbuf_fini(&l->text);
	list_facts_fini(&l->lists);
	*l = (struct policy_loaded){0};
}
