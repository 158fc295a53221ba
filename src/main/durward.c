/* SPDX-License-Identifier: GPL-3.0-or-later
 * durward.c - the daemon's faces: one program, executed again under another first word for each process.
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
#include "super/guard.h"
#include "super/rescue.h"
#include "super/super.h"

static int face_super(const struct face_in *in)
{
	return super_main(&in->settings, in->guarded);
}

static int face_guard(const struct face_in *in)
{
	return guard_main(&in->settings);
}

static int face_rescue(const struct face_in *in)
{
	int pidfd = handoff_get(&in->hands, "super"), pipe_fd = handoff_get(&in->hands, "pipe");

	return pidfd < 0 || pipe_fd < 0 ? 2 : rescue_main(&in->settings, pidfd, pipe_fd);
}

/* Where a face has its settings from, and what it does without. */
enum source {
	FROM_FILE,  /* it does not start */
	FROM_SUPER, /* sealed, by the descriptor "settings": nobody but the super reads the file */
	FROM_EITHER, /* the file, or what is right in it: a refusal that is due must not wait for a typing mistake */
};

static const struct face {
	const char *word, *help;
	int (*run)(const struct face_in *in);
	enum source source;
} faces[] = {
	{"super", "start everything and stay in the foreground", face_super, FROM_FILE},
	{"gate", NULL, face_gate, FROM_SUPER},
	{"desk", NULL, face_desk, FROM_SUPER},
	{"rescue", NULL, face_rescue, FROM_SUPER},
	{"guard", "at boot: with `fail closed`, refuse all forwarding until the super runs",
		face_guard, FROM_EITHER},
	{"route", "up|down: the policy route of diverted packets", face_route, FROM_FILE},
};

static int usage(FILE *to)
{
	fputs("usage: durward super [--settings FILE] [--guarded]\n", to);
	for (size_t i = 0; i < sizeof faces / sizeof *faces; i++)
		if (faces[i].help)
			fprintf(to, "  %-8s %s\n", faces[i].word, faces[i].help);
	fputs("  --settings FILE   default " SETTINGS_DEFAULT_PATH
	      "\n  --guarded         super: an orderly end in `fail closed` leaves the rules up\n  "
	      "--version\nSee durward(8), durwardctl(8).\n",
		to);
	return 2;
}

static bool read_file(struct face_in *in, enum source source)
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

static bool get_settings(struct face_in *in, enum source source)
{
	int fd = handoff_get(&in->hands, "settings"), rc;

	if (source != FROM_SUPER)
		return read_file(in, source);
	rc = fd < 0 ? -ENOENT : settings_unseal(fd, &in->settings);
	if (fd >= 0)
		close(fd);
	if (rc != 0)
		fprintf(stderr, "durward: only the super starts this: no settings (%s)\n",
			strerror(-rc));
	return rc == 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"settings", required_argument, NULL, 's'},
		{"fd", required_argument, NULL, 'f'}, {"guarded", no_argument, NULL, 'g'},
		{"version", no_argument, NULL, 'V'}, {"help", no_argument, NULL, 'h'}, {0}};
	static struct face_in in; /* large: hands */
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
			if (!handoff_read(&in.hands, optarg))
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
	for (size_t i = 0; i < sizeof faces / sizeof *faces; i++) {
		if (strcmp(faces[i].word, word) != 0)
			continue;
		if (!get_settings(&in, faces[i].source))
			return 1;
		log_init(faces[i].word, (enum log_level)in.settings.log_level);
		return faces[i].run(&in);
	}
	fprintf(stderr, "durward: no face \"%s\"\n", word);
	return usage(stderr);
}
