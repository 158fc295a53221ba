/* SPDX-License-Identifier: GPL-3.0-or-later
 * foreign_rules_int.h - rules of others on this machine, for `doctor` and `status`. Private to ctl/.
 */
#ifndef CTL_FOREIGN_RULES_INT_H
#define CTL_FOREIGN_RULES_INT_H

#include "netsetup/foreign.h"

/* Asks every packet filter tool of this machine (doctor_rules.c). ours: mark-mask. *used: mark bits they name, added to.
 * False: a tool is missing or failed, so not all was seen. */
bool foreign_rules(uint32_t ours, void (*tell)(void *user, const struct foreign *f), void *user,
	uint32_t *used);
const char *foreign_words(enum foreign_kind kind); /* what such a rule does, without a full stop */

#endif
