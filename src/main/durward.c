/* SPDX-License-Identifier: GPL-3.0-or-later
 * durward.c - the daemon: one program, executed again under another first word for each process.
 *
 * Owns: nothing. Thread: one. Fails: exit status 0 ended in order, 1 failed, 2 usage.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/settings_file.h"
#include "main_int.h"
#include "supervisor/boot_guard.h"
#include "supervisor/failsafe.h"
#include "supervisor/supervisor.h"

static int role_supervisor(const struct role_in *in)
{
	return supervisor_main(&in->settings, in->guarded);
}

static int role_boot_guard(const struct role_in *in)
{
	return boot_guard_main(&in->settings);
}

static int role_failsafe(const struct role_in *in)
{
	int pidfd = inherited_get(&in->fds, "supervisor"),
	    pipe_fd = inherited_get(&in->fds, "pipe");

	return pidfd < 0 || pipe_fd < 0 ? 2 : failsafe_main(&in->settings, pidfd, pipe_fd);
}

/* Where a role has its settings from, and what it does without. */
enum source {
	FROM_FILE, /* it does not start */
	FROM_SUPERVISOR, /* sealed, by the descriptor "settings": nobody but the supervisor reads the file */
	FROM_EITHER, /* the file, or what is right in it: a refusal that is due must not wait for a typing error */
};

static const struct role {
	const char *word, *help;
	int (*run)(const struct role_in *in);
	enum source source;
} roles[] = {
	{"supervisor", "start everything and stay in the foreground", role_supervisor, FROM_FILE},
	{"dataplane", NULL, role_dataplane, FROM_SUPERVISOR},
	{"controller", NULL, role_controller, FROM_SUPERVISOR},
	{"failsafe", NULL, role_failsafe, FROM_SUPERVISOR},
	{"boot-guard",
		"at boot: with `fail closed`, refuse all forwarding until the supervisor runs",
		role_boot_guard, FROM_EITHER},
	{"route", "up|down: the policy route of diverted packets", role_route, FROM_FILE},
};

static int usage(FILE *to)
{
	fputs("usage: durward supervisor [--settings FILE] [--guarded]\n", to);
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
		if (roles[i].help)
			fprintf(to, "  %-8s %s\n", roles[i].word, roles[i].help);
	fputs("  --settings FILE   default " SETTINGS_DEFAULT_PATH
	      "\n  --guarded         supervisor: an orderly end in `fail closed` leaves the rules "
	      "up\n  "
	      "--version\nSee durward(8), durwardctl(8).\n",
		to);
	return 2;
}

static bool read_file(struct role_in *in, enum source source)
{
	struct strbuf said = {0};
	int rc = settings_read(in->settings_path, &in->settings, &said);

	if (said.n)
		fprintf(stderr, "durward: %s", strbuf_text(&said));
	if (rc != 0 && source == FROM_EITHER)
		fputs("durward: what is right in the settings, and the defaults, must do\n",
			stderr);
	strbuf_fini(&said);
	return rc == 0 || source == FROM_EITHER;
}

static bool get_settings(struct role_in *in, enum source source)
{
	int fd = inherited_get(&in->fds, "settings"), rc;

	if (source != FROM_SUPERVISOR)
		return read_file(in, source);
	rc = fd < 0 ? -ENOENT : settings_unseal(fd, &in->settings);
	if (fd >= 0)
		close(fd);
	if (rc != 0)
		fprintf(stderr, "durward: only the supervisor starts this: no settings (%s)\n",
			strerror(-rc));
	return rc == 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"settings", required_argument, NULL, 's'},
		{"fd", required_argument, NULL, 'f'}, {"guarded", no_argument, NULL, 'g'},
		{"version", no_argument, NULL, 'V'}, {"help", no_argument, NULL, 'h'}, {0}};
	static struct role_in in; /* large: fds */
	const char *word = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
	int o;

	if (word) {
		argv++;
		argc--;
	}
	while ((o = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (o == 's') {
			in.settings_path = optarg;
		} else if (o == 'f') {
			if (!inherited_read(&in.fds, optarg))
				return usage(stderr);
		} else if (o == 'g') {
			in.guarded = true;
		} else if (o == 'V') {
			puts("durward " DURWARD_VERSION);
			return 0;
		} else {
			return o == 'h' ? (usage(stdout), 0) : usage(stderr);
		}
	}
	if (!word)
		return usage(stderr);
	in.argc = argc - optind;
	in.argv = argv + optind;
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
		if (strcmp(roles[i].word, word) != 0)
			continue;
		if (!get_settings(&in, roles[i].source))
			return 1;
		log_init(roles[i].word, (enum log_level)in.settings.log_level);
		log_never_wait(); /* packets, heartbeats and repairs do not stand still for a reader of the log */
		return roles[i].run(&in);
	}
	fprintf(stderr, "durward: no role \"%s\"\n", word);
	return usage(stderr);
}
