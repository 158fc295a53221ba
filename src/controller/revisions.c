/* SPDX-License-Identifier: GPL-3.0-or-later
 * revisions.c - keeps the numbers of policies on disk, and their texts.
 *
 * Which number is next is decided by revision_step.c. It is written down before anybody sees it, in a file that can be written
 * on a full disk (record/numbers.h), and is larger than all that this file, the admin store or the last good image know of. A
 * policy file is put in force whether or not its text can be kept: such a revision is shown as "not kept", and tried again
 * until it is kept or another one is in force.
 *
 * Owns: controller->admin_store, numbers and unkept. Thread: under policy_lock. Fails: -errno.
 */
#include "controller_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

static void remember(struct controller *d, const struct numbers *now)
{
	int rc = numbers_set(d->numbers, now);

	if (rc < 0)
		log_warn("the number of the policy could not be written to %s: %s", d->numbers_path,
			strerror(-rc));
}

static void note_born(struct controller *d)
{
	struct numbers now = *numbers_now(d->numbers);

	if (now.admin_store || admin_store_state(d->admin_store) < 0)
		return;
	now.admin_store = true;
	remember(d, &now);
}

/* A state directory of an earlier version has no numbers; one that was restored may have old ones. */
static void catch_up(struct controller *d)
{
	struct numbers now = *numbers_now(d->numbers);
	struct admin_store_revision last;
	struct snapshot *good = NULL;

	if (admin_store_last(d->admin_store, &last) == 0 && last.number > now.force) {
		now.force = last.number;
		memcpy(now.digest, last.digest, sizeof now.digest);
	}
	if (snapshot_load(d->image_path, &good) == 0 && good->pub.revision > now.used)
		now.used = good->pub.revision;
	if (now.force > now.used)
		now.used = now.force;
	snapshot_drop(good);
	remember(d, &now);
}

static void tell_known(struct controller *d)
{
	const struct numbers *now = numbers_now(d->numbers);
	struct revision_event e = {
		.what = REVISION_OPENED, .number = now->used, .force = now->force};
	struct revision_effects none;

	memcpy(e.digest, now->digest, sizeof e.digest);
	revision_step(&d->revision, &e, &none); /* before there is another thread */
}

int revisions_open(struct controller *d)
{
	int rc = numbers_open(d->numbers_path, &d->numbers);

	if (rc == 0)
		rc = admin_store_open(
			d->admin_store_path, numbers_now(d->numbers)->admin_store, &d->admin_store);
	if (rc < 0)
		return rc;
	note_born(d);
	catch_up(d);
	tell_known(d);
	return 0;
}

uint32_t revisions_known(struct controller *d)
{
	struct admin_store_revision last;

	return admin_store_last(d->admin_store, &last) == 0 ? last.number : 0;
}

/* --- keeping --- */

static struct admin_store_revision revision_of(uint32_t number, const char *actor)
{
	struct admin_store_revision r = {.number = number, .wall_ms = clock_wall_ms()};

	snprintf(r.actor, sizeof r.actor, "%s", actor);
	return r;
}

static void drop_unkept(struct controller *d, size_t n)
{
	pthread_mutex_lock(&d->lock);
	d->n_unkept -= n;
	memmove(d->unkept, d->unkept + n, d->n_unkept * sizeof *d->unkept);
	pthread_mutex_unlock(&d->lock);
}

/* Those that are in force no more leave a row without a text; all but the last `rest`. */
static int settle_unkept(struct controller *d, size_t rest)
{
	int rc = 0;

	while (rc == 0 && d->n_unkept > rest) {
		rc = admin_store_add(d->admin_store, &d->unkept[0], NULL);
		if (rc == 0 || rc == -EINVAL || rc == -EEXIST) {
			drop_unkept(d, 1);
			rc = 0;
		}
	}
	return rc;
}

static void keep_later(
	struct controller *d, const struct admin_store_revision *r, struct slice text, int rc)
{
	log_warn("the text of policy revision %u is not kept in %s: %s", r->number,
		d->admin_store_path, admin_store_words(rc));
	if (d->n_unkept == UNKEPT)
		drop_unkept(d, 1);
	pthread_mutex_lock(&d->lock);
	d->unkept[d->n_unkept] = *r;
	admin_store_digest(text, d->unkept[d->n_unkept++].digest);
	pthread_mutex_unlock(&d->lock);
	strbuf_reset(&d->unkept_text);
	strbuf_add(&d->unkept_text, text);
}

void revisions_take_back(struct controller *d, uint32_t number)
{
	admin_store_remove(d->admin_store, number);
}

void revisions_tend(struct controller *d)
{
	struct slice text = slice_of(d->unkept_text.s, d->unkept_text.n);
	int rc;

	numbers_tend(d->numbers);
	if (admin_store_tend(d->admin_store) < 0)
		return;
	note_born(d);
	if (d->n_unkept == 0)
		return;
	rc = settle_unkept(d, 1);
	if (rc == 0 && !d->unkept_text.failed)
		rc = admin_store_add(d->admin_store, &d->unkept[0], &text);
	if (rc < 0 && rc != -EINVAL && rc != -EEXIST)
		return;
	if (rc == 0)
		log_note("policy revision %u is kept now", d->unkept[0].number);
	drop_unkept(d, 1);
	strbuf_reset(&d->unkept_text);
}

/* What waits comes first: the admin store is filled in the order of numbers. */
static int keep(struct controller *d, const struct admin_store_revision *r, struct slice text)
{
	revisions_tend(d);
	if (d->n_unkept)
		return admin_store_state(d->admin_store) < 0 ? admin_store_state(d->admin_store)
							     : -EIO;
	return admin_store_add(d->admin_store, r, &text);
}

int revisions_keep(struct controller *d, uint32_t number, struct slice text, const char *actor)
{
	struct admin_store_revision r = revision_of(number, actor);
	struct numbers now = *numbers_now(d->numbers);
	int rc;

	if (number > now.used)
		now.used = number;
	rc = numbers_set(d->numbers, &now);
	return rc < 0 ? rc : keep(d, &r, text);
}

void revisions_in_force(struct controller *d, uint32_t number, struct slice text, const char *actor)
{
	struct admin_store_revision r = revision_of(number, actor);
	struct numbers now = *numbers_now(d->numbers);
	int rc;

	now.used = number > now.used ? number : now.used;
	now.force = number;
	admin_store_digest(text, now.digest);
	remember(d, &now);
	rc = keep(d, &r, text);
	if (rc < 0)
		keep_later(d, &r, text, rc);
}
