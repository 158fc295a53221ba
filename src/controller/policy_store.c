/* SPDX-License-Identifier: GPL-3.0-or-later
 * policy_store.c - puts policies in force: reload, check, apply, revisions.
 *
 *   text -> policy_load (errors: nothing changes) -> sealed image -> admin store (revision, FULL) -> file -> last good -> supervisor
 *
 * Every policy that was in force has a number (revisions.c). The last good image and its text lie in the state directory for a
 * start with a bad file.
 * Owns: the policy thread. Thread: doors any; controller->policy_lock lets one job at a time. Fails: -errno; a failure leaves
 * file, image and admin store as they were.
 */
#include "controller_int.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"

enum { TEND_MS = 3000 };

static uint64_t etag_of(struct slice text)
{
	return hash_fnv(text.p, text.n, HASH_FNV_START);
}

static struct slice slice_buf(const struct strbuf *b)
{
	return slice_of(b->s, b->n);
}

static int read_policy(struct controller *d, struct strbuf *text)
{
	return file_read(d->in.policy_path, POLICY_BYTES, text);
}

/* A number names one image: with one in force, the next gets the next number even where the text is the same, for its
 * lists may have changed. A start with the text that was last in force keeps its number. */
static bool needs_number(struct controller *d)
{
	struct controller_snapshot *i = controller_snapshot_get(d);

	controller_snapshot_put(d, i);
	return i != NULL;
}

static int compile(struct controller *d, struct slice text, uint32_t number, bool check_only,
	const char *accept, struct policy_loaded *out)
{
	struct cidr nets[LOCAL_NETS];
	struct policy_load_in in = {.path = d->in.policy_path,
		.text = &text,
		.local_nets = nets,
		.n_local_nets = local_nets(nets, LOCAL_NETS),
		.revision = number,
		.check_only = check_only,
		.good_dir = d->good_lists,
		.accept = accept};

	return policy_load(&in, out);
}

/* Moves the findings to the caller's list, if there is one. */
static void hand_over(struct policy_loaded *l, struct diag *to)
{
	if (!to)
		return;
	diag_fini(to);
	*to = l->diag;
	l->diag = (struct diag){0};
}

static void save_good(struct controller *d, const struct snapshot *b, struct slice text)
{
	int rc = file_write_atomic(d->image_path, slice_of(b->map, b->size), 0600);

	if (rc == 0)
		rc = file_write_atomic(d->good_path, text, 0600);
	if (rc < 0)
		log_warn("the last good policy could not be saved in %s: %s", d->in.state_dir,
			strerror(-rc));
}

static void send_image(struct controller *d, const struct snapshot *b)
{
	struct message m = {.type = MESSAGE_IMAGE,
		.revision = b->pub.revision,
		.fail_open = image_fail_open(b->pub.image),
		.judges_all = image_judges_all(b->pub.image)};
	int rc;

	pthread_mutex_lock(&d->lock);
	d->revision_taken = 0;
	pthread_mutex_unlock(&d->lock);
	rc = main_loop_send(d, &m, b->fd);
	if (rc < 0)
		log_error("the policy image did not reach the supervisor: %s", strerror(-rc));
}

static void note_facts(
	struct controller *d, enum controller_policy_state state, const struct diag *diag)
{
	pthread_mutex_lock(&d->lock);
	d->policy.state = state;
	d->policy.file_errors = diag->errors;
	d->policy.file_warnings = diag->warnings;
	if (state == CONTROLLER_POLICY_IN_FORCE)
		d->policy.loaded_ms = clock_wall_ms();
	else
		d->policy.load_failures++;
	pthread_mutex_unlock(&d->lock);
}

/* What is wrong with a list itself stands among the findings. */
static void log_lists(const struct list_facts *lists)
{
	for (size_t i = 0; i < lists->n; i++) {
		const struct list_fact *f = &lists->all[i];

		if (f->failure)
			log_warn("list %s: its last good copy could not be kept in %s: %s", f->name,
				f->copy, strerror(-f->failure));
	}
}

/* The lists that came with the policy in force, for whoever asks. */
static void note_lists(struct controller *d, struct policy_loaded *l)
{
	struct list_facts old;

	policy_load_keep(l, d->good_lists);
	log_lists(&l->lists);
	pthread_mutex_lock(&d->lock);
	old = d->policy.lists;
	d->policy.lists = l->lists;
	l->lists = (struct list_facts){0};
	pthread_mutex_unlock(&d->lock);
	list_facts_fini(&old);
}

static void put_in_force(
	struct controller *d, struct snapshot *b, struct policy_loaded *l, struct slice text)
{
	note_facts(d, CONTROLLER_POLICY_IN_FORCE, &l->diag);
	save_good(d, b, text);
	note_lists(d, l);
	controller_snapshot_publish(d, b);
	send_image(d, b);
}

