/* SPDX-License-Identifier: GPL-3.0-or-later
 * faces.c - the gate, the desk and the policy route: from the command line to each one's main.
 *
 * Owns: nothing. Thread: one. Fails: exit status.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "desk/desk.h"
#include "gate/gate.h"
#include "main_int.h"
#include "model/mark.h"
#include "netsetup/priv.h"
#include "netsetup/route.h"
#include "show/show.h"

int face_gate(const struct face_in *in)
{
	return gate_main(&in->settings, &in->hands);
}

/* The policy's folder, where a new text is written beside the old one, and its own; the database's temporary files as well. */
static int write_only_own(const struct settings *s, int *landlock)
{
	char policy[SETTING_TEXT];
	const char *folders[] = {s->state_dir, s->policy_edit ? policy : NULL, NULL};
	char *slash;

	snprintf(policy, sizeof policy, "%s", s->policy);
	slash = strrchr(policy, '/');
	if (slash)
		slash[slash == policy] = '\0';
	else
		snprintf(policy, sizeof policy, ".");
	setenv("SQLITE_TMPDIR", s->state_dir, 1);
	return priv_landlock(folders, landlock);
}

/* The desk keeps nothing: it parses lists and answers browsers. Its files are its own by uid. */
static int become_desk(const struct settings *s)
{
	struct priv_drop drop = {.parent_death = SIGKILL};
	pid_t parent = getppid();
	uint64_t files;
	int rc = priv_user_find(s->desk_user, &drop.user), landlock = 0;

	priv_limit_files(&files);
	if (rc == 0)
		rc = priv_drop(&drop);
	if (rc == 0 && getppid() != parent)
		rc = -ESRCH;
	if (rc == 0)
		rc = write_only_own(s, &landlock);
	if (rc == 0 && landlock > 0)
		log_info("it writes in its own folders only (Landlock %d)", landlock);
	else if (rc == 0)
		log_note("this kernel has no Landlock (5.13 and newer): where the desk may write, "
			 "the modes of files say");
	return rc ? rc : priv_seccomp(PRIV_DESK);
}

int face_desk(const struct face_in *in)
{
	const struct settings *s = &in->settings;
	struct desk_in d = {.control = handoff_get(&in->hands, "control"),
		.ring_signal = handoff_get(&in->hands, "signal"),
		.unix_listener = handoff_get(&in->hands, "unix"),
		.conntrack = handoff_get(&in->hands, "conntrack"),
		.policy_path = s->policy,
		.state_dir = s->state_dir,
		.web_names = s->web_names,
		.webroot = s->webroot,
		.events_rows = s->events_rows,
		.events_days = s->events_days,
		.policy_edit = s->policy_edit,
		.face = &show_face,
		.settings = s};
	int fd, rc = become_desk(s);

	if (rc != 0) {
		log_error("the desk cannot give up its rights: %s", strerror(-rc));
		return 1;
	}
	signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the whole group; the super says when */
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	while (d.n_rings < DESK_RINGS && (fd = handoff_get(&in->hands, "ring.%zu", d.n_rings)) >= 0)
		d.rings[d.n_rings++] = fd;
	while (d.n_listeners < DESK_LISTENERS &&
		(fd = handoff_get(&in->hands, "web.%zu", d.n_listeners)) >= 0)
		d.listeners[d.n_listeners++] = fd;
	return desk_main(&d);
}

int face_route(const struct face_in *in)
{
	struct route_policy route = {.mark = mark_of(in->settings.mark_mask, MARK_TPROXY),
		.table = in->settings.route_table,
		.priority = in->settings.route_priority};
	int rc;

	if (in->argc == 1 && strcmp(in->argv[0], "up") == 0)
		rc = route_policy_up(&route);
	else if (in->argc == 1 && strcmp(in->argv[0], "down") == 0)
		rc = route_policy_down(&route);
	else
		return 2;
	if (rc != 0)
		fprintf(stderr, "durward route: %s\n", strerror(-rc));
	return rc ? 1 : 0;
}
