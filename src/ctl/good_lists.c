/* SPDX-License-Identifier: GPL-3.0-or-later
 * good_lists.c - finds the policy and the daemon's copies of its lists, for verbs that read a policy by themselves.
 *
 * Such a verb takes each list as its file is, and says where the daemon would not. A user who may not read the daemon's
 * folder gets no such hint. Owns: nothing. Thread: one. Fails: never.
 */
#include <stdio.h>

#include "conf/settings_file.h"
#include "ctl_int.h"

void ctl_good_lists(struct policy_load_in *in, struct ctl_places *places)
{
	static struct settings s; /* large */
	struct strbuf said = {0};

	in->as_it_is = true;
	(void)settings_read(places->settings, &s, &said); /* what is wrong with it, `doctor` says */
	snprintf(places->good, sizeof places->good, "%s/good-lists", s.state_dir);
	snprintf(places->image, sizeof places->image, "%s/image.good", s.state_dir);
	snprintf(places->policy, sizeof places->policy, "%s", s.policy);
	in->good_dir = places->good;
	if (!in->path)
		in->path = places->policy;
	strbuf_fini(&said);
}
