/* SPDX-License-Identifier: GPL-3.0-or-later
 * force.c - puts the rules in force and takes them out: parameters, policy route, durward-rules, queues.
 *
 * Owns: nothing. Thread: the supervisor's. Fails: -errno or the script's failure as -EIO; said in the log.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/strbuf.h"
#include "intercept/nfq.h"
#include "model/mark.h"
#include "netsetup/route.h"
#include "netsetup/rules.h"
#include "supervisor/boot_guard.h"
#include "supervisor_int.h"

void supervisor_script(const struct settings *s, char *out, size_t size)
{
	if (s->rules_script[0])
		snprintf(out, size, "%s", s->rules_script);
	else
		rules_script_installed(out, size);
}

static int ask(struct supervisor *su, enum rules_verb verb, struct rules_result *result)
{
	char script[SETTING_TEXT], params[SETTING_TEXT + 8];

	supervisor_script(su->s, script, sizeof script);
	snprintf(params, sizeof params, "%s/rules", su->s->run_dir);
	return rules_run(script, verb, params, RULES_SCRIPT_MS, result);
}

static void say_failure(struct supervisor *su, int rc, const struct rules_result *result)
{
	char script[SETTING_TEXT];
	struct strbuf b = {0};

	supervisor_script(su->s, script, sizeof script);
	strbuf_escaped(&b, slice_str(result->tail));
	if (rc != 0)
		log_error("cannot run %s: %s", script, strerror(-rc));
	else
		log_error("%s ended with status %d: %s", script, result->status, strbuf_text(&b));
	strbuf_fini(&b);
}

static int run(struct supervisor *su, enum rules_verb verb)
{
	struct rules_result result;
	int rc = ask(su, verb, &result);

	if (rc == 0 && result.status == 0)
		return 0;
	say_failure(su, rc, &result);
	return rc ? rc : -EIO;
}

static struct route_policy policy_route(const struct settings *s)
{
	return (struct route_policy){.mark = mark_of(s->mark_mask, MARK_TPROXY),
		.table = s->route_table,
		.priority = s->route_priority};
}

/* Which interfaces lead where, now. Where that cannot be read, nothing leads to the internet: all is judged as clients'. */
static int look_at_sides(struct supervisor *su, struct route_sides *out)
{
	static struct route_view view; /* large */
	int rc = route_view_read(&view);

	memset(out, 0, sizeof *out);
	if (rc != 0)
		log_error("the interfaces cannot be read: %s; all that is forwarded is judged as "
			  "clients'",
			strerror(-rc));
	else if (route_sides_of(&view, su->s->client_interfaces, su->s->uplink_interfaces,
			 su->n_sides ? &su->sides : NULL, out) != 0)
		log_warn("more interfaces than the rules can name: name them in the settings");
	return rc;
}

static void tell_left_out(struct supervisor *su, enum problem p, const char *names)
{
	if (names[0])
		problem_raise(su, p, "%.200s", names);
	else
		problem_over(su, p);
}

static void tell_sides(struct supervisor *su, const struct route_sides *now)
{
	if (now->uplinks[0])
		log_note("uplinks: %s; clients: %s%s", now->uplinks,
			now->clients[0] ? now->clients : "behind the same interface, in ",
			now->clients[0] ? "" : now->own_nets);
	else
		problem_raise(su, PROBLEM_INTERFACES_UNKNOWN, "%s", "");
	if (now->uplinks[0])
		problem_over(su, PROBLEM_INTERFACES_UNKNOWN);
	if (now->absent[0])
		problem_raise(su, PROBLEM_INTERFACE_MISSING, "%.200s", now->absent);
	else
		problem_over(su, PROBLEM_INTERFACE_MISSING);
	tell_left_out(su, PROBLEM_INTERFACE_ODD, now->odd);
	tell_left_out(su, PROBLEM_INTERFACE_DOUBTFUL, now->doubtful);
}

static int keep_params(struct supervisor *su)
{
	char path[SETTING_TEXT + 8];
	struct rules_params p = {.settings = su->s,
		.queues = su->workers,
		.sides = &su->sides,
		.catch_all = su->judges_all,
		.fail_open = su->fail_open,
		.hold = su->hold};

	snprintf(path, sizeof path, "%s/rules", su->s->run_dir);
	return rules_params_write(path, &p);
}

