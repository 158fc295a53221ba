/* SPDX-License-Identifier: GPL-3.0-or-later
 * policy_store.c - puts policies in force: reload, check, apply, revisions.
 *
 *   text -> policy_load (errors: nothing changes) -> sealed image -> admin store (revision, FULL) -> file -> last good -> supervisor
 *
 * What comes next, and under which number, is decided by revision_step.c; this file carries it out. Every policy that was in
 * force has a number. The last good image and its text lie in the state directory for a start with a bad file.
 *
 * Owns: the policy thread. Thread: the public calls any; controller->policy_lock lets one job at a time. Fails: -errno; a failure leaves
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

/* What the dataplane has of it. */
static void note_dataplane(struct controller *d, enum revision_on what, uint32_t revision)
{
	struct revision_event e = {.what = what, .number = revision};
	struct revision_effects none;

	pthread_mutex_lock(&d->lock);
	revision_step(&d->revision, &e, &none);
	pthread_cond_broadcast(&d->taken);
	pthread_mutex_unlock(&d->lock);
}

static void send_image(struct controller *d, const struct snapshot *b)
{
	struct message m = {.type = MESSAGE_IMAGE,
		.revision = b->pub.revision,
		.fail_open = image_fail_open(b->pub.image),
		.judges_all = image_judges_all(b->pub.image)};
	int rc;

	note_dataplane(d, REVISION_SENT, 0);
	rc = main_loop_send(d, &m, b->fd);
	if (rc < 0)
		log_error("the policy image did not reach the supervisor: %s", strerror(-rc));
}

