/* SPDX-License-Identifier: GPL-3.0-or-later
 * durward.c - the daemon's faces: one program, executed again under another first word for each process.
 *
 * Owns: nothing. Thread: one. Fails: exit status 0 ended in order, 1 failed, 2 usage.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/diag.h"
#include "base/file.h"
#include "base/log.h"
#include "conf/settings.h"
#include "main_int.h"
#include "super/guard.h"
#include "super/rescue.h"
#include "super/super.h"

#define DEFAULT_SETTINGS "/etc/durward/settings"

static int face_super(const struct face_in *in)
{
	return super_main(in->settings_path, &in->settings, in->guarded);
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

static const struct face {
	const char *word, *help;
	int (*run)(const struct face_in *in);
} faces[] = {
	{"super", "start everything and stay in the foreground", face_super},
	{"gate", NULL, face_gate},
	{"desk", NULL, face_desk},
	{"rescue", NULL, face_rescue},
	{"guard", "at boot: with `fail closed`, refuse all forwarding until the super runs",
		face_guard},
	{"route", "up|down: the policy route of diverted packets (durward-rules calls it)",
		face_route},
};

static int usage(FILE *to)
{
	fputs("usage: durward super [--settings FILE] [--guarded]\n", to);
	for (size_t i = 0; i < sizeof faces / sizeof *faces; i++)
		if (faces[i].help)
			fprintf(to, "  %-8s %s\n", faces[i].word, faces[i].help);
	fputs("  --settings FILE   default " DEFAULT_SETTINGS
	      "\n  --guarded         super: an orderly end in `fail closed` leaves the rules up\n  "
	      "--version\nSee durward(8), durwardctl(8).\n",
		to);
	return 2;
}

/* A missing default file means the defaults; a missing named one is a mistake. */
static bool read_settings(struct face_in *in, bool named)
{
	struct strbuf text = {0}, out = {0};
	struct diag d = {0};
	bool ok;
	int rc = file_read(in->settings_path, 1 << 20, &text);

	if (rc != 0 && (named || rc != -ENOENT)) {
		fprintf(stderr, "durward: cannot read %s: %s\n", in->settings_path, strerror(-rc));
		return false;
	}
	ok = settings_parse(slice_str(strbuf_text(&text)), &in->settings, &d);
	diag_print(&d, in->settings_path, &out);
	fputs(strbuf_text(&out), stderr);
	diag_fini(&d);
	strbuf_fini(&text);
	strbuf_fini(&out);
	return ok;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"settings", required_argument, NULL, 's'},
		{"fd", required_argument, NULL, 'f'}, {"guarded", no_argument, NULL, 'g'},
		{"version", no_argument, NULL, 'V'}, {"help", no_argument, NULL, 'h'}, {0}};
	static struct face_in in; /* large: hands */
	const char *word = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
	bool named = false;
	int o;

	in.settings_path = DEFAULT_SETTINGS;
	if (word) {
		argv++;
		argc--;
	}
	while ((o = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (o == 's') {
			in.settings_path = optarg;
			named = true;
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
		if (!read_settings(&in, named))
			return 1;
		log_init(faces[i].word, (enum log_level)in.settings.log_level);
		return faces[i].run(&in);
	}
	fprintf(stderr, "durward: no face \"%s\"\n", word);
	return usage(stderr);
}
