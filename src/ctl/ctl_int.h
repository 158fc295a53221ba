/* SPDX-License-Identifier: GPL-3.0-or-later
 * ctl_int.h - what the verbs that ask the daemon share. Private to ctl/.
 */
#ifndef CTL_CTL_INT_H
#define CTL_CTL_INT_H

#include "ctl/ctl.h"
#include "load/policy_load.h"
#include "model/settings.h"
#include "show/json.h"

enum { GOOD_DIR = 600 };

/* Text of strangers made fit for a terminal: controls become '?', UTF-8 stays. */
void ctl_safe(struct strbuf *b, const char *text);
/* ISO 8601 as local time: "21:04:33" of today, else "11-23 21:04:33". */
void ctl_add_time(struct strbuf *b, const char *iso);
/* Prints one decision as a line: time, verdict, who, name, where to, by which line; with -j its JSON. */
void ctl_print_row(const struct ctl *c, const struct json *row);
/* By the settings: where the daemon's last good copies of lists lie (they are looked at, not used), and, where in->path is
 * NULL, the policy file. *in points into *places (src/ctl/good_lists.c). */
struct ctl_places {
	const char *settings; /* the caller's: the file to read them from; NULL = the default one */
	char good[GOOD_DIR], image[GOOD_DIR], policy[SETTING_TEXT];
};
void ctl_good_lists(struct policy_load_in *in, struct ctl_places *places);
/* FILTER words -> query string ("verdict=block&who=phone"). False: said why; the caller returns EXIT_USAGE. */
bool ctl_filter(int argc, char **argv, struct strbuf *query);
/* GET; prints the problem when it fails. EXIT_OK with *out parsed, else an exit status. */
int ctl_get(struct ctl *c, const char *path, struct json **out);
/* Rules of others that stand in the way, printed as problems, or as objects of an array into json; root only. */
void ctl_status_foreign(const struct ctl *c, struct strbuf *json);
const char *ctl_paint(const struct ctl *c, const char *code); /* an escape sequence, or "" */

#endif
