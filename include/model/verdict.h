/* SPDX-License-Identifier: GPL-3.0-or-later
 * verdict.h - what policy says about one flow, and which line said it.
 *
 * Owns: nothing; a plain value. Lines refer to the policy revision in `revision`; texts are looked up in that image
 * (decide/image.h). Thread: any.
 */
#ifndef MODEL_VERDICT_H
#define MODEL_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/layout.h"

enum action { ACTION_ALLOW, ACTION_BLOCK, ACTION_WAIT /* the name is needed first */ };
enum refuse { REFUSE_DEFAULT, REFUSE_RESET, REFUSE_ALERT, REFUSE_DROP, REFUSE_PAGE };
enum decided_by {
	BY_RULE,      /* an allow or block line */
	BY_SETTING,   /* no-name, hidden-names, evasive */
	BY_OTHERWISE, /* the last word */
	BY_FAIL,      /* no policy, mid-stream, overload: what `fail` says */
	BY_SELF,      /* the gateway's own needs */
	BY_HAND,      /* somebody cut it while it went on (durwardctl flows --cut) */
};
enum { NO_LIST = 0xffff, NO_DEVICE = 0xffff };

struct verdict {
	uint8_t action; /* enum action */
	uint8_t refuse; /* enum refuse, for BLOCK */
	uint8_t by;	/* enum decided_by */
	bool name_matters; /* BLOCK at STAGE_FIRST: a rule by name above the deciding one could allow it */
	bool tcp_instead;   /* refused as QUIC so that TCP is tried (no-name tcp) */
	uint16_t device;    /* index in the image, NO_DEVICE = unknown device */
	uint16_t list;	    /* index in the image, NO_LIST = none */
	uint32_t list_line; /* line in that list */
	/* Deciding line of that revision's file, 0 = none (an unstated default). The rule itself is image_line_id() of it. */
	uint32_t rule_line;
	uint32_t watch_line;  /* first matching `watch` line before it, 0 = none */
	uint8_t watch_action; /* enum action of that line */
	uint32_t revision;    /* of the policy image */
	WIDE uint64_t
		until_s; /* UTC seconds when the hours that matched end; 0 = no hours on the rule */
};
LAYOUT_AT(struct verdict, device, 6);
LAYOUT_AT(struct verdict, until_s, 32);
LAYOUT(struct verdict, 40);

const char *action_key(enum action a); /* "allow" "block" "wait" */
const char *refuse_key(enum refuse r); /* "default" "reset" "alert" "drop" "page" */
const char *decided_by_key(
	enum decided_by b); /* "rule" "setting" "otherwise" "fail" "self" "hand" */

#endif
