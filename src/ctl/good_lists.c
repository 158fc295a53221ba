/* SPDX-License-Identifier: GPL-3.0-or-later
 * good_lists.c - what the daemon keeps of its lists, for verbs that read a policy by themselves.
 *
 * Such a verb takes each list as its file is, and says where the daemon would not. Who may not read the daemon's
 * folder is told nothing. Owns: nothing. Thread: one. Fails: never.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "conf/settings.h"
#include "ctl_int.h"

void ctl_good_lists(struct policy_load_in *in, char dir[static GOOD_DIR])
{
	struct settings *s = calloc(1, sizeof *s);
	struct strbuf text = {0};
	struct diag d = {0};

	in->as_it_is = true;
	if (!s)
		return;
	file_read(SETTINGS_FILE, 1 << 20, &text); /* none: the defaults hold */
	settings_parse(slice_of(text.s, text.n), s, &d);
	snprintf(dir, GOOD_DIR, "%s/good-lists", s->state_dir);
	in->good_dir = dir;
	diag_fini(&d);
	strbuf_fini(&text);
	free(s);
}
