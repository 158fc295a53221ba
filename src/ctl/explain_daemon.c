/* SPDX-License-Identifier: GPL-3.0-or-later
 * explain_daemon.c - asks the daemon to explain by the policy in force.
 *
 * Owns: nothing. Thread: one. Fails: as api_call().
 */
#include "ctl_int.h"

int explain_daemon(struct ctl *c, const char *query, struct api_answer *out)
{
	struct strbuf path = {0};
	int rc;

	strbuf_fmt(&path, "/api/v1/explain?%s", query);
	rc = api_call(c, "GET", strbuf_text(&path), NULL, out);
	strbuf_fini(&path);
	return rc;
}
