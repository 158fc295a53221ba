/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_revision_step.c - which policy is in force after what happened, and under which number, without a file or a database.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "controller/revision_step.h"

#include <cmocka.h>

static struct revision_state st;
static struct revision_effects out;

static void step(struct revision_event e)
{
	revision_step(&st, &e, &out);
	assert_true(out.n <= REVISION_EFFECTS);
}

static void status(enum revision_on what, int n)
{
	step((struct revision_event){.what = what, .status = n});
}

static struct revision_event with(enum revision_on what, const char *text, uint32_t known)
{
	struct revision_event e = {.what = what, .number = known};

	snprintf(e.digest, sizeof e.digest, "%s", text);
	return e;
}

/* The effect at this place, by kind; -1: none. */
static int at(unsigned i)
{
	return i < out.n ? (int)out.all[i].what : -1;
}

static const struct revision_effect *did(enum revision_do what)
{
	for (unsigned i = 0; i < out.n; i++)
		if (out.all[i].what == what)
			return &out.all[i];
	return NULL;
}

/* --- whole jobs --- */

static void read_it(const char *text)
{
	status(REVISION_LOAD, 0);
	assert_int_equal(at(0), REVISION_DO_READ);
	step(with(REVISION_READ, text, 0));
}

static void load(const char *text)
{
	read_it(text);
	assert_int_equal(at(0), REVISION_DO_COMPILE);
	status(REVISION_COMPILED, 0);
}

static void in_force(uint32_t number)
{
	assert_int_equal(at(0), REVISION_DO_FORCE);
	assert_int_equal(at(1), REVISION_DO_PUBLISH);
	assert_int_equal(at(2), REVISION_DO_DONE);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(out.all[i].number, number);
	assert_int_equal(out.all[2].status, 0);
	assert_int_equal(st.image, number);
	assert_int_equal(st.policy, CONTROLLER_POLICY_IN_FORCE);
	assert_int_equal(st.phase, REVISION_IDLE);
}

/* Up to the compiler. */
static void edit(const char *text)
{
	step(with(REVISION_APPLY, text, 0));
	assert_int_equal(at(0), REVISION_DO_COMPARE);
	status(REVISION_READ, 0);
	assert_int_equal(at(0), REVISION_DO_COMPILE);
}

static void done(int rc)
{
	assert_int_equal(st.phase, REVISION_IDLE);
	assert_non_null(did(REVISION_DO_DONE));
	assert_int_equal(did(REVISION_DO_DONE)->status, rc);
}

static int set_new(void **state)
{
	(void)state;
	st = (struct revision_state){0};
	step(with(REVISION_OPENED, "", 0));
	return 0;
}

/* The fifth policy was in force before, and seven numbers were given. */
static int set_later(void **state)
{
	struct revision_event e = with(REVISION_OPENED, "five", 7);

	(void)state;
	st = (struct revision_state){0};
	e.force = 5;
	step(e);
	return 0;
}

/* --- loads --- */

static void the_first_policy_is_the_first(void **state)
{
	(void)state;
	load("a");
	in_force(1);
}

static void each_load_has_a_number_of_its_own(void **state)
{
	(void)state;
	load("a");
	load("a"); /* its lists may have changed */
	in_force(2);
	load("b");
	in_force(3);
}

static void a_start_with_the_same_text_keeps_its_number(void **state)
{
	(void)state;
	load("five");
	in_force(5);
	load("five");
	in_force(8); /* behind all that were given */
}

static void a_start_with_another_text_does_not(void **state)
{
	(void)state;
	load("six");
	in_force(8);
}

static void a_admin_store_that_knows_more_counts(void **state)
{
	(void)state;
	step(with(REVISION_LOAD, "", 40)); /* it was restored, say */
	step(with(REVISION_READ, "x", 0));
	status(REVISION_COMPILED, 0);
	in_force(41);
}

static void a_file_with_errors_changes_nothing(void **state)
{
	(void)state;
	load("a");
	step((struct revision_event){.what = REVISION_SENT});
	step((struct revision_event){.what = REVISION_TAKEN, .number = 1});
	read_it("bad");
	status(REVISION_COMPILED, -EINVAL);
	assert_int_equal(at(0), REVISION_DO_STAYS);
	done(-EINVAL);
	assert_int_equal(st.image, 1);
	assert_int_equal(st.taken, 1);
	assert_int_equal(st.policy, CONTROLLER_POLICY_LAST_GOOD);
	assert_int_equal(st.failures, 1);
	load("b"); /* no number was spent on it */
	in_force(2);
}

