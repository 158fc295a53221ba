/* SPDX-License-Identifier: GPL-3.0-or-later
 * terms.c - compiles the words of a policy that stand for names, so that explain can be asked about them.
 *
 * The image holds the names of apps and built-in sets as text, since they are few and the table of names holds hashes only; of
 * a list it holds only the number of names.
 *
 * Owns: nothing. Thread: any; pure. Fails: through the build.
 */
#include <errno.h>
#include <strings.h>

#include "base/strbuf.h"
#include "compile_int.h"

/* " =a =b": the first blank is left out when it is used */
static const char ech_names[] =
#define ECH_PUBLIC_NAME(n) " =" n
#include "tbl/sets.h"
#undef ECH_PUBLIC_NAME
	;
enum {
	ECH_NAMES = 0
#define ECH_PUBLIC_NAME(n) +1
#include "tbl/sets.h"
#undef ECH_PUBLIC_NAME
};
static const struct {
	const char *word, *names;
	uint32_t count;
} builtin[BUILTIN_SETS] = {
	[SET_ECH_PUBLIC_NAMES] = {"ech-public-names", ech_names + 1, ECH_NAMES},
};

static void add_app(struct build *b, struct img_term *to, const struct conf_app *app)
{
	static const char *const scopes[] = {
		[SCOPE_BELOW_AND_SELF] = "", [SCOPE_SELF] = "=", [SCOPE_BELOW] = "*."};
	struct strbuf text = {0};

	for (size_t k = 0; k < app->n_names; k++)
		strbuf_fmt(&text, "%s%s%s", k ? " " : "", scopes[app->names[k].scope],
			app->names[k].name);
	if (text.failed)
		build_fail(b, -ENOMEM);
	to->word = build_text(b, app->name);
	to->kind = WHAT_APP;
	to->count = (uint32_t)app->n_names;
	to->names = build_text(b, strbuf_text(&text));
	strbuf_fini(&text);
}

void compile_terms(struct build *b)
{
	const struct conf *c = b->in->conf;
	struct img_term *to = build_add(b, SEC_TERMS, c->n_lists + c->n_apps + BUILTIN_SETS);

	for (size_t k = 0; to && k < c->n_lists; k++, to++) {
		to->word = build_text(b, c->lists[k].name);
		to->kind = WHAT_LIST;
		to->count = (uint32_t)b->in->lists[k].n;
	}
	for (size_t k = 0; to && k < c->n_apps; k++, to++)
		add_app(b, to, &c->apps[k]);
	for (size_t k = 0; to && k < BUILTIN_SETS; k++, to++) {
		to->word = build_text(b, builtin[k].word);
		to->kind = WHAT_SET;
		to->count = builtin[k].count;
		to->names = build_text(b, builtin[k].names);
	}
}

bool policy_find_term(const struct image *img, struct slice word, struct policy_term *out)
{
	const struct img_term *row = image_at(img, SEC_TERMS);

	for (uint32_t k = 0; k < image_count(img, SEC_TERMS); k++) {
		const char *text = image_text(img, row[k].word);

		if (strlen(text) != word.n || strncasecmp(text, (const char *)word.p, word.n) != 0)
			continue;
		*out = (struct policy_term){text, image_text(img, row[k].names),
			(enum what_kind)row[k].kind, k, row[k].count};
		return true;
	}
	return false;
}
