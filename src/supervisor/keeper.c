/* SPDX-License-Identifier: GPL-3.0-or-later
 * keeper.c - runs durward-rules for the supervisor, one run at a time, and waits for none.
 *
 * The script takes a third of a second on an idle machine and waits for locks of others. Its end comes by a pidfd, its words
 * by a pipe; when it takes too long, supervisor_step() says so, and it is killed with all that it started.
 *
 * Owns: struct rules_task of the supervisor. Thread: the supervisor's. Fails: never; what cannot be run is said, and an event.
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "supervisor_int.h"

static void show_refusal(struct supervisor *su)
{
	const struct rules_plan *p = &su->st.plan;

	if (rules_plan_shown(p) == RULES_FAILED)
		problem_raise(su, PROBLEM_REFUSED, "%s",
			p->state == RULES_FAILED ? "our rules could not be put back"
						 : "put there by somebody else");
	else if (p->refused)
		problem_raise(su, PROBLEM_REFUSED, "%s",
			"by hand, or by another copy, after the rules were taken away by hand");
	else
		problem_over(su, PROBLEM_REFUSED);
}

void keeper_show(struct supervisor *su)
{
	show_refusal(su);
	if (su->st.rules_old)
		problem_raise(su, PROBLEM_RULES_OLD, "%s", "");
	else
		problem_over(su, PROBLEM_RULES_OLD);
	if (su->st.plan.n_blind < PLAN_BLIND)
		problem_over(su, PROBLEM_RULES_UNKNOWN);
	else
		problem_raise(su, PROBLEM_RULES_UNKNOWN, "%s", "");
	if (!su->st.plan.storm)
		problem_over(su, PROBLEM_RULES_TAKEN);
}

static void forget(struct rules_task *t)
{
	loop_del(&t->ended);
	loop_del(&t->said);
}

/* Its pidfd says that it has ended: rules_end() has nothing to wait for. */
static void on_ended(struct watch *w, uint32_t events)
{
	struct supervisor *su = w->user;
	struct rules_task *t = &su->task;
	struct supervisor_event e = {.what = ON_RUN_ENDED, .begun = true};

	(void)events;
	forget(t);
	e.status = force_ended(su, t->verb, &t->job);
	e.strict =
		strstr(t->job.result.tail, "failed") || strstr(t->job.result.tail, "fail closed");
	supervisor_post(su, e);
}

static void on_said(struct watch *w, uint32_t events)
{
	struct supervisor *su = w->user;

	(void)events;
	if (!rules_collect(&su->task.job))
		loop_del(w);
}

static int begin(struct supervisor *su, enum rules_verb verb)
{
	struct rules_task *t = &su->task;
	int rc = force_begin(su, verb, &t->job);

	if (rc != 0)
		return rc;
	t->verb = verb;
	t->ended.fd = t->job.pidfd;
	t->said.fd = t->job.out;
	rc = loop_add(su->loop, &t->ended, EPOLLIN);
	if (rc == 0)
		rc = loop_add(su->loop, &t->said, EPOLLIN);
	if (rc != 0)
		keeper_drop(su);
	return rc;
}

void keeper_run(struct supervisor *su, enum rules_verb verb)
{
	int rc = begin(su, verb);

	if (rc == 0) {
		supervisor_post(
			su, (struct supervisor_event){.what = ON_RUN_BEGUN, .sides = su->n_sides});
		return;
	}
	log_error("durward-rules cannot be run: %s", strerror(-rc));
	supervisor_post(su, (struct supervisor_event){.what = ON_RUN_ENDED, .status = -1});
}

void keeper_kill(struct supervisor *su)
{
	if (su->task.job.pid > 0)
		rules_kill(&su->task.job); /* and on_ended() follows */
}

void keeper_drop(struct supervisor *su)
{
	struct rules_task *t = &su->task;

	forget(t);
	if (t->job.pid <= 0)
		return;
	rules_kill(&t->job);
	waitpid(t->job.pid, NULL, WNOHANG);
	close(t->job.pidfd);
	close(t->job.out);
	t->job = (struct rules_job){.pidfd = -1, .out = -1};
}

void keeper_open(struct supervisor *su)
{
	struct rules_task *t = &su->task;

	t->job = (struct rules_job){.pidfd = -1, .out = -1};
	t->ended = (struct watch){.fd = -1, .on_event = on_ended, .user = su};
	t->said = (struct watch){.fd = -1, .on_event = on_said, .user = su};
}