static void a_file_that_cannot_be_read_is_as_one_with_errors(void **state)
{
	(void)state;
	load("a");
	status(REVISION_LOAD, 0);
	status(REVISION_READ, -EACCES);
	assert_int_equal(at(0), REVISION_DO_STAYS);
	done(-EINVAL);
}

static void at_a_start_the_last_good_one_is_taken(void **state)
{
	(void)state;
	read_it("bad");
	status(REVISION_COMPILED, -EINVAL);
	assert_int_equal(at(0), REVISION_DO_LAST_GOOD);
	step((struct revision_event){.what = REVISION_GOOD, .number = 5});
	assert_int_equal(at(0), REVISION_DO_STAYS);
	done(-EINVAL);
	assert_int_equal(st.image, 5);
	assert_int_equal(st.policy, CONTROLLER_POLICY_LAST_GOOD);
	load("five"); /* fixed: an image of that number is in force already */
	in_force(8);
}

static void without_one_there_is_no_policy(void **state)
{
	(void)state;
	for (int i = 1; i <= 2; i++) {
		read_it("bad");
		status(REVISION_COMPILED, -ENOMEM);
		status(REVISION_GOOD, -ENOENT);
		assert_int_equal(at(0), REVISION_DO_NONE);
		done(-ENOMEM); /* why the load failed, not why there is no other */
		assert_int_equal(st.image, 0);
		assert_int_equal(st.policy, CONTROLLER_POLICY_NONE);
		assert_int_equal(st.failures, i);
	}
	load("a");
	in_force(1);
}

/* --- edits --- */

static void an_edit_is_kept_then_written_then_in_force(void **state)
{
	(void)state;
	load("a");
	edit("b");
	status(REVISION_COMPILED, 0);
	assert_int_equal(at(0), REVISION_DO_KEEP);
	assert_int_equal(out.all[0].number, 2);
	status(REVISION_KEPT, 0);
	assert_int_equal(at(0), REVISION_DO_WRITE);
	assert_int_equal(st.image, 1); /* nothing is in force before it is all done */
	status(REVISION_WRITTEN, 0);
	in_force(2);
}

static void an_edit_that_fails_changes_nothing(void **state)
{
	/* how far it came; what its number is worth afterwards */
	static const struct {
		int compare, compile, keep, write;
		uint32_t next;
		bool taken_back;
	} rows[] = {
		{-ESTALE, 0, 0, 0, 2, false},
		{0, -EINVAL, 0, 0, 2, false},
		{0, 0, -ENOSPC, 0, 3, false}, /* it may be in the file of numbers */
		{0, 0, 0, -EACCES, 3, true},
	};

	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		int rc = rows[i].compare   ? rows[i].compare
			 : rows[i].compile ? rows[i].compile
			 : rows[i].keep	   ? rows[i].keep
					   : rows[i].write;

		set_new(state);
		load("a");
		step(with(REVISION_APPLY, "b", 0));
		status(REVISION_READ, rows[i].compare);
		status(REVISION_COMPILED, rows[i].compile);
		status(REVISION_KEPT, rows[i].keep);
		status(REVISION_WRITTEN, rows[i].write);
		if (i == 3) {
			assert_int_equal(at(0), REVISION_DO_TAKE_BACK);
			done(rc);
		}
		assert_int_equal(st.phase, REVISION_IDLE);
		assert_int_equal(st.image, 1);
		assert_int_equal(st.policy, CONTROLLER_POLICY_IN_FORCE);
		assert_int_equal(st.failures, 0);
		assert_string_equal(st.digest, "a");
		load("c");
		in_force(rows[i].next);
	}
}

static void the_caller_is_told_why(void **state)
{
	(void)state;
	step(with(REVISION_APPLY, "b", 0));
	status(REVISION_READ, -ESTALE);
	done(-ESTALE);
	edit("b");
	status(REVISION_COMPILED, -EINVAL);
	done(-EINVAL);
	edit("b");
	status(REVISION_COMPILED, 0);
	status(REVISION_KEPT, -ENOSPC);
	done(-ENOSPC);
}

