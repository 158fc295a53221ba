/* SPDX-License-Identifier: GPL-3.0-or-later
 * port.c - the door for the face: status, events, secrets. (Policy and images: policy_store.c, images.c.)
 *
 * Owns: nothing. Thread: any. Fails: -errno; record/ledger.h for the ledger.
 */
#include "desk/port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "decide/policy.h"
#include "desk_int.h"

static void add_policy(struct desk *d, struct desk_status *out)
{
	struct desk_image *i = desk_image_get(d);

	if (i) {
		out->revision = i->revision;
		out->fail_open = image_fail_open(i->image);
		out->judges_all = image_judges_all(i->image);
		out->devices = image_count_devices(i->image);
		out->rules = image_count_rules(i->image);
		out->names = image_count_names(i->image);
	}
	desk_image_put(d, i);
	pthread_mutex_lock(&d->lock);
	out->policy = d->policy.state;
	out->policy_loaded_ms = d->policy.loaded_ms;
	out->file_errors = d->policy.file_errors;
	out->file_warnings = d->policy.file_warnings;
	out->load_failures = d->policy.load_failures;
	out->revision_taken = d->revision_taken;
	out->super_seen = d->super_seen;
	out->super = d->super;
	pthread_mutex_unlock(&d->lock);
}

static void add_events(struct desk *d, struct desk_status *out)
{
	struct recorder_counters c;

	recorder_counters(d->recorder, &c);
	out->events_recorded = c.recorded;
	out->events_summed = c.summed;
	out->events_lost_ring = c.lost_ring;
	out->events_lost_store = c.lost_store;
	out->events_last_id = c.last_id;
	out->allowed = c.allowed;
	out->blocked = c.blocked;
	out->watched = c.watched;
	out->unnamed = c.unnamed;
	out->conntrack_matched = c.conntrack_matched;
	snprintf(out->events_trouble, sizeof out->events_trouble, "%s", c.trouble);
}

static void add_ledger(struct desk *d, struct desk_status *out)
{
	int rc = ledger_state(d->ledger);

	if (ledger_needs_console(rc))
		snprintf(out->ledger_trouble, sizeof out->ledger_trouble,
			"the database of the password and the revisions, %s: %s; nobody can log "
			"in. "
			"As root: `durwardctl set-aside` puts it aside and begins a new one, then "
			"`durwardctl passwd`",
			d->ledger_path, ledger_words(rc));
	else if (rc < 0)
		snprintf(out->ledger_trouble, sizeof out->ledger_trouble,
			"revisions, password and logins cannot be kept, %s: %s; it is tried again "
			"by itself",
			d->ledger_path, ledger_words(rc));
	pthread_mutex_lock(&d->lock);
	out->revision_kept = d->n_unkept == 0 || d->unkept[d->n_unkept - 1].number != out->revision;
	pthread_mutex_unlock(&d->lock);
}

void desk_status_get(struct desk *d, struct desk_status *out)
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
	add_ledger(d, out);
	add_events(d, out);
	store_aside(d->events_path, out->events_aside, sizeof out->events_aside);
}

const char *desk_state_dir(struct desk *d)
{
	return d->in.state_dir;
}

/* Without a database the last rows are still in memory: these, in the filter's order. */
static int events_of_tail(struct desk *d, const struct row_filter *f,
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
};

static void pass_row(void *call, const struct row *r)
{
	struct row_call *c = call;

	c->n++;
	c->each(c->user, r);
}

int desk_events(struct desk *d, const struct row_filter *f,
	void (*each)(void *user, const struct row *r), void *user)
{
	struct row_call c = {each, user, 0};
	int rc = query_rows(d->query, f, pass_row, &c);

	return rc < 0 && rc != -ETIMEDOUT && c.n == 0 ? events_of_tail(d, f, each, user) : rc;
}

size_t desk_tail(struct desk *d, const struct row_filter *f, uint64_t after, struct row *out,
	size_t max, uint64_t *next, uint64_t *lost_to)
{
	return recorder_tail(d->recorder, f, after, out, max, next, lost_to);
}

struct seen_call {
	void (*each)(void *user, const struct desk_seen *s);
	void *user;
};

