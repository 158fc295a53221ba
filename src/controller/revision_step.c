/* SPDX-License-Identifier: GPL-3.0-or-later
 * revision_step.c - which policy is in force, and under which number.
 *
 * Owns: nothing; pure. Thread: see the header. Fails: never.
 */
#include "controller/revision_step.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct step {
	struct revision_state *st;
	const struct revision_event *e;
	struct revision_effects *out;
};

static struct revision_effect *add(struct step *s, enum revision_do what)
{
	struct revision_effects *out = s->out;
	struct revision_effect *f;

	assert(out->n < REVISION_EFFECTS);
	f = &out->all[out->n < REVISION_EFFECTS ? out->n++ : REVISION_EFFECTS - 1];
	*f = (struct revision_effect){.what = what, .number = s->st->number};
	return f;
}

static void spend(struct revision_state *st, uint32_t number)
{
	if (number > st->used)
		st->used = number;
}

static void done(struct step *s, int status)
{
	add(s, REVISION_DO_DONE)->status = status;
	s->st->phase = REVISION_IDLE;
}

/* A number names one image: with one in force, the next gets the next number even where the text is the same, for its lists may
 * have changed. A start with the text that was last in force keeps its number. */
static uint32_t number_for(const struct revision_state *st)
{
	if (!st->image && st->force && strcmp(st->job_digest, st->digest) == 0)
		return st->force;
	return st->used + 1;
}

static void compile(struct step *s)
{
	s->st->number = number_for(s->st);
	s->st->phase = REVISION_COMPILES;
	add(s, REVISION_DO_COMPILE);
}

static void in_force(struct step *s)
{
	struct revision_state *st = s->st;

	spend(st, st->number);
	st->force = st->image = st->number;
	memcpy(st->digest, st->job_digest, sizeof st->digest);
	st->policy = CONTROLLER_POLICY_IN_FORCE;
	add(s, REVISION_DO_FORCE);
	add(s, REVISION_DO_PUBLISH);
	done(s, 0);
}

/* --- a load that failed --- */

static void load_failed(struct step *s, enum controller_policy_state policy)
{
	s->st->policy = policy;
	s->st->failures++;
	add(s, policy == CONTROLLER_POLICY_NONE ? REVISION_DO_NONE : REVISION_DO_STAYS);
}

static void fall_back(struct step *s, int status)
{
	s->st->status = status;
	if (s->st->image) {
		load_failed(s, CONTROLLER_POLICY_LAST_GOOD);
		done(s, status);
		return;
	}
	s->st->phase = REVISION_FALLS_BACK;
	add(s, REVISION_DO_LAST_GOOD);
}

static void fell_back(struct step *s)
{
	struct revision_state *st = s->st;

	if (s->e->status == 0) {
		st->image = s->e->number;
		spend(st, s->e->number);
	}
	load_failed(s, s->e->status == 0 ? CONTROLLER_POLICY_LAST_GOOD : CONTROLLER_POLICY_NONE);
	done(s, st->status);
}

/* --- events --- */

static void begin(struct step *s, bool applies)
{
	struct revision_state *st = s->st;

	spend(st, s->e->number);
	st->applies = applies;
	st->number = 0;
	st->phase = REVISION_READS;
	if (applies)
		memcpy(st->job_digest, s->e->digest, sizeof st->job_digest);
	add(s, applies ? REVISION_DO_COMPARE : REVISION_DO_READ);
}

static void read(struct step *s)
{
	struct revision_state *st = s->st;

	if (s->e->status == 0) {
		if (!st->applies)
			memcpy(st->job_digest, s->e->digest, sizeof st->job_digest);
		compile(s);
	} else if (st->applies) {
		done(s, s->e->status);
	} else {
		fall_back(s, -EINVAL); /* as a file with errors */
	}
}

static void compiled(struct step *s)
{
	struct revision_state *st = s->st;

	if (s->e->status != 0) {
		if (st->applies)
			done(s, s->e->status);
		else
			fall_back(s, s->e->status);
	} else if (st->applies) {
		spend(st, st->number); /* whether or not it can be noted: somebody may see it now */
		st->phase = REVISION_KEEPS;
		add(s, REVISION_DO_KEEP);
	} else {
		in_force(s);
	}
}

static void kept(struct step *s)
{
	if (s->e->status != 0) {
		done(s, s->e->status);
		return;
	}
	s->st->phase = REVISION_WRITES;
	add(s, REVISION_DO_WRITE);
}

/* The revision is kept before the file is written: neither happens without the other. */
static void written(struct step *s)
{
	struct revision_state *st = s->st;

	if (s->e->status == 0) {
		in_force(s);
		return;
	}
	if (st->number != st->force)
		add(s, REVISION_DO_TAKE_BACK);
	done(s, s->e->status);
}

static void opened(struct step *s)
{
	struct revision_state *st = s->st;

	spend(st, s->e->number);
	spend(st, s->e->force);
	st->force = s->e->force;
	memcpy(st->digest, s->e->digest, sizeof st->digest);
}

static void while_idle(struct step *s)
{
	if (s->e->what == REVISION_OPENED)
		opened(s);
	else if (s->e->what == REVISION_LOAD || s->e->what == REVISION_APPLY)
		begin(s, s->e->what == REVISION_APPLY);
}

void revision_step(
	struct revision_state *st, const struct revision_event *e, struct revision_effects *out)
{
	static void (*const answers[])(struct step *) = {
		[REVISION_READS] = read,
		[REVISION_COMPILES] = compiled,
		[REVISION_KEEPS] = kept,
		[REVISION_WRITES] = written,
		[REVISION_FALLS_BACK] = fell_back,
	};
	static const enum revision_on awaited[] = {
		[REVISION_READS] = REVISION_READ,
		[REVISION_COMPILES] = REVISION_COMPILED,
		[REVISION_KEEPS] = REVISION_KEPT,
		[REVISION_WRITES] = REVISION_WRITTEN,
		[REVISION_FALLS_BACK] = REVISION_GOOD,
	};
	struct step s = {.st = st, .e = e, .out = out};

	out->n = 0;
	if (e->what == REVISION_TAKEN || e->what == REVISION_SENT)
		st->taken = e->what == REVISION_TAKEN ? e->number : 0;
	else if (st->phase == REVISION_IDLE)
		while_idle(&s);
	else if (e->what == awaited[st->phase])
		answers[st->phase](&s);
}
