/* SPDX-License-Identifier: GPL-3.0-or-later
 * policy_trace.c - describes the steps of a walk in words.
 *
 * Owns: nothing; texts live until the step's call returns. Thread: any; pure. Fails: long texts are cut.
 */
#include "policy_int.h"

#include <stdio.h>

const char *trace_result_key(enum trace_result r)
{
	static const char *const keys[] = {[TRACE_WHO] = "who",
		[TRACE_NAME] = "name",
		[TRACE_SKIP_BLOCK] = "skip",
		[TRACE_NO_MATCH] = "no-match",
		[TRACE_NO_HOURS] = "no-hours",
		[TRACE_NO_ADDRESS] = "no-address",
		[TRACE_WATCH] = "watch",
		[TRACE_SETTING] = "setting",
		[TRACE_DECIDES] = "decides"};
	return keys[r];
}

void walk_say(const struct walk *w, enum trace_result r, uint32_t line, const char *text)
{
	const struct img_line *rows = image_at(w->img, SEC_LINES);
	if (w->trace)
		w->trace->step(w->trace->user, r, rows[line].line, text);
}

void walk_tell(const struct walk *w, enum trace_result r, uint32_t line)
{
	const struct img_line *rows = image_at(w->img, SEC_LINES);
	walk_say(w, r, line, image_text(w->img, rows[line].text));
}

static const char *known_by(const struct walk *w)
{
	switch ((enum who_how)w->who.how) {
	case HOW_MAC:
		return "by its MAC address";
	case HOW_ADDR:
		return "by its IP address";
	case HOW_NAMED:
		return "as asked";
	case HOW_OUTSIDE:
		return "it came in by an uplink";
	case HOW_UNKNOWN:
		break;
	}
	return "no device line owns its MAC or IP address";
}

void walk_tell_who(const struct walk *w)
{
	const char *names[32];
	char text[1024];
	if (!w->trace)
		return;
	size_t n = policy_who_names(w->img, &w->q->who, names, sizeof names / sizeof names[0]);
	int at = snprintf(text, sizeof text, "%s (%s)", n ? names[0] : "", known_by(w));
	for (size_t k = 1; k < n && at > 0 && (size_t)at < sizeof text; k++)
		at += snprintf(text + at, sizeof text - (size_t)at, ", %s", names[k]);
	walk_say(w, TRACE_WHO, 0, text);
}

void walk_tell_name(const struct walk *w)
{
	const struct ident *id = w->q->ident;
	char text[512];
	if (!w->trace)
		return;
	if (w->q->stage == STAGE_FIRST)
		snprintf(text, sizeof text, "no name is read from this kind of flow");
	else if (w->q->member)
		snprintf(text, sizeof text, "a name of %s that no other list, app or rule has",
			image_text(w->img,
				IMAGE_ROWS(w->img, TERMS, struct img_term)[w->q->member - 1].word));
	else if (w->named)
		snprintf(text, sizeof text, "%s (%s)", id->name, ident_source_key(id->source));
	else if (w->kind == IDENT_OPAQUE && id->name_len > 0)
		snprintf(
			text, sizeof text, "the name is encrypted; the outer name is %s", id->name);
	else if (id->anomaly != ANOMALY_NOTHING)
		snprintf(text, sizeof text, "no readable name: %s (%s)", ident_kind_words(w->kind),
			anomaly_text(id->anomaly));
	else
		snprintf(text, sizeof text, "no readable name: %s", ident_kind_words(w->kind));
	walk_say(w, TRACE_NAME, 0, text);
}