static void pass_device(void *call, const struct query_device *q)
{
	struct seen_call *c = call;
	struct desk_seen s = {.addr = q->addr,
		.has_mac = q->has_mac,
		.mac = q->mac,
		.first_ms = q->first_ms,
		.last_ms = q->last_ms,
		.allowed = q->allowed,
		.blocked = q->blocked};

	snprintf(s.name, sizeof s.name, "%s", q->name);
	c->each(c->user, &s);
}

int desk_devices(struct desk *d, uint64_t since_ms,
	void (*each)(void *user, const struct desk_seen *s), void *user)
{
	struct seen_call c = {each, user};

	return query_devices(d->query, since_ms, pass_device, &c);
}

static bool add_named(struct desk *d, struct slice who, struct row_filter *f)
{
	struct desk_image *i = desk_image_get(d);
	struct policy_found found = {0};

	if (!i)
		return false;
	policy_find_who(i->image, who, &found);
	for (size_t k = 0; k < found.n_devices && f->n_devices < FILTER_DEVICES; k++)
		row_text_set(f->devices[f->n_devices++], ROW_WORD,
			image_device_name(i->image, found.devices[k]));
	desk_image_put(d, i);
	return f->n_devices > 0;
}

bool desk_filter_who(struct desk *d, struct slice who, struct row_filter *f)
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
void desk_lists(struct desk *d, void (*each)(void *user, const struct desk_list *l), void *user)
{
	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < d->policy.lists.n; i++) {
		const struct list_fact *f = &d->policy.lists.all[i];
		struct desk_list l = {.name = f->name,
			.file = f->file,
			.names = f->names,
			.lines = f->lines,
			.broken = f->broken,
			.why = f->why,
			.kept = f->kept,
			.shrunk = f->shrunk,
			.good_ms = f->good_ms,
			.trouble = f->trouble};

		if (l.name)
			each(user, &l);
	}
	pthread_mutex_unlock(&d->lock);
}

/* --- revisions and secrets --- */

struct revision_call {
	void (*each)(void *user, const struct desk_revision *r);
	void *user;
};

static void pass_revision(void *call, const struct ledger_revision *l)
{
	struct revision_call *c = call;
	struct desk_revision r = {.number = l->number, .wall_ms = l->wall_ms, .kept = l->kept};

	snprintf(r.actor, sizeof r.actor, "%s", l->actor);
	c->each(c->user, &r);
}

int desk_policy_revisions(
	struct desk *d, void (*each)(void *user, const struct desk_revision *r), void *user)
{
	struct ledger_revision unkept[UNKEPT];
	struct revision_call c = {each, user};
	size_t n;

	pthread_mutex_lock(&d->lock);
	n = d->n_unkept;
	memcpy(unkept, d->unkept, n * sizeof *unkept);
	pthread_mutex_unlock(&d->lock);
	while (n > 0)
		pass_revision(&c, &unkept[--n]);
	return ledger_revisions(d->ledger, 200, pass_revision, &c);
}

int desk_ledger_set_aside(struct desk *d)
{
	return ledger_set_aside(d->ledger);
}

int desk_policy_revision_text(struct desk *d, uint32_t number, struct strbuf *text)
{
	return ledger_text(d->ledger, number, text);
}

int desk_secret(struct desk *d, const char *name, struct strbuf *value)
{
	return ledger_secret(d->ledger, name, value);
}

int desk_secret_set(struct desk *d, const char *name, const char *value)
{
	return ledger_secret_set(d->ledger, name, value);
}

int desk_session_put(struct desk *d, const struct desk_session *s)
{
	struct ledger_session l = {.born_ms = s->born_ms, .seen_ms = s->seen_ms};

	memcpy(l.digest, s->digest, sizeof l.digest);
	return ledger_session_put(d->ledger, &l);
}

int desk_session_get(struct desk *d, const char *digest, struct desk_session *out)
{
	struct ledger_session l;
	int rc = ledger_session_get(d->ledger, digest, &l);

	if (rc < 0)
		return rc;
	memcpy(out->digest, l.digest, sizeof out->digest);
	out->born_ms = l.born_ms;
	out->seen_ms = l.seen_ms;
	return 0;
}

int desk_session_drop(struct desk *d, const char *digest)
{
	return ledger_session_drop(d->ledger, digest);
}
