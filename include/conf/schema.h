/* SPDX-License-Identifier: GPL-3.0-or-later
 * schema.h - the words of the policy language as data (tbl/policy_words.h), for parser, completion and manual.
 *
 * Words are compared without case. Owns: nothing; rows are static. Thread: any; pure.
 */
#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

#include "base/slice.h"

enum word_role {
	ROLE_STATEMENT = 1 << 0,
	ROLE_VERB = 1 << 1,
	ROLE_SETTING = 1 << 2,
	ROLE_OPTION = 1 << 3,
	ROLE_WHO = 1 << 4,
	ROLE_WHAT = 1 << 5,
	ROLE_BUILTIN = 1 << 6,
	ROLE_DEVICE_PART = 1 << 7,
	ROLE_PERSON_PART = 1 << 8,
	ROLE_GROUP_PART = 1 << 9,
	ROLE_LIST_PART = 1 << 10,
	ROLE_FORMAT = 1 << 11,
	ROLE_FAIL_VALUE = 1 << 12,
	ROLE_REFUSE_VALUE = 1 << 13,
	ROLE_ALLOW_VALUE = 1 << 14,
	ROLE_BLOCK_VALUE = 1 << 15,
	ROLE_TCP_VALUE = 1 << 16,
	ROLE_NO_NAME_VALUE = 1 << 17,
	ROLES_LINE_START = ROLE_STATEMENT | ROLE_VERB | ROLE_SETTING,
	/* words that no definition may have as its name */
	ROLES_KEYWORD = ROLES_LINE_START | ROLE_OPTION | ROLE_WHO | ROLE_WHAT | ROLE_GROUP_PART,
};

enum word_id {
#define POLICY_WORD(e, w, r, s, g, h) WORD_##e,
#include "tbl/policy_words.h"
#undef POLICY_WORD
	WORDS
};

struct schema_word {
	const char *word;
	unsigned role; /* one enum word_role */
	bool later;    /* not carried out yet */
	const char *grammar, *help;
	enum word_id id;
};

extern const struct schema_word schema_words[WORDS];

/* The first row of this word with one of these roles; NULL when there is none. */
const struct schema_word *schema_find(struct slice word, unsigned roles);

/* Edit distance without case (insert, delete, replace, swap of neighbours), or `limit` + 1 when it is more. */
unsigned word_distance(struct slice a, struct slice b, unsigned limit);
/* How far a slip of the finger may be from a word of n bytes. */
unsigned word_slip(size_t n);
/* Compared without case: ASCII, Latin-1, Greek and Cyrillic letters of UTF-8. */
bool word_eq(struct slice a, struct slice b);
/* The folded form: as many bytes as `in`. */
void word_fold(struct slice in, uint8_t *out);

#endif