static void the_text_in_force_is_never_taken_back(void **state)
{
	(void)state;
	/* nothing is in force yet, and the edit is the text that last was: it has that one's number */
	edit("five");
	status(REVISION_COMPILED, 0);
	assert_int_equal(out.all[0].number, 5);
	status(REVISION_KEPT, 0);
	status(REVISION_WRITTEN, -EROFS);
	assert_null(did(REVISION_DO_TAKE_BACK));
	done(-EROFS);
}

static void an_edit_fixes_a_start_without_a_policy(void **state)
{
	(void)state;
	read_it("bad");
	status(REVISION_COMPILED, -EINVAL);
	status(REVISION_GOOD, -ENOENT);
	edit("a");
	status(REVISION_COMPILED, 0);
	status(REVISION_KEPT, 0);
	status(REVISION_WRITTEN, 0);
	in_force(1);
}

/* --- the dataplane, and what comes at the wrong time --- */

static void what_the_dataplane_uses_is_told_apart(void **state)
{
	(void)state;
	load("a");
	assert_int_equal(st.taken, 0);
	step((struct revision_event){.what = REVISION_TAKEN, .number = 1});
	read_it("b");
	step((struct revision_event){
		.what = REVISION_TAKEN, .number = 1}); /* a new dataplane, meanwhile */
	assert_int_equal(out.n, 0);
	assert_int_equal(st.phase, REVISION_COMPILES);
	status(REVISION_COMPILED, 0);
	in_force(2);
	assert_int_equal(st.taken, 1); /* until the new one goes to the dataplane */
	step((struct revision_event){.what = REVISION_SENT});
	assert_int_equal(st.taken, 0);
	step((struct revision_event){.what = REVISION_TAKEN, .number = 2});
	assert_int_equal(st.taken, 2);
}

static void one_job_at_a_time(void **state)
{
	struct revision_state before;

	(void)state;
	read_it("a");
	before = st;
	step(with(REVISION_APPLY, "b", 90));
	assert_int_equal(out.n, 0);
	status(REVISION_LOAD, 0);
	status(REVISION_KEPT, 0);
	status(REVISION_WRITTEN, 0);
	status(REVISION_GOOD, 0);
	assert_int_equal(out.n, 0);
	assert_memory_equal(&before, &st, sizeof st);
	status(REVISION_COMPILED, 0);
	in_force(1);
}

/* --- any order --- */

enum { LIVES = 300, JOBS = 120, TEXTS = 9 };

static uint64_t seed;

