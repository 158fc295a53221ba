/* SPDX-License-Identifier: GPL-3.0-or-later
 * service.c - carries out status.h, events.h and access.h for the front end. (policy.h: policy_store.c, snapshots.c.)
 *
 * Owns: nothing. Thread: any. Fails: -errno; record/admin_store.h for the admin store.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "controller_int.h"
#include "decide/policy.h"

static void add_policy(struct controller *d, struct controller_status *out)
{
	struct controller_snapshot *i = controller_snapshot_get(d);

	if (i) {
		out->revision = i->revision;
		out->fail_open = image_fail_open(i->image);
		out->judges_all = image_judges_all(i->image);
		out->devices = image_count_devices(i->image);
		out->rules = image_count_rules(i->image);
		out->names = image_count_names(i->image);
	}
	controller_snapshot_put(d, i);
	pthread_mutex_lock(&d->lock);
	out->policy = d->revision.policy;
	out->policy_loaded_ms = d->policy.loaded_ms;
	out->file_errors = d->policy.file_errors;
	out->file_warnings = d->policy.file_warnings;
	out->load_failures = d->revision.failures;
	out->revision_taken = d->revision.taken;
	out->supervisor_seen = d->supervisor_seen;
	out->supervisor = d->supervisor;
	pthread_mutex_unlock(&d->lock);
}

static void add_events(struct controller *d, struct controller_status *out)
{
	struct recorder_counters c;

	recorder_counters(d->recorder, &c);
	out->events_recorded = c.recorded;
	out->events_summed = c.summed;
	out->events_lost_ring = c.lost_ring;
	out->events_lost_store = c.lost_store;
	out->events_lost_ends = c.lost_ends;
	out->events_last_id = c.last_id;
	out->allowed = c.allowed;
	out->blocked = c.blocked;
	out->watched = c.watched;
	out->unnamed = c.unnamed;
	out->conntrack_matched = c.conntrack_matched;
	snprintf(out->events_failure, sizeof out->events_failure, "%s", c.failure);
}

static void add_admin_store(struct controller *d, struct controller_status *out)
{
	int rc = admin_store_state(d->admin_store);

	if (admin_store_needs_console(rc))
		snprintf(out->admin_store_failure, sizeof out->admin_store_failure,
			"the database of the password and the revisions, %s: %s; nobody can log "
			"in. "
			"As root: `durwardctl set-aside` puts it aside and begins a new one, then "
			"`durwardctl passwd`",
			d->admin_store_path, admin_store_words(rc));
	else if (rc < 0)
		snprintf(out->admin_store_failure, sizeof out->admin_store_failure,
			"revisions, password and logins cannot be kept, %s: %s; it is tried again "
			"by itself",
			d->admin_store_path, admin_store_words(rc));
	pthread_mutex_lock(&d->lock);
	out->revision_kept = d->n_unkept == 0 || d->unkept[d->n_unkept - 1].number != out->revision;
	pthread_mutex_unlock(&d->lock);
}

void controller_status_get(struct controller *d, struct controller_status *out)
{
	struct statvfs fs;

	memset(out, 0, sizeof *out);
	out->now_ms = clock_wall_ms();
	out->start_ms = d->start_ms;
	out->policy_edit = d->in.policy_edit;
	snprintf(out->policy_path, sizeof out->policy_path, "%s", d->in.policy_path);
	if (statvfs(d->in.state_dir, &fs) == 0)
		out->disk_free = (uint64_t)fs.f_bavail * fs.f_frsize;
	add_policy(d, out);
	add_admin_store(d, out);
	add_events(d, out);
	event_store_aside(d->events_path, out->events_aside, sizeof out->events_aside);
}

const char *controller_state_dir(struct controller *d)
{
	return d->in.state_dir;
}

/* Without a database the last rows are still in memory: these, in the filter's order. */
static int events_of_tail(struct controller *d, const struct row_filter *f,
	void (*each)(void *user, const struct row *r), void *user)
{
	struct row *rows = malloc(RECORDER_TAIL * sizeof *rows);
	uint32_t limit = f->limit ? f->limit : 100;
	uint64_t next, lost;
	size_t n;

	if (!rows)
		return -ENOMEM;
	n = recorder_tail(d->recorder, f, f->after, rows, RECORDER_TAIL, &next, &lost);
	for (size_t i = 0; i < n && i < limit; i++)
		each(user, &rows[f->after ? i : n - 1 - i]);
	free(rows);
	return 0;
}

struct row_call {
	void (*each)(void *user, const struct row *r);
	void *user;
	size_t n;
	struct rules_today today;
};

static void pass_row(void *call, const struct row *r)
{
	struct row_call *c = call;
	struct row shown = *r;

	c->n++;
	rules_today_set(&c->today, &shown);
	c->each(c->user, &shown);
}

int controller_events(struct controller *d, const struct row_filter *f,
	void (*each)(void *user, const struct row *r), void *user)
{
	struct row_call c = {.each = each, .user = user};
	int rc;

	rules_today_init(&c.today, d);
	rc = query_rows(d->query, f, pass_row, &c);
	if (rc < 0 && rc != -ETIMEDOUT && c.n == 0)
		rc = events_of_tail(d, f, pass_row, &c);
	rules_today_fini(&c.today);
	return rc;
}

