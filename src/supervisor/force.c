/* SPDX-License-Identifier: GPL-3.0-or-later
 * force.c - puts the rules in force and takes them out: parameters, routes, durward-rules, queues. When, step.c says.
 *
 * Waits for nobody: the script's end is keeper.c's; routes and queues are requests that the kernel answers in the same call.
 *
 * Owns: nothing. Thread: the supervisor's. Fails: -errno, said in the log.
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
#include "supervisor_int.h"

void supervisor_script(const struct settings *s, char *out, size_t size)
{
	if (s->rules_script[0])
		snprintf(out, size, "%s", s->rules_script);
	else
		rules_script_installed(out, size);
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
		.catch_all = su->st.judges_all,
		.fail_open = su->st.fail_open,
		.hold = su->st.hold};

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
static int prepare_up(struct supervisor *su)
{
	struct route_policy route = policy_route(su->s);
	int rc = write_params(su);

	if (su->st.fail_open)
		hold(su, false);
	if (rc == 0) {
		rc = route_policy_up(&route);
		if (rc != 0)
			log_error("the policy route could not be set: %s", strerror(-rc));
	}
	for (unsigned i = 0; i < su->workers && rc == 0; i++) {
		struct nfq_config config = {
			.queue = (uint16_t)(su->s->queue_first + i), .fail_open = su->st.fail_open};

		rc = su->queue_fd[i] < 0 ? 0 : nfq_send_config(su->queue_fd[i], &config);
	}
	return rc;
}

static int prepare(struct supervisor *su, enum rules_verb verb)
{
	if (verb == RULES_VERB_UP)
		return prepare_up(su);
	if (verb == RULES_VERB_DOWN)
		hold(su, false);
	if (verb == RULES_VERB_FAILED)
		hold(su, true); /* alone, should the kernel not take the refusal */
	return 0;
}

/* Whether or not the script did its part. */
static void route_gone(struct supervisor *su)
{
	struct route_policy route = policy_route(su->s);

	route_policy_down(&route);
}

int force_begin(struct supervisor *su, enum rules_verb verb, struct rules_job *job)
{
	char script[SETTING_TEXT], params[SETTING_TEXT + 8];
	int rc = prepare(su, verb);

	supervisor_script(su->s, script, sizeof script);
	snprintf(params, sizeof params, "%s/rules", su->s->run_dir);
	if (rc == 0)
		rc = rules_start(script, verb, params, job);
	if (rc != 0 && verb == RULES_VERB_DOWN)
		route_gone(su);
	return rc;
}

int force_ended(struct supervisor *su, enum rules_verb verb, struct rules_job *job)
{
	int rc = rules_end(job), status = rc || job->killed ? -1 : job->result.status;
	bool asks = verb == RULES_VERB_CHECK || verb == RULES_VERB_STATUS;

	if (asks ? status < 0 && !su->st.ending : status != 0)
		say_failure(su, rc, &job->result);
	if (verb == RULES_VERB_UP && status == 0 && !su->st.loading.open)
		hold(su, true);
	if (verb == RULES_VERB_DOWN)
		route_gone(su);
	return status;
}

bool force_route_fix(struct supervisor *su)
{
	struct route_policy route = policy_route(su->s);

	if (!su->st.loaded.open)
		hold(su, true);
	return route_policy_check(&route) == -ENOENT && route_policy_up(&route) == 0;
}

int force_queues(struct supervisor *su, bool bind)
{
	int rc = 0;

	for (unsigned i = 0; i < su->workers; i++) {
		struct nfq_config config = {
			.queue = (uint16_t)(su->s->queue_first + i), .fail_open = su->st.fail_open};
		int one = bind ? nfq_send_bind(su->queue_fd[i], &config)
			       : nfq_send_unbind(su->queue_fd[i], config.queue);

		rc = rc ? rc : one;
	}
	return rc;
}