bool force_sides_moved(struct supervisor *su)
{
	static struct route_sides now; /* large */

	if (look_at_sides(su, &now) != 0 ||
		(su->n_sides && memcmp(&now, &su->sides, sizeof now) == 0))
		return false;
	su->sides = now;
	su->n_sides++;
	tell_sides(su, &now);
	keep_params(su); /* for an `up` by hand, whatever is in force now */
	return true;
}

static int write_params(struct supervisor *su)
{
	force_sides_moved(su);
	return keep_params(su);
}

/* What `durward-rules down` puts back; the file holds what was before us, once. */
static void valid_marks_on(struct supervisor *su)
{
	static const char name[] = "net/ipv4/conf/all/src_valid_mark";
	char path[SETTING_TEXT + 16];
	FILE *kept, *now;

	snprintf(path, sizeof path, "%s/rules.sysctls", su->s->run_dir);
	kept = fopen(path, "ae");
	if (kept)
		fprintf(kept, "%s 0\n", name);
	if (!kept || fclose(kept) != 0)
		return;
	snprintf(path, sizeof path, "/proc/sys/%s", name);
	now = fopen(path, "we");
	if (!now || fputs("1\n", now) < 0)
		log_warn("%s cannot be set: %s", name, strerror(errno));
	if (now)
		fclose(now);
}

/* Whether the hold does no harm beside the kernel's own look at sources. */
static bool hold_is_harmless(struct supervisor *su)
{
	int need = route_hold_needs_marks(su->s->route_priority);

	if (need == 1) {
		valid_marks_on(su);
		need = route_hold_needs_marks(su->s->route_priority);
	}
	if (need == 0)
		problem_over(su, PROBLEM_NO_HOLD);
	else
		problem_raise(su, PROBLEM_NO_HOLD, "%s",
			need == -EBUSY ? "rp_filter is on, and rules choose routes by marks"
				       : "rp_filter is on, and src_valid_mark cannot be");
	return need == 0;
}

/* After the rules, which mark what may pass; before them, when they go. */
static void hold(struct supervisor *su, bool wanted)
{
	bool up = wanted && hold_is_harmless(su);
	int rc = up ? route_hold_up(su->s->hold_priority) : route_hold_down(su->s->hold_priority);

	if (rc != 0)
		log_warn("the policy route that refuses what went past the rules cannot be %s: %s",
			up ? "set" : "taken away", strerror(-rc));
}

/* All that `durward-rules up` needs and does not do itself. */
static int prepare(struct supervisor *su)
{
	struct route_policy route = policy_route(su->s);
	int rc = write_params(su);

	if (su->fail_open)
		hold(su, false);
	if (rc == 0) {
		rc = route_policy_up(&route);
		if (rc != 0)
			log_error("the policy route could not be set: %s", strerror(-rc));
	}
	for (unsigned i = 0; i < su->workers && rc == 0; i++) {
		struct nfq_config config = {
			.queue = (uint16_t)(su->s->queue_first + i), .fail_open = su->fail_open};

		rc = su->queue_fd[i] < 0 ? 0 : nfq_send_config(su->queue_fd[i], &config);
	}
	su->loading = (struct loaded){.open = su->fail_open,
		.all = su->judges_all,
		.hold = su->hold,
		.sides = su->n_sides};
	return rc;
}

/* What the rules that were just loaded make possible. */
static void in_force(struct supervisor *su)
{
	if (!su->loaded.open)
		hold(su, true);
}

int force_up(struct supervisor *su)
{
	int rc = prepare(su);

	if (rc == 0)
		rc = run(su, RULES_VERB_UP);
	if (rc == 0) {
		su->plan.state = RULES_UP;
		su->loaded = su->loading;
		in_force(su);
	}
	return rc;
}

int force_begin(struct supervisor *su, enum rules_verb verb, struct rules_job *job)
{
	char script[SETTING_TEXT], params[SETTING_TEXT + 8];
	int rc = verb == RULES_VERB_UP ? prepare(su) : 0;

	supervisor_script(su->s, script, sizeof script);
	snprintf(params, sizeof params, "%s/rules", su->s->run_dir);
	return rc ? rc : rules_start(script, verb, params, job);
}