size_t controller_tail(struct controller *d, const struct row_filter *f, uint64_t after,
	struct row *out, size_t max, uint64_t *next, uint64_t *lost_to)
{
	size_t n = recorder_tail(d->recorder, f, after, out, max, next, lost_to);
	struct rules_today today;

	rules_today_init(&today, d);
	for (size_t i = 0; i < n; i++)
		rules_today_set(&today, &out[i]);
	rules_today_fini(&today);
	return n;
}

struct seen_call {
	void (*each)(void *user, const struct controller_seen *s);
	void *user;
};

static void pass_device(void *call, const struct query_device *q)
{
	struct seen_call *c = call;
	struct controller_seen s = {.addr = q->addr,
		.has_mac = q->has_mac,
		.mac = q->mac,
		.first_ms = q->first_ms,
		.last_ms = q->last_ms,
		.allowed = q->allowed,
		.blocked = q->blocked};

	snprintf(s.name, sizeof s.name, "%s", q->name);
	c->each(c->user, &s);
}

int controller_devices(struct controller *d, uint64_t since_ms,
	void (*each)(void *user, const struct controller_seen *s), void *user)
{
	struct seen_call c = {each, user};

	return query_devices(d->query, since_ms, pass_device, &c);
}

static bool add_named(struct controller *d, struct slice who, struct row_filter *f)
{
	struct controller_snapshot *i = controller_snapshot_get(d);
	struct policy_found found = {0};

	if (!i)
		return false;
	policy_find_who(i->image, who, &found);
	for (size_t k = 0; k < found.n_devices && f->n_devices < FILTER_DEVICES; k++)
		row_text_set(f->devices[f->n_devices++], ROW_WORD,
			image_device_name(i->image, found.devices[k]));
	controller_snapshot_put(d, i);
	return f->n_devices > 0;
}

bool controller_filter_who(struct controller *d, struct slice who, struct row_filter *f)
{
	if (slice_eq(who, slice_str("unknown-devices"))) {
		f->unknown_device = true;
		return true;
	}
	if (addr_parse(who, &f->addr))
		return f->has_addr = true;
	if (mac_parse(who, &f->mac))
		return f->has_mac = true;
	return add_named(d, who, f);
}

/* Under the lock: each() only writes text. */
void controller_lists(
	struct controller *d, void (*each)(void *user, const struct controller_list *l), void *user)
{
	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < d->policy.lists.n; i++) {
		const struct list_fact *f = &d->policy.lists.all[i];
		struct controller_list l = {.name = f->name,
			.file = f->file,
			.names = f->names,
			.lines = f->lines,
			.broken = f->broken,
			.why = f->why,
			.kept = f->kept,
			.shrunk = f->shrunk,
			.good_ms = f->good_ms,
			.failure = f->failure};

		if (l.name)
			each(user, &l);
	}
	pthread_mutex_unlock(&d->lock);
}

/* --- revisions and secrets --- */

struct revision_call {
	void (*each)(void *user, const struct controller_revision *r);
	void *user;
};

static void pass_revision(void *call, const struct admin_store_revision *l)
{
	struct revision_call *c = call;
	struct controller_revision r = {
		.number = l->number, .wall_ms = l->wall_ms, .kept = l->kept};

	snprintf(r.actor, sizeof r.actor, "%s", l->actor);
	c->each(c->user, &r);
}

int controller_policy_revisions(struct controller *d,
	void (*each)(void *user, const struct controller_revision *r), void *user)
{
	struct admin_store_revision unkept[UNKEPT];
	struct revision_call c = {each, user};
	size_t n;

	pthread_mutex_lock(&d->lock);
	n = d->n_unkept;
	memcpy(unkept, d->unkept, n * sizeof *unkept);
	pthread_mutex_unlock(&d->lock);
	while (n > 0)
		pass_revision(&c, &unkept[--n]);
	return admin_store_revisions(d->admin_store, 200, pass_revision, &c);
}

int controller_admin_store_set_aside(struct controller *d)
{
	return admin_store_set_aside(d->admin_store);
}

int controller_policy_revision_text(struct controller *d, uint32_t number, struct strbuf *text)
{
	return admin_store_text(d->admin_store, number, text);
}

int controller_secret(struct controller *d, const char *name, struct strbuf *value)
{
	return admin_store_secret(d->admin_store, name, value);
}

int controller_secret_set(struct controller *d, const char *name, const char *value)
{
	return admin_store_secret_set(d->admin_store, name, value);
}

int controller_session_put(struct controller *d, const struct controller_session *s)
{
	struct admin_store_session l = {.born_ms = s->born_ms, .seen_ms = s->seen_ms};

	memcpy(l.digest, s->digest, sizeof l.digest);
	return admin_store_session_put(d->admin_store, &l);
}

int controller_session_get(struct controller *d, const char *digest, struct controller_session *out)
{
	struct admin_store_session l;
	int rc = admin_store_session_get(d->admin_store, digest, &l);

	if (rc < 0)
		return rc;
	memcpy(out->digest, l.digest, sizeof out->digest);
	out->born_ms = l.born_ms;
	out->seen_ms = l.seen_ms;
	return 0;
}

int controller_session_drop(struct controller *d, const char *digest)
{
	return admin_store_session_drop(d->admin_store, digest);
}
