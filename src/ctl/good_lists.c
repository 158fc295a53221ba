/* SPDX-License-Identifier: GPL-3.0-or-later
 * good_lists.c - what the daemon keeps of its lists, for verbs that read a policy by themselves.
 *
 * Such a verb takes each list as its file is, and says where the daemon would not. Who may not read the daemon's
 * folder is told nothing. Owns: nothing. Thread: one. Fails: never.
 */
#include <stdio.h>
#include <stdlib.h>

#include "conf/settings_file.h"
#include "ctl_int.h"

void ctl_good_lists(struct policy_load_in *in, char dir[static GOOD_DIR])
{
	struct settings *s = calloc(1, sizeof *s);
	struct strbuf said = {0};

	in->as_it_is = true;
	if (!s)
		return;
	(void)settings_read(NULL, s, &said); /* what is wrong with it, `doctor` says */
	snprintf(dir, GOOD_DIR, "%s/good-lists", s->state_dir);
	in->good_dir = dir;
	strbuf_fini(&said);
	free(s);
}