int force_ended(struct supervisor *su, enum rules_verb verb, struct rules_job *job)
{
	int rc = rules_end(job), status = rc ? -1 : job->result.status;
	bool asks = verb == RULES_VERB_CHECK || verb == RULES_VERB_STATUS;

	if (rc != 0 || job->killed || (status != 0 && !asks))
		say_failure(su, rc, &job->result);
	if (verb == RULES_VERB_UP && status == 0) {
		su->loaded = su->loading;
		in_force(su);
	}
	return job->killed ? -1 : status;
}

bool force_is_stale(const struct supervisor *su)
{
	return su->plan.state == RULES_UP &&
	       (su->loaded.open != su->fail_open || su->loaded.all != su->judges_all ||
		       su->loaded.hold != su->hold || su->loaded.sides != su->n_sides);
}

/* The supervisor's first act. In `fail closed` the working rules stand before there is a queue or a listener: what is decided
 * (a mark of an earlier life) goes on, what is new waits, for a packet to a queue or a diverted port that nobody holds is
 * dropped and sent again. Where they cannot be made yet (no netfilter, say), nothing passes at all. In `fail open` traffic
 * passes until the dataplane is ready, as declared; so it does where no policy declares anything. */
void force_first(struct supervisor *su)
{
	struct priv_user reader = {.uid = su->controller.uid, .gid = su->controller.gid};
	enum boot_guard_word word = boot_guard_ask(su->s, &reader);

	su->fail_open = word == BOOT_GUARD_OPEN;
	su->judges_all = true; /* until the image says otherwise */
	if (word != BOOT_GUARD_CLOSED)
		return;
	su->hold = true;
	if (force_up(su) == 0)
		log_info("fail closed: the rules are up before anything else");
	else
		force_failed(su);
}

bool force_route_fix(struct supervisor *su)
{
	struct route_policy route = policy_route(su->s);

	if (!su->loaded.open)
		hold(su, true);
	return route_policy_check(&route) == -ENOENT && route_policy_up(&route) == 0;
}

void force_hold(struct supervisor *su)
{
	su->hold = true;
	if (su->plan.state == RULES_UP && force_up(su) != 0)
		log_warn("connections that begin before the next start may be refused");
}

void force_down(struct supervisor *su)
{
	struct route_policy route = policy_route(su->s);

	hold(su, false);
	if (run(su, RULES_VERB_DOWN) == 0)
		su->plan.state = RULES_NONE;
	route_policy_down(&route);
}

void force_failed(struct supervisor *su)
{
	if (su->fail_open) {
		force_down(su);
		su->plan.state = RULES_OPEN;
		log_warn("fail open: rules removed, traffic passes unfiltered");
		return;
	}
	hold(su, true); /* alone, should the kernel not take the refusal */
	if (run(su, RULES_VERB_FAILED) == 0) {
		su->plan.state = RULES_FAILED;
		log_warn("fail closed: forwarding is refused until durward runs again (or: "
			 "durward-rules down)");
	}
}

/* What an earlier supervisor left in fail closed (a refusal, or rules whose queues nobody holds) must not become an open
 * gateway because the next one could not start. */
void force_leave(struct supervisor *su)
{
	struct rules_result now;

	if (ask(su, RULES_VERB_STATUS, &now) != 0 ||
		(!strstr(now.tail, "failed") && !strstr(now.tail, "fail closed"))) {
		force_down(su);
		return;
	}
	hold(su, true);
	if (run(su, RULES_VERB_FAILED) == 0) {
		su->plan.state = RULES_FAILED;
		log_warn("fail closed: forwarding stays refused until durward runs again (or: "
			 "durward-rules down)");
	}
}

int force_queues(struct supervisor *su, bool bind)
{
	int rc = 0;

	for (unsigned i = 0; i < su->workers; i++) {
		struct nfq_config config = {
			.queue = (uint16_t)(su->s->queue_first + i), .fail_open = su->fail_open};
		int one = bind ? nfq_send_bind(su->queue_fd[i], &config)
			       : nfq_send_unbind(su->queue_fd[i], config.queue);

		rc = rc ? rc : one;
	}
	return rc;
}
