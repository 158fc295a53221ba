/* SPDX-License-Identifier: GPL-3.0-or-later
 * policy_text.h - an image straight from the text of a policy, for tests.
 */
#ifndef TEST_POLICY_TEXT_H
#define TEST_POLICY_TEXT_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/file.h"
#include "conf/conf.h"
#include "conf/listfile.h"
#include "decide/compile.h"
#include "decide/image.h"
#include "decide/tz.h"

struct policy_text {
	void *bytes;
	const struct image *image;
};

/* lists: the text of each list of the policy, in its order; NULL when there is none. Zone: Europe/Berlin or UTC. */
static void policy_text_open(struct policy_text *p, const char *text, const char *const *lists)
{
	static struct tz_change tz[400];
	struct arena mem = {0};
	struct diag diag = {0};
	struct strbuf said = {0}, zone = {0};
	struct conf conf = {0};
	struct list_names names[8] = {0};
	const char *why = "";
	size_t size, n_tz = 0;
	bool ok = conf_parse(slice_str(text), &mem, &conf, &diag);
	diag_print(&diag, "policy", &said);
	if (!ok)
		fail_msg("%s", strbuf_text(&said));
	for (size_t k = 0; k < conf.n_lists; k++)
		assert_int_equal(
			listfile_parse(slice_str(lists[k]), conf.lists[k].format, &mem, &names[k]),
			0);
	if (conf.timezone && file_read("/usr/share/zoneinfo/Europe/Berlin", 1 << 20, &zone) == 0)
		assert_int_equal(
			tz_read(slice_of(zone.s, zone.n), 0, 4102444800, tz, 400, &n_tz), 0);
	struct cidr connected;
	assert_true(cidr_parse(slice_str("198.18.0.0/15"), &connected));
	struct compile_in in = {.conf = &conf,
		.lists = names,
		.tz = tz,
		.n_tz = n_tz,
		.local_nets = &connected,
		.n_local_nets = 1,
		.revision = 3};
	assert_int_equal(policy_compile(&in, &p->bytes, &size), 0);
	if (image_open(p->bytes, size, &p->image, &why) != 0)
		fail_msg("%s", why);
	strbuf_fini(&zone);
	strbuf_fini(&said);
	diag_fini(&diag);
	arena_fini(&mem);
}

#endif
