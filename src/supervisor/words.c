/* SPDX-License-Identifier: GPL-3.0-or-later
 * words.c - what the supervisor decided, in the words of the log.
 *
 * Owns: nothing. Thread: the supervisor's. Fails: never.
 */
#include "base/log.h"
#include "supervisor_int.h"

static void say_fixed(struct supervisor *su, const char *what, const struct supervisor_effect *f)
{
	if (su->st.plan.storm)
		problem_raise(
			su, PROBLEM_RULES_TAKEN, "%s, %u times in the last minute", what, f->m);
	else
		log_warn("somebody changed our %s: put back (%u so far)", what, f->n);
}

static bool say_child(struct supervisor *su, const struct supervisor_effect *f)
{
	const char *role = su->child[f->child].role;

	switch (f->say) {
	case SAY_HANGS_SILENT:
		log_error("the %s has said nothing for %u ms: killed", role, f->n);
		return true;
	case SAY_HANGS_WORKER:
		log_error("worker %u of the dataplane has not answered its queue for %u ms: the "
			  "dataplane is "
			  "killed",
			f->m, f->n);
		return true;
	case SAY_LATE:
		log_warn("the %s did not end in %u ms: killed", role, f->n);
		return true;
	case SAY_STUCK:
		log_error("the %s was killed and does not end: it is left alone", role);
		return true;
	case SAY_NO_READY:
		log_error("not ready after %u seconds", f->n);
		return true;
	case SAY_NO_POLICY:
		log_error("no policy can be put in force: fix the file above, then start again");
		return true;
	case SAY_POLICY:
		log_note("policy revision %u: fail %s%s", su->st.revision,
			su->st.fail_open ? "open" : "closed",
			su->st.judges_all ? "" : ", no rule refuses flows without a name");
		return true;
	default:
		return false;
	}
}

static bool say_end(const struct supervisor_effect *f)
{
	switch (f->say) {
	case SAY_ASK_LATE:
		log_warn("what `fail` says could not be read in time: taken as closed");
		return true;
	case SAY_FIRST_UP:
		log_info("fail closed: the rules are up before anything else");
		return true;
	case SAY_REFUSES:
		log_warn("fail closed: forwarding is refused until durward runs again (or: "
			 "durward-rules down)");
		return true;
	case SAY_STAYS_REFUSED:
		log_warn("fail closed: forwarding stays refused until durward runs again (or: "
			 "durward-rules down)");
		return true;
	case SAY_OPEN:
		log_warn("fail open: rules removed, traffic passes unfiltered");
		return true;
	case SAY_STAY:
		log_note("fail closed: the rules stay, nothing new passes, until the boot guard "
			 "goes");
		return true;
	case SAY_HOLD_FAILED:
		log_warn("connections that begin before the next start may be refused");
		return true;
	default:
		return false;
	}
}

static void say_rules(struct supervisor *su, const struct supervisor_effect *f)
{
	switch (f->say) {
	case SAY_RUN_STUCK:
		log_error("durward-rules was killed and does not end: it is left alone");
		break;
	case SAY_UNBOUND:
		log_warn("no dataplane for a second and fail open: the queues are let go");
		break;
	case SAY_NO_RULES:
		log_error("the rules could not be put in force");
		break;
	case SAY_RULES_OLD:
		log_error("the rules could not be changed; what stands stays in force, and it is "
			  "tried again");
		break;
	case SAY_FIXED_RULES:
		say_fixed(su, "packet rules", f);
		break;
	case SAY_FIXED_ROUTE:
		say_fixed(su, "policy route", f);
		break;
	case SAY_FIX_FAILED:
		log_error("somebody changed our packet rules, and they could not be put back");
		break;
	case SAY_REFUSED_BY:
		log_warn("somebody put a refusal of all forwarding over our rules (a second copy "
			 "that failed, or `durward-rules failed` by hand)");
		break;
	case SAY_REFUSAL:
		log_warn("fail closed: forwarding is refused until the rules can be put back");
		break;
	case SAY_BY_HAND:
		log_warn("durward-rules took the rules away: they stay away until `durward-rules "
			 "up` or the next start");
		break;
	case SAY_BACK:
		log_note("the rules are up again");
		break;
	default:
		break;
	}
}

void supervisor_say(struct supervisor *su, const struct supervisor_effect *f)
{
	if (!say_child(su, f) && !say_end(f))
		say_rules(su, f);
}
