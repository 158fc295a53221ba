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
	bool named; /* asked by name: `name` */
	char name[NAME_TEXT];
	bool assumed_port; /* the port is the protocol's usual one */
};

/* settings: which ports are inspected and proxied; NULL = 443 and 80. false with words in why */
bool explain_question_read(const struct explain_ask *ask, const struct settings *settings,
	int64_t now_s, struct explain_question *out, char why[static 256]);

#endif
