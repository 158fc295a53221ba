/* SPDX-License-Identifier: GPL-3.0-or-later
 * status_foreign.c - what root's `durwardctl status` adds: rules of others that stand in the way.
 *
 * Owns: nothing. Thread: one. Fails: it prints nothing (`durwardctl doctor` says what could not be looked at).
 */
#include <stdio.h>
#include <unistd.h>

#include "base/diag.h"
#include "conf/settings.h"
#include "conf/settings_file.h"
#include "ctl_int.h"
#include "foreign_rules_int.h"
#include "model/settings.h"

struct words_for {
	const struct ctl *c;
	struct strbuf *json; /* NULL: printed */
};

static void tell(void *user, const struct foreign *f)
{
	struct words_for *w = user;
	struct strbuf b = {0};

	if (f->kind != FOREIGN_CONNMARK && f->kind != FOREIGN_MARK &&
		f->kind != FOREIGN_MARK_ROUTE && f->kind != FOREIGN_IN_FRONT &&
		f->kind != FOREIGN_DROP && f->kind != FOREIGN_OFFLOAD)
		return;
	if (w->json) {
		jw_open(w->json, NULL, '{');
		jw_text(w->json, "rule", f->rule);
		jw_text(w->json, "does", foreign_words(f->kind));
		jw_text(w->json, "fix", *f->fix ? f->fix : NULL);
		jw_close(w->json, '}');
		return;
	}
	ctl_safe(&b, f->rule);
	printf("%sproblem   a rule of another %s: %s", ctl_paint(w->c, "\033[31m"),
		foreign_words(f->kind), strbuf_text(&b));
	strbuf_reset(&b);
	ctl_safe(&b, *f->fix ? f->fix : "durwardctl doctor");
	printf("; fixed by: %s%s\n", strbuf_text(&b), ctl_paint(w->c, "\033[0m"));
	strbuf_fini(&b);
}

void ctl_status_foreign(const struct ctl *c, struct strbuf *json)
{
	struct words_for w = {c, json};
	struct settings s = {0};
	struct strbuf said = {0};
	uint32_t used = 0;

	if (geteuid() != 0)
		return;
	(void)settings_read(NULL, &s, &said); /* what is wrong with it, `doctor` says */
	strbuf_fini(&said);
	foreign_rules(s.mark_mask, tell, &w, &used);
}
