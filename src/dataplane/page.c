/* SPDX-License-Identifier: GPL-3.0-or-later
 * page.c - the block page of a decision, the same on both paths.
 *
 * Owns: nothing. Thread: its worker's. Fails: as strbuf does.
 */
#include "dataplane/page.h"

#include <time.h>

#include "act/refuse_page.h"
#include "model/reference.h"

/* In the policy's own time zone. */
static void until_text(const struct image *image, uint64_t until_s, char out[static 32])
{
	time_t t = (time_t)until_s;
	struct tm tm;

	out[0] = '\0';
	if (!until_s || !image)
		return;
	t += image_utc_offset(image, (int64_t)until_s);
	if (gmtime_r(&t, &tm))
		strftime(out, 32, "%A %H:%M", &tm);
}

void dataplane_page(
	const struct dataplane_worker *w, const struct dataplane_page *p, struct strbuf *out)
{
	const struct image *image = w->image;
	const char *who[1] = {""};
	char until[32], reference[REFERENCE_TEXT];
	struct refuse_page page = {
		.host = slice_of(p->ident->name, p->ident->name_len), .head = p->head};

	until_text(image, p->verdict->until_s, until);
	/* the turn's time is the recorded decision's */
	page.reference = slice_str(reference_write(w->wall_ms, p->flow->sport, reference));
	page.until = slice_str(until);
	if (image) {
		page.because = slice_str(image_line_because(image, p->verdict->rule_line));
		if (p->verdict->list != NO_LIST)
			page.list = slice_str(image_list_name(image, p->verdict->list));
		if (policy_who_names(image, p->who, who, 1))
			page.who = slice_str(who[0]);
	}
	refuse_page_blocked(&page, out);
}
