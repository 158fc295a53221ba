/* SPDX-License-Identifier: GPL-3.0-or-later
 * rule_moves.h - which rules of one policy go on in the next under another id.
 *
 * A rule keeps its id over most edits (conf/rule_id.c). Where it does not, it is still the same rule if it says the same
 * under another name (`as` given, changed or taken away), or if it stands in the same place between rules that stayed and
 * only one of verb, WHATs and WHO is another; hours may be. What is neither is a new rule, and the old one is gone.
 *
 * Owns: *out is the caller's to free(); its texts are the images'. Thread: any; pure. Fails: 0 or -ENOMEM.
 */
#ifndef DECIDE_RULE_MOVES_H
#define DECIDE_RULE_MOVES_H

#include "decide/image.h"

struct rule_move {
	const char *was, *is; /* ids, never equal */
	uint32_t was_line, is_line;
};

/* In the order of the old policy. */
int rule_moves(const struct image *old, const struct image *now, struct rule_move **out, size_t *n);

#endif