/* --- a bad file --- */

static int use_last_good(struct controller *d)
{
	struct snapshot *b = NULL;
	int rc = snapshot_load(d->image_path, &b);

	if (rc < 0)
		return rc;
	controller_snapshot_publish(d, b);
	send_image(d, b);
	return 0;
}

/* After a failed reading: what is in force stays; at the start the last good one is taken. */
static void fall_back(struct controller *d, const struct diag *diag)
{
	struct controller_snapshot *now = controller_snapshot_get(d);
	struct message none = {.type = MESSAGE_NO_POLICY};
	enum controller_policy_state state = CONTROLLER_POLICY_LAST_GOOD;

	if (!now && use_last_good(d) < 0) {
		state = CONTROLLER_POLICY_NONE;
		log_error("no policy is in force: %s is not usable and no good one was "
			  "saved; `durwardctl check %s` tells why",
			d->in.policy_path, d->in.policy_path);
		main_loop_send(d, &none, -1);
	} else {
		log_warn("the last good policy stays in force; `durwardctl check %s` tells "
			 "what is wrong with the file",
			d->in.policy_path);
	}
	note_facts(d, state, diag);
	controller_snapshot_put(d, now);
}

static void log_findings(struct controller *d, const struct diag *diag)
{
	struct strbuf b = {0}, safe = {0};
	const char *line;
	size_t shown = 0;

	diag_print(diag, d->in.policy_path, &b);
	for (line = strbuf_text(&b); *line && shown < 20; shown++) {
		size_t n = strcspn(line, "\n");
		strbuf_reset(&safe);
		strbuf_escaped(&safe, slice_of(line, n));
		log_warn("%s", strbuf_text(&safe));
		line += n + (line[n] == '\n');
	}
	strbuf_fini(&b);
	strbuf_fini(&safe);
}

/* --- the jobs --- */

static int load_locked(struct controller *d, const char *actor, const char *accept,
	struct diag *diag, uint32_t *revision)
{
	struct policy_loaded l = {0};
	struct snapshot *b = NULL;
	struct strbuf text = {0};
	uint32_t number = 0;
	bool again = needs_number(d);
	int rc = read_policy(d, &text);

	if (rc < 0) {
		diag_add(
			&l.diag, DIAG_ERROR, 0, 0, 0, "the file cannot be read: %s", strerror(-rc));
		rc = -EINVAL;
	} else {
		number = revisions_number(d, slice_buf(&text), again);
		rc = compile(d, slice_buf(&text), number, false, accept, &l);
	}
	log_findings(d, &l.diag);
	if (rc == 0)
		rc = snapshot_new(l.image, l.image_size, &b);
	if (rc < 0) {
		fall_back(d, &l.diag);
	} else {
		revisions_in_force(d, number, slice_buf(&text), actor);
		rules_moved(d, b->pub.image, number, false);
		put_in_force(d, b, &l, slice_buf(&text));
		*revision = number;
		log_note("policy revision %u is in force (%s)", number, actor);
	}
	hand_over(&l, diag);
	policy_loaded_fini(&l);
	strbuf_fini(&text);
	return rc;
}

int policy_store_load(struct controller *d, const char *actor, const char *accept,
	struct diag *diag, uint32_t *revision)
{
	uint32_t ignored;
	int rc;

	pthread_mutex_lock(&d->policy_lock);
	rc = load_locked(d, actor, accept, diag, revision ? revision : &ignored);
	pthread_mutex_unlock(&d->policy_lock);
	return rc;
}

int controller_policy_reload(struct controller *d, const char *actor, const char *accept,
	struct diag *diag, uint32_t *revision)
{
	return policy_store_load(d, actor, accept, diag, revision);
}

int controller_policy_check(struct controller *d, struct slice text, struct diag *diag)
{
	struct policy_loaded l = {0};
	int rc;

	if (text.n > POLICY_BYTES)
		return -EFBIG;
	rc = compile(d, text, 1, true, NULL, &l);
	hand_over(&l, diag);
	policy_loaded_fini(&l);
	return rc;
}

/* The file is still what the editor saw. A missing file counts as the empty text. */
static int check_etag(struct controller *d, uint64_t etag)
{
	struct strbuf now = {0};
	int rc = read_policy(d, &now);

	if (rc == 0 || rc == -ENOENT)
		rc = etag_of(slice_buf(&now)) == etag ? 0 : -ESTALE;
	strbuf_fini(&now);
	return rc;
}

/* The revision is kept before the file is written: neither happens without the other. */
static int keep(struct controller *d, uint32_t number, struct slice text, const char *actor)
{
	int rc = revisions_keep(d, number, text, actor);

	if (rc < 0)
		return rc;
	rc = file_write_atomic(d->in.policy_path, text, 0640);
	if (rc < 0)
		revisions_take_back(d, number);
	else
		revisions_in_force(d, number, text, actor);
	return rc;
}

