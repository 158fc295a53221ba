/* SPDX-License-Identifier: GPL-3.0-or-later
 * ctl.h - what every verb of durwardctl gets, and the way to the daemon.
 *
 * One file a verb: src/ctl/VERB.c with ctl_VERB() (tbl/verbs.h). Exit statuses: enum ctl_exit.
 * Thread: one. Owns: each verb what it opens.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>

#include "base/strbuf.h"

enum ctl_exit {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_UNREACHABLE = 3,
	EXIT_BLOCKED = 4
};

struct ctl {
	bool json;	    /* -j */
	bool color;	    /* standard output is a terminal and NO_COLOR is not set */
	const char *socket; /* of the API */
};

#define VERB(fn, name, args, help) int ctl_##fn(struct ctl *c, int argc, char **argv);
#include "tbl/verbs.h"
#undef VERB

int ctl_usage(
	const char *verb, const char *why); /* says why and the verb's line; returns EXIT_USAGE */

/* --- the API over the Unix socket (src/ctl/api.c) --- */
struct api_answer {
	long status;	    /* HTTP; 0 = the daemon was not reached */
	struct strbuf body; /* JSON */
	char failure[256];  /* words when status is 0 */
};
/* path: "/api/v1/status". body NULL = none, else JSON. 0, or -errno when not reached. */
int api_call(struct ctl *c, const char *method, const char *path, const char *body,
	struct api_answer *out);
void api_answer_fini(struct api_answer *a);
/* Calls line() for each line of a stream until it returns false or the daemon goes away. */
int api_stream(
	struct ctl *c, const char *path, bool (*line)(void *user, struct slice text), void *user);
/* EXIT_OK for 2xx; else prints the problem (with -j: the JSON) and returns EXIT_FAILED or EXIT_UNREACHABLE. */
int api_report(struct ctl *c, const struct api_answer *a);
void api_escape(struct strbuf *b, const char *text); /* percent-encoded for a query */

/* explain through the daemon (src/ctl/explain_daemon.c): `query` is the query string of GET /api/v1/explain, encoded.
 * Fills *out with the answer's JSON. */
int explain_daemon(struct ctl *c, const char *query, struct api_answer *out);

#endif
