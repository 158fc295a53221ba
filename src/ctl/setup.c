/* SPDX-License-Identifier: GPL-3.0-or-later
 * setup.c - `durwardctl setup`, `passwd` and `set-aside`: the first login, a forgotten password, a damaged database. Root
 * only.
 *
 * Standard output gets the token and nothing else, so that a script can read it. The password is read from the terminal without
 * echo, or as one line from standard input; never from the command line, where `ps` shows it.
 * Owns: nothing. Thread: one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "ctl_int.h"

int ctl_setup(struct ctl *c, int argc, char **argv)
{
	struct api_answer a;
	struct json *j;
	int status;

	if (argc > 1)
		return ctl_usage(argv[0], "it takes no argument");
	api_call(c, "POST", "/api/v1/setup/token", "{}", &a);
	status = api_report(c, &a);
	if (status == EXIT_OK && c->json) {
		puts(strbuf_text(&a.body));
	} else if (status == EXIT_OK) {
		j = jr_parse(slice_of(a.body.s, a.body.n));
		printf("%s\n", jr_get_text(j, "token"));
		fprintf(stderr,
			"Enter it on the web page within 15 minutes to set the password%s.\n",
			jr_true(jr_get(j, "password_set")) ? " anew" : "");
		jr_free(j);
	}
	api_answer_fini(&a);
	return status;
}

static bool read_line(const char *prompt, char out[static 600])
{
	bool terminal = isatty(STDIN_FILENO);
	struct termios before, quiet;

	if (terminal) {
		tcgetattr(STDIN_FILENO, &before);
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
		fputs(prompt, stderr);
	}
	bool got = fgets(out, 600, stdin) != NULL;

	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputc('\n', stderr);
	}
	if (got)
		out[strcspn(out, "\r\n")] = 0;
	return got;
}

static int send_password(struct ctl *c, const char *password)
{
	struct strbuf body = {0};
	struct api_answer a;
	int status;

	jw_open(&body, NULL, '{');
	jw_text(&body, "password", password);
	jw_close(&body, '}');
	api_call(c, "PUT", "/api/v1/password", strbuf_text(&body), &a);
	status = api_report(c, &a);
	if (status == EXIT_OK && !c->json)
		puts("The password is set; every session has ended.");
	api_answer_fini(&a);
	explicit_bzero(body.s, body.n);
	strbuf_fini(&body);
	return status;
}

int ctl_passwd(struct ctl *c, int argc, char **argv)
{
	char first[600] = "", again[600] = "";
	int status = EXIT_FAILED;

	if (argc > 1)
		return ctl_usage(argv[0], "the password is read from standard input");
	if (!read_line("New password: ", first))
		fputs("durwardctl passwd: no password came\n", stderr);
	else if (isatty(STDIN_FILENO) &&
		 (!read_line("Again: ", again) || strcmp(first, again) != 0))
		fputs("durwardctl passwd: the two differ; nothing was changed\n", stderr);
	else
		status = send_password(c, first);
	explicit_bzero(first, sizeof first);
	explicit_bzero(again, sizeof again);
	return status;
}

int ctl_set_aside(struct ctl *c, int argc, char **argv)
{
	struct api_answer a;
	int status;

	if (argc > 1)
		return ctl_usage(argv[0], "it takes no argument");
	api_call(c, "POST", "/api/v1/database/set-aside", "{}", &a);
	status = api_report(c, &a);
	if (status == EXIT_OK && !c->json)
		puts("The damaged database lies beside the new one as durward.db.damaged-TIME. "
		     "Now: durwardctl passwd");
	api_answer_fini(&a);
	return status;
}
