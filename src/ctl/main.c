/* SPDX-License-Identifier: GPL-3.0-or-later
 * main.c - durwardctl: reads the common options and calls the verb.
 *
 * Owns: nothing. Thread: one. Fails: exit statuses of ctl/ctl.h.
 */
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A verb whose file is not there yet is NULL. */
#define VERB(fn, name, args, help)                                                                 \
	__attribute__((weak)) int ctl_##fn(struct ctl *c, int argc, char **argv);
#include "tbl/verbs.h"
#undef VERB

struct verb {
	const char *name, *args, *help;
	int (*run)(struct ctl *c, int argc, char **argv);
};

static const struct verb verbs[] = {
#define VERB(fn, name, args, help) {name, args, help, ctl_##fn},
#include "tbl/verbs.h"
#undef VERB
};
enum { VERBS = sizeof(verbs) / sizeof(verbs[0]) };

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < VERBS; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

int ctl_usage(const char *verb, const char *why)
{
	const struct verb *v = find(verb);

	fprintf(stderr, "durwardctl: %s\nusage: durwardctl [-j] [--socket PATH] %s %s\n", why, verb,
		v ? v->args : "");
	return EXIT_USAGE;
}

static int help(FILE *out, int status)
{
	fputs("usage: durwardctl [-j] [--socket PATH] VERB ...\n", out);
	for (size_t i = 0; i < VERBS; i++)
		fprintf(out, "  %-9s %-42s %s\n", verbs[i].name, verbs[i].args, verbs[i].help);
	return status;
}

/* Takes -j and --socket PATH out of argv, before or behind the verb; "--" ends options. The new argc. */
static int take_common(struct ctl *c, int argc, char **argv)
{
	int n = 0;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			while (i < argc)
				argv[n++] = argv[i++];
		} else if (strcmp(argv[i], "-j") == 0) {
			c->json = true;
		} else if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc) {
			c->socket = argv[++i];
		} else {
			argv[n++] = argv[i];
		}
	}
	argv[n] = NULL;
	return n;
}

int main(int argc, char **argv)
{
	struct ctl c = {.socket = "/run/durward/api.sock"};
	const struct verb *v;

	c.color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	argc = take_common(&c, argc, argv);
	if (argc < 2)
		return help(stderr, EXIT_USAGE);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
		return help(stdout, EXIT_OK);
	if (strcmp(argv[1], "--version") == 0) {
		puts("durwardctl " DURWARD_VERSION);
		return EXIT_OK;
	}
	v = find(argv[1]);
	if (!v || !v->run) {
		fprintf(stderr, "durwardctl: no verb \"%s\"\n", argv[1]);
		return help(stderr, EXIT_USAGE);
	}
	return v->run(&c, argc - 1, argv + 1);
}
