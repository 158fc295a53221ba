/* SPDX-License-Identifier: GPL-3.0-or-later
 * step_int.h - what the files of supervisor_step() share: step.c, step_rules.c, step_ends.c.
 */
#ifndef STEP_INT_H
#define STEP_INT_H

#include "supervisor/step.h"

struct step { /* of one event */
	struct supervisor_state *st;
	const struct supervisor_event *e;
	struct supervisor_effects *out;
};

/* step.c */
struct supervisor_effect *step_add(
	struct step *s, enum supervisor_do what); /* for its parameters */
void step_say(struct step *s, enum supervisor_say say, uint32_t n, uint32_t m);
void step_say_of(struct step *s, enum supervisor_say say, enum supervisor_kind child, uint32_t n);
void step_spawn(struct step *s, enum supervisor_kind child);
void step_kill(struct step *s, enum supervisor_kind child);
void step_ready(struct step *s); /* the first time, if everything is there */

/* step_rules.c: the script, and the rules while we run */
void step_run(struct step *s, enum rules_verb verb);
void step_run_begun(struct step *s);
void step_run_ended(struct step *s, int status);
void step_run_late(struct step *s); /* ON_TIME */
void step_rules_next(struct step *s);
void step_rules_wish(struct step *s); /* the rules of now, as soon as nothing else runs */
void step_route(struct step *s);
void step_route_fixed(struct step *s);

/* step_ends.c: the phases before and after RUNNING */
void step_start(struct step *s);	   /* ON_BEGIN, ON_LOCK, ON_FAIL_SAID, ON_OPENED */
void step_end(struct step *s, int status); /* wanted from now on; the first one's status counts */
void step_phase_ended(struct step *s, int status); /* the script's run that this phase waited for */
void step_phase_late(struct step *s);		   /* ON_TIME */
void step_gone(struct step *s);			   /* ON_ENDED while ending */

#endif
