/* SPDX-License-Identifier: GPL-3.0-or-later
 * explain_int.h - a question of explain after reading.
 *
 * Owns: nothing. Thread: any.
 */
#ifndef SHOW_EXPLAIN_INT_H
#define SHOW_EXPLAIN_INT_H

#include "show/explain.h"

struct explain_question {
	struct policy_query query; /* ident points to `ident`; who is each subject's */
	struct ident ident;
	const struct policy_live *live;
	bool named; /* asked by name: `name` */
	char name[NAME_TEXT];
	bool assumed_port; /* the port is the protocol's usual one */
};

/* One answer: the verdict and its walk, as an array of JSON. */
struct explain_walk {
	struct verdict v;
	struct strbuf steps;
};
void explain_walk(
	const struct image *img, const struct explain_question *q, struct explain_walk *out);
void explain_walk_fini(struct explain_walk *w);
/* Members of an object of JSON. */
void explain_put_rule(struct strbuf *b, const struct image *img, const struct verdict *v);
void explain_put_answer(struct strbuf *b, const struct image *img, const struct explain_question *q,
	const struct explain_walk *w);

/* explain_term.c: asked for a list, an app or a set by its word. true: blocked for some of its names */
bool explain_term_answer(struct strbuf *b, const struct image *img, struct explain_question *q,
	const struct policy_term *term);

/* settings: which ports are inspected and proxied; NULL = 443 and 80. false with words in why */
bool explain_question_read(const struct explain_ask *ask, const struct settings *settings,
	int64_t now_s, struct explain_question *out, char why[static 256]);

#endif
