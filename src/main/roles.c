/* SPDX-License-Identifier: GPL-3.0-or-later
 * roles.c - starts the dataplane, the controller and the policy route from the command line.
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
#include "controller/controller.h"
#include "dataplane/dataplane.h"
#include "main_int.h"
#include "model/mark.h"
#include "netsetup/priv.h"
#include "netsetup/route.h"
#include "show/show.h"

int role_dataplane(const struct role_in *in)
{
	return dataplane_main(&in->settings, &in->fds);
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

/* The controller keeps nothing: it parses lists and answers browsers. Its files are its own by uid. */
static int become_controller(const struct settings *s)
{
	struct priv_drop drop = {.parent_death = SIGKILL};
	pid_t parent = getppid();
	uint64_t files;
	int rc = priv_user_find(s->controller_user, &drop.user), landlock = 0;

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
		log_note("this kernel has no Landlock (5.13 and newer): where the controller may "
			 "write, "
			 "the modes of files say");
	return rc ? rc : priv_seccomp(PRIV_CONTROLLER);
}

int role_controller(const struct role_in *in)
{
	const struct settings *s = &in->settings;
	struct controller_in d = {.control = inherited_get(&in->fds, "control"),
		.ring_signal = inherited_get(&in->fds, "signal"),
		.unix_listener = inherited_get(&in->fds, "unix"),
		.conntrack = inherited_get(&in->fds, "conntrack"),
		.policy_path = s->policy,
		.state_dir = s->state_dir,
		.web_names = s->web_names,
		.webroot = s->webroot,
		.events_rows = s->events_rows,
		.events_days = s->events_days,
		.policy_edit = s->policy_edit,
		.front_end = &show_front_end,
		.settings = s};
	int fd, rc = become_controller(s);

	if (rc != 0) {
		log_error("the controller cannot give up its rights: %s", strerror(-rc));
		return 1;
	}
	signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the whole group; the supervisor says when */
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	while (d.n_rings < CONTROLLER_RINGS &&
		(fd = inherited_get(&in->fds, "ring.%zu", d.n_rings)) >= 0)
		d.rings[d.n_rings++] = fd;
	while (d.n_lives < CONTROLLER_RINGS &&
		(fd = inherited_get(&in->fds, "live.%zu", d.n_lives)) >= 0)
		d.lives[d.n_lives++] = fd;
	while (d.n_listeners < CONTROLLER_LISTENERS &&
		(fd = inherited_get(&in->fds, "web.%zu", d.n_listeners)) >= 0)
		d.listeners[d.n_listeners++] = fd;
	return controller_main(&d);
}

int role_route(const struct role_in *in)
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
