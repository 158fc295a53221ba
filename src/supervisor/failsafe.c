/* SPDX-License-Identifier: GPL-3.0-or-later
 * failsafe.c - applies `fail` when the supervisor is gone.
 *
 * Owns: nothing. Thread: one. Fails: exit status.
 * Why not the service manager alone: there may be none, and its restart takes seconds in which nobody answers.
 */
#include "supervisor/failsafe.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "model/mark.h"
#include "netsetup/priv.h"
#include "netsetup/route.h"
#include "netsetup/rules.h"
#include "supervisor_int.h"

enum { SCRIPT_MS = 20000 };

/* Ctrl-C reaches the whole group: the supervisor ends in order, and only then do we */
static void ignore_signals(void)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

static int apply(const struct settings *s, char mode)
{
	struct route_policy route = {.mark = mark_of(s->mark_mask, MARK_TPROXY),
		.table = s->route_table,
		.priority = s->route_priority};
	struct rules_result result = {0};
	char script[SETTING_TEXT], params[SETTING_TEXT + 8];
	int rc, lock_fd;

	if (!alone_after(s, &lock_fd)) {
		log_note("the supervisor died, and another one runs already: nothing to failsafe");
		return 0;
	}
	log_warn("the supervisor died: %s",
		mode == 'o' ? "fail open, rules removed" : "fail closed, forwarding is refused");
	supervisor_script(s, script, sizeof script);
	snprintf(params, sizeof params, "%s/rules", s->run_dir);
	rc = rules_run(script, mode == 'o' ? RULES_VERB_DOWN : RULES_VERB_FAILED, params, SCRIPT_MS,
		&result);
	if (rc != 0 || result.status != 0)
		log_error("durward-rules failed (%d, status %d): by hand: durward-rules down", rc,
			result.status);
	if (mode == 'o')
		route_policy_down(&route);
	return rc == 0 && result.status == 0 ? 0 : 1;
}

int failsafe_main(const struct settings *s, int supervisor_pidfd, int pipe_fd)
{
	struct pollfd p[2] = {
		{.fd = supervisor_pidfd, .events = POLLIN}, {.fd = pipe_fd, .events = POLLIN}};
	struct priv_drop drop = {.keep = PRIV_CAPS_DATAPLANE};
	char mode = 'c', byte;
	int rc = priv_drop(&drop);

	ignore_signals();
	if (rc != 0)
		log_warn("failsafe keeps more rights than it needs: %s", strerror(-rc));
	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return 1;
		if (p[1].revents & POLLIN) {
			if (read(pipe_fd, &byte, 1) == 1) {
				if (byte == 'q')
					return 0;
				mode = byte;
				continue;
			}
		}
		if (p[1].revents & (POLLHUP | POLLERR))
			p[1].fd =
				-1; /* the pipe's other end is gone: the pidfd says whether the supervisor is */
		if (p[0].revents & POLLIN)
			return apply(s, mode);
	}
}