static unsigned any(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

static int luck(unsigned n, int error)
{
	return any(n) ? 0 : error;
}

/* What the disk would hold; by number what its image was made of. */
static struct disk {
	uint32_t used, force, good;
	char digest[REVISION_DIGEST];
	unsigned text_of[LIVES * 4]; /* text + 1; 0: no image of this number was seen by anybody */
	bool seen_in_this_life[LIVES * 4];
} disk;

static void published(uint32_t number, unsigned text, uint32_t before)
{
	assert_in_range(number, 1, LIVES * 4 - 1);
	assert_true(number > before || before == 0); /* no step back while one is in force */
	assert_false(disk.seen_in_this_life[number]);
	/* a number names one text for ever */
	assert_true(disk.text_of[number] == 0 || disk.text_of[number] == text + 1);
	disk.text_of[number] = text + 1;
	disk.seen_in_this_life[number] = true;
	disk.good = number;
}

static void one_effect(const struct revision_effect *f, unsigned text, struct revision_event *next)
{
	*next = (struct revision_event){0};
	switch (f->what) {
	case REVISION_DO_READ:
	case REVISION_DO_COMPARE:
		*next = (struct revision_event){.what = REVISION_READ, .status = luck(12, -EACCES)};
		snprintf(next->digest, sizeof next->digest, "text%u", text);
		break;
	case REVISION_DO_COMPILE:
		*next = (struct revision_event){
			.what = REVISION_COMPILED, .status = luck(5, -EINVAL)};
		break;
	case REVISION_DO_KEEP:
		disk.used = f->number > disk.used ? f->number : disk.used;
		*next = (struct revision_event){.what = REVISION_KEPT, .status = luck(6, -ENOSPC)};
		break;
	case REVISION_DO_WRITE:
		*next = (struct revision_event){
			.what = REVISION_WRITTEN, .status = luck(6, -EROFS)};
		break;
	case REVISION_DO_LAST_GOOD:
		*next = (struct revision_event){.what = REVISION_GOOD,
			.status = disk.good ? luck(6, -EINVAL) : -ENOENT,
			.number = disk.good};
		break;
	case REVISION_DO_FORCE:
		disk.used = f->number > disk.used ? f->number : disk.used;
		disk.force = f->number;
		snprintf(disk.digest, sizeof disk.digest, "text%u", text);
		break;
	default:
		break;
	}
}

static void any_job(void)
{
	unsigned text = any(TEXTS), steps = 0;
	uint32_t before = st.image;
	struct revision_state was = st;
	struct revision_event next = {
		.what = any(2) ? REVISION_APPLY : REVISION_LOAD, .number = disk.used};
	bool applies = next.what == REVISION_APPLY, finished = false;

	snprintf(next.digest, sizeof next.digest, "text%u", text);
	while (!finished) {
		struct revision_event e = next;

		assert_true(++steps < 8); /* a job ends */
		if (any(4) == 0)
			step((struct revision_event){.what = REVISION_TAKEN, .number = before});
		step(e);
		assert_true(out.n > 0);
		for (unsigned i = 0; i < out.n; i++) {
			if (out.all[i].what == REVISION_DO_PUBLISH)
				published(out.all[i].number, text, before);
			one_effect(&out.all[i], text, &next);
			assert_int_equal(next.what != 0,
				i + 1 == out.n && out.all[i].what != REVISION_DO_DONE);
			finished = out.all[i].what == REVISION_DO_DONE;
		}
		assert_true(st.used >= was.used && st.used >= st.force && st.used >= st.image);
	}
	if (did(REVISION_DO_DONE)->status != 0 && (applies || before)) {
		assert_int_equal(st.image, before); /* a failure changes nothing */
		assert_int_equal(st.force, was.force);
	}
	if (applies && did(REVISION_DO_DONE)->status != 0)
		assert_int_equal(st.policy, was.policy);
	assert_int_equal(st.image == 0, st.policy == CONTROLLER_POLICY_NONE);
}

static void whatever_happens_a_number_names_one_policy(void **state)
{
	(void)state;
	for (unsigned round = 1; round <= LIVES / 2; round++) {
		seed = 0x9e3779b97f4a7c15u * round;
		disk = (struct disk){0};
		for (unsigned life = 0; life < 8; life++) {
			struct revision_event e = {
				.what = REVISION_OPENED, .number = disk.used, .force = disk.force};

			memcpy(e.digest, disk.digest, sizeof e.digest);
			memset(disk.seen_in_this_life, 0, sizeof disk.seen_in_this_life);
			st = (struct revision_state){0};
			step(e);
			for (unsigned i = any(JOBS) + 1; i > 0; i--)
				any_job();
		}
	}
}

#define NEW(t)	 cmocka_unit_test_setup(t, set_new)
#define LATER(t) cmocka_unit_test_setup(t, set_later)
int main(void)
{
	const struct CMUnitTest tests[] = {
		NEW(the_first_policy_is_the_first),
		NEW(each_load_has_a_number_of_its_own),
		LATER(a_start_with_the_same_text_keeps_its_number),
		LATER(a_start_with_another_text_does_not),
		LATER(a_admin_store_that_knows_more_counts),
		NEW(a_file_with_errors_changes_nothing),
		NEW(a_file_that_cannot_be_read_is_as_one_with_errors),
		LATER(at_a_start_the_last_good_one_is_taken),
		NEW(without_one_there_is_no_policy),
		NEW(an_edit_is_kept_then_written_then_in_force),
		NEW(an_edit_that_fails_changes_nothing),
		LATER(the_caller_is_told_why),
		LATER(the_text_in_force_is_never_taken_back),
		NEW(an_edit_fixes_a_start_without_a_policy),
		NEW(what_the_dataplane_uses_is_told_apart),
		NEW(one_job_at_a_time),
		cmocka_unit_test(whatever_happens_a_number_names_one_policy),
	};

	return cmocka_run_group_tests_name("revision_step", tests, NULL, NULL);
}
