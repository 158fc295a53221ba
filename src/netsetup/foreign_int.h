/* SPDX-License-Identifier: GPL-3.0-or-later
 * foreign_int.h - words of a rule, and marks, as foreign.c and foreign_nft.c read them. Private to netsetup/.
 */
#ifndef NETSETUP_FOREIGN_INT_H
#define NETSETUP_FOREIGN_INT_H

#include "base/strbuf.h"
#include "netsetup/foreign.h"

enum { FOREIGN_WORDS = 256 };

struct words {
	struct slice w[FOREIGN_WORDS];
	size_t n;
};

bool words_split(
	struct words *ws, struct slice line); /* quoted text is one word; false: too many */
bool word_is(const struct words *ws, size_t i, const char *text);
size_t words_find(const struct words *ws, const char *text); /* its place; ws->n: not there */
void words_add(struct strbuf *b, const struct words *ws, size_t from, size_t to); /* " a b c" */
bool mark_read(struct slice w, uint32_t *out); /* decimal or 0x..., wholly */
struct slice line_next(
	struct slice *text); /* the next line, cut off; n 0 with text->n 0: the end */
void foreign_tell(struct foreign_in *in, enum foreign_kind kind, struct strbuf *rule,
	struct strbuf *fix); /* resets both */

#endif