static void note_facts(struct controller *d, const struct diag *diag, bool loaded)
{
	pthread_mutex_lock(&d->lock);
	d->policy.file_errors = diag->errors;
	d->policy.file_warnings = diag->warnings;
	if (loaded)
		d->policy.loaded_ms = clock_wall_ms();
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

/* --- a job: what revision_step() says, one thing after another --- */

struct job {
	struct controller *d;
	const struct controller_apply *apply; /* NULL: a load */
	const char *actor, *accept;
	struct strbuf file;
	struct slice text;
	struct policy_loaded loaded;
	struct snapshot *box;
	struct revision_event next; /* what the last effect came to */
	bool answered;
	int status;
	uint32_t number;
};

static void answer(struct job *j, enum revision_on what, int status)
{
	j->next = (struct revision_event){.what = what, .status = status};
	j->answered = true;
}

static void do_read(struct job *j)
{
	int rc = read_policy(j->d, &j->file);

	if (rc < 0) {
		diag_add(&j->loaded.diag, DIAG_ERROR, 0, 0, 0, "the file cannot be read: %s",
			strerror(-rc));
		log_findings(j->d, &j->loaded.diag);
	}
	j->text = slice_buf(&j->file);
	answer(j, REVISION_READ, rc);
	if (rc == 0)
		admin_store_digest(j->text, j->next.digest);
}

static void do_compile(struct job *j, uint32_t number)
{
	int rc = compile(j->d, j->text, number, false, j->accept, &j->loaded);

	if (!j->apply)
		log_findings(j->d, &j->loaded.diag);
	if (rc == 0)
		rc = snapshot_new(j->loaded.image, j->loaded.image_size, &j->box);
	answer(j, REVISION_COMPILED, rc);
}

static void do_publish(struct job *j, uint32_t number)
{
	struct controller *d = j->d;
	struct snapshot *b = j->box;

	if (j->apply)
		log_findings(d, &j->loaded.diag);
	rules_moved(d, b->pub.image, number, j->apply);
	note_facts(d, &j->loaded.diag, true);
	save_good(d, b, j->text);
	note_lists(d, &j->loaded);
	j->box = NULL; /* the list's now */
	controller_snapshot_publish(d, b);
	send_image(d, b);
	log_note("policy revision %u is in force (%s)", number, j->actor);
}

static void do_last_good(struct job *j)
{
	struct snapshot *b = NULL;
	int rc = snapshot_load(j->d->image_path, &b);
	uint32_t number = rc == 0 ? b->pub.revision : 0;

	if (rc == 0) {
		controller_snapshot_publish(j->d, b);
		send_image(j->d, b);
	}
	answer(j, REVISION_GOOD, rc);
	j->next.number = number;
}

static void say_stays(struct job *j)
{
	log_warn("the last good policy stays in force; `durwardctl check %s` tells what is wrong "
		 "with the file",
		j->d->in.policy_path);
	note_facts(j->d, &j->loaded.diag, false);
}

static void say_none(struct job *j)
{
	struct message none = {.type = MESSAGE_NO_POLICY};

	log_error("no policy is in force: %s is not usable and no good one was saved; `durwardctl "
		  "check %s` tells why",
		j->d->in.policy_path, j->d->in.policy_path);
	note_facts(j->d, &j->loaded.diag, false);
	main_loop_send(j->d, &none, -1);
}

static void carry(struct job *j, const struct revision_effect *f)
{
	struct controller *d = j->d;

	switch (f->what) {
	case REVISION_DO_READ:
		do_read(j);
		break;
	case REVISION_DO_COMPARE:
		answer(j, REVISION_READ, check_etag(d, j->apply->etag));
		break;
	case REVISION_DO_COMPILE:
		do_compile(j, f->number);
		break;
	case REVISION_DO_KEEP:
		answer(j, REVISION_KEPT, revisions_keep(d, f->number, j->text, j->actor));
		break;
	case REVISION_DO_WRITE:
		answer(j, REVISION_WRITTEN, file_write_atomic(d->in.policy_path, j->text, 0640));
		break;
	case REVISION_DO_TAKE_BACK:
		revisions_take_back(d, f->number);
		break;
	case REVISION_DO_FORCE:
		revisions_in_force(d, f->number, j->text, j->actor);
		break;
	case REVISION_DO_PUBLISH:
		do_publish(j, f->number);
		break;
	case REVISION_DO_LAST_GOOD:
		do_last_good(j);
		break;
	case REVISION_DO_STAYS:
		say_stays(j);
		break;
	case REVISION_DO_NONE:
		say_none(j);
		break;
	case REVISION_DO_DONE:
		j->status = f->status;
		j->number = f->number;
		break;
	}
}

static void take(struct job *j, const struct revision_event *e)
{
	struct revision_effects out;

	j->answered = false;
	pthread_mutex_lock(&j->d->lock);
	revision_step(&j->d->revision, e, &out);
	pthread_mutex_unlock(&j->d->lock);
	for (unsigned i = 0; i < out.n; i++)
		carry(j, &out.all[i]);
}

static int run_job(struct job *j, struct diag *diag, uint32_t *revision)
{
	struct controller *d = j->d;
	struct revision_event e = {.what = j->apply ? REVISION_APPLY : REVISION_LOAD};

	pthread_mutex_lock(&d->policy_lock);
	e.number = revisions_known(d);
	if (j->apply)
		admin_store_digest(j->text, e.digest);
	take(j, &e);
	while (j->answered) {
		e = j->next;
		take(j, &e);
	}
	pthread_mutex_unlock(&d->policy_lock);
	snapshot_drop(j->box);
	hand_over(&j->loaded, diag);
	policy_loaded_fini(&j->loaded);
	strbuf_fini(&j->file);
	if (revision && (j->apply || j->status == 0))
		*revision = j->number;
	return j->status;
}

int policy_store_load(struct controller *d, const char *actor, const char *accept,
	struct diag *diag, uint32_t *revision)
{
	struct job j = {.d = d, .actor = actor, .accept = accept};

	return run_job(&j, diag, revision);
}

void policy_store_taken(struct controller *d, uint32_t revision)
{
	note_dataplane(d, REVISION_TAKEN, revision);
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

int controller_policy_apply(struct controller *d, const struct controller_apply *a,
	const char *actor, struct diag *diag, uint32_t *revision)
{
	struct job j = {.d = d, .apply = a, .text = a->text, .actor = actor, .accept = a->accept};

	if (!d->in.policy_edit)
		return -EROFS;
	if (a->text.n > POLICY_BYTES)
		return -EFBIG;
	return run_job(&j, diag, revision);
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
		d->revision.taken < revision)
		rc = pthread_cond_timedwait(&d->taken, &d->lock, &until);
	taken = d->revision.taken >= revision;
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