static int apply_locked(struct controller *d, const struct controller_apply *a, const char *actor,
	struct diag *diag, uint32_t *revision)
{
	struct policy_loaded l = {0};
	struct snapshot *b = NULL;
	int rc = check_etag(d, a->etag);

	*revision = revisions_number(d, a->text, needs_number(d));
	if (rc == 0)
		rc = compile(d, a->text, *revision, false, a->accept, &l);
	if (rc == 0)
		rc = snapshot_new(l.image, l.image_size, &b);
	if (rc == 0)
		rc = keep(d, *revision, a->text, actor);
	if (rc == 0) {
		log_findings(d, &l.diag);
		rules_moved(d, b->pub.image, *revision, true);
		put_in_force(d, b, &l, a->text);
		log_note("policy revision %u is in force (%s)", *revision, actor);
	} else {
		snapshot_drop(b);
	}
	hand_over(&l, diag);
	policy_loaded_fini(&l);
	return rc;
}

int controller_policy_apply(struct controller *d, const struct controller_apply *a,
	const char *actor, struct diag *diag, uint32_t *revision)
{
	int rc;

	if (!d->in.policy_edit)
		return -EROFS;
	if (a->text.n > POLICY_BYTES)
		return -EFBIG;
	pthread_mutex_lock(&d->policy_lock);
	rc = apply_locked(d, a, actor, diag, revision);
	pthread_mutex_unlock(&d->policy_lock);
	return rc;
}

int controller_policy_text(
	struct controller *d, struct strbuf *text, uint32_t *revision, uint64_t *etag)
{
	struct controller_snapshot *i = controller_snapshot_get(d);
	int rc = read_policy(d, text);

	*revision = i ? i->revision : 0;
	controller_snapshot_put(d, i);
	*etag = etag_of(slice_buf(text));
	return rc;
}

bool controller_policy_await(struct controller *d, uint32_t revision, uint32_t max_ms)
{
	uint64_t end = clock_mono_ms() + max_ms;
	struct timespec until = {
		.tv_sec = (time_t)(end / 1000), .tv_nsec = (long)(end % 1000) * 1000000};
	bool taken;
	int rc = 0;

	pthread_mutex_lock(&d->lock);
	while (rc == 0 && d->supervisor_seen && d->supervisor.dataplane_pid > 0 &&
		d->revision_taken < revision)
		rc = pthread_cond_timedwait(&d->taken, &d->lock, &until);
	taken = d->revision_taken >= revision;
	pthread_mutex_unlock(&d->lock);
	return taken;
}

/* --- the thread --- */

/* True after TEND_MS in which nothing was wanted. */
static bool waited(struct controller *d)
{
	uint64_t end = clock_mono_ms() + TEND_MS;
	struct timespec until = {
		.tv_sec = (time_t)(end / 1000), .tv_nsec = (long)(end % 1000) * 1000000};

	return pthread_cond_timedwait(&d->policy_wanted, &d->lock, &until) == ETIMEDOUT;
}

/* What could not be kept is tried again: here, for a disk may take seconds, and the main loop's heart must beat. */
static void tend(struct controller *d)
{
	pthread_mutex_lock(&d->policy_lock);
	revisions_tend(d);
	pthread_mutex_unlock(&d->policy_lock);
}

static void *run(void *controller)
{
	struct controller *d = controller;

	pthread_setname_np(pthread_self(), "policy");
	pthread_mutex_lock(&d->lock);
	while (!d->want_stop) {
		bool load = d->want_load;

		if (!load && !waited(d))
			continue;
		d->want_load = false;
		pthread_mutex_unlock(&d->lock);
		if (load)
			policy_store_load(d, "file", NULL, NULL, NULL);
		else
			tend(d);
		pthread_mutex_lock(&d->lock);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

/* What kills left of files that were being written. */
static void tidy(struct controller *d)
{
	file_sweep(d->in.policy_path);
	file_sweep(d->image_path);
	file_sweep(d->good_path);
	policy_load_tidy(d->good_lists);
}

int policy_store_start(struct controller *d)
{
	int rc;

	tidy(d);
	d->want_load = true;
	rc = pthread_create(&d->policy_thread, NULL, run, d);
	d->policy_thread_runs = rc == 0;
	return -rc;
}

void policy_store_want(struct controller *d)
{
	pthread_mutex_lock(&d->lock);
	d->want_load = true;
	pthread_cond_signal(&d->policy_wanted);
	pthread_mutex_unlock(&d->lock);
}

void policy_store_stop(struct controller *d)
{
	if (!d->policy_thread_runs)
		return;
	pthread_mutex_lock(&d->lock);
	d->want_stop = true;
	pthread_cond_signal(&d->policy_wanted);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->policy_thread, NULL);
}
