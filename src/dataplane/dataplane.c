/* SPDX-License-Identifier: GPL-3.0-or-later
 * dataplane.c - the dataplane process: start, worker threads, messages, heartbeat.
 *
 *   main thread: control socket, neighbours, heartbeat     worker i: queue i, listeners i, ring i, flows, relays
 *
 * Owns: struct dataplane. Thread: main; workers share nothing but the image slot, the devices (locked) and `beat`.
 * Fails: exit status. See: docs/design/processes.md.
 */
#include "dataplane/dataplane.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "act/inject.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/pace.h"
#include "base/ring.h"
#include "dataplane/image_slot.h"
#include "dataplane/proxy.h"
#include "dataplane/worker.h"
#include "intercept/conns.h"
#include "intercept/nfq.h"
#include "intercept/synlog.h"
#include "model/mark.h"
#include "model/message.h"
#include "netsetup/priv.h"
#include "who/devices.h"
#include "who/neigh.h"

enum {
	BEAT_MS = 250,
	WELL_MS = 3000,
	READ_MAX = 256,
	WORKERS = 64,
	FLOWS_MIN = 64,
	SYNS_MS = 100,
	SYNS_FLOOD_MS = 10,
	SYNS_FLOOD = 1000,
	CUTS = 64,
};

struct thread {
	struct dataplane *dataplane;
	struct dataplane_worker worker;
	struct proxy *proxy;
	struct image_ref *image;
	uint64_t image_generation, pushed;
	struct watch queue;
	struct timer beat;
	atomic_ullong beat_ms;
	atomic_uint revision; /* of the image it uses */
	pthread_mutex_t lock; /* counters */
	struct dataplane_counters counters;
	uint64_t cuts[CUTS]; /* live flows that somebody cuts; under lock */
	unsigned n_cuts;
	pthread_t id;
	bool started;
};

struct dataplane {
	const struct settings *s;
	struct dataplane_settings settings;
	struct inject inject;
	struct image_slot *images;
	struct devices *devices;
	struct neigh *neigh;
	struct synlog *syns;
	struct loop *loop;
	struct watch control, neighbours;
	struct pace syn_pace;
	struct timer beat;
	int signal_fd;
	uint32_t told; /* revision last reported as taken */
	struct thread *threads;
	unsigned n;
};

static void turn(void *user)
{
	struct thread *t = user;
	struct dataplane_worker *w = &t->worker;

	w->now_ms = loop_now_ms(w->loop);
	w->wall_ms = clock_wall_ms();
	w->image = image_slot_take(t->dataplane->images, &t->image, &t->image_generation);
	w->generation = t->image_generation;
	atomic_store(&t->revision, w->image ? image_revision(w->image) : 0);
}

/* The controller is woken when it sleeps without a time to wake up: under load it comes by itself (record/recorder.c). */
static void done(void *user)
{
	struct thread *t = user;
	uint64_t one = 1;

	if (t->worker.event_id == t->pushed)
		return;
	t->pushed = t->worker.event_id;
	if (!ring_is_awaited(t->worker.ring))
		return;
	if (write(t->dataplane->signal_fd, &one, sizeof one) < 0) {
		/* the counter is at its end: the controller has a reason to look already */
	}
}

static void on_packet(void *user, const struct nfq_packet *p)
{
	dataplane_packet(user, p);
}

static void on_queue(struct watch *w, uint32_t events)
{
	struct thread *t = w->user;
	int rc;

	(void)events;
	turn(t);
	rc = nfq_read(t->worker.nfq, READ_MAX, on_packet, &t->worker);
	if (rc < 0)
		log_warn("queue %u: %s", t->worker.index, strerror(-rc));
	done(t);
}

static void cut(struct thread *t)
{
	uint64_t ids[CUTS];
	unsigned n;

	pthread_mutex_lock(&t->lock);
	n = t->n_cuts;
	memcpy(ids, t->cuts, n * sizeof *ids);
	t->n_cuts = 0;
	pthread_mutex_unlock(&t->lock);
	for (unsigned i = 0; i < n; i++)
		if (!dataplane_live_cut(&t->worker, ids[i]))
			proxy_cut(t->proxy, ids[i]);
}

static void worker_beat(struct timer *tm, uint64_t now)
{
	struct thread *t = tm->user;

	turn(t);
	atomic_store(&t->beat_ms, now);
	pthread_mutex_lock(&t->lock);
	t->counters = t->worker.counters;
	pthread_mutex_unlock(&t->lock);
	proxy_judge_again(t->proxy);
	cut(t);
	done(t);
	loop_timer_set(t->worker.loop, tm, now + BEAT_MS);
}

static void *run(void *user)
{
	struct thread *t = user;
	char name[16] = "worker";

	name[6] = (char)('0' + t->worker.index / 10);
	name[7] = (char)('0' + t->worker.index % 10);
	name[8] = '\0';
	prctl(PR_SET_NAME, name);
	turn(t);
	loop_run(t->worker.loop);
	return NULL;
}

static int thread_queue(struct thread *t, int fd, unsigned i)
{
	struct dataplane_worker *w = &t->worker;
	int rc = nfq_adopt(fd, (uint16_t)(t->dataplane->s->queue_first + i), &w->nfq);

	if (rc != 0)
		return rc;
	fd_set_nonblock(nfq_socket(w->nfq));
	t->queue = (struct watch){.fd = nfq_socket(w->nfq), .on_event = on_queue, .user = t};
	return loop_add(w->loop, &t->queue, EPOLLIN);
}

static int thread_proxy(struct thread *t, const struct inherited *h, unsigned i)
{
	const struct settings *s = t->dataplane->s;
	struct proxy_config c = {.worker = &t->worker,
		.listener = {inherited_get(h, "listen4.%u", i), inherited_get(h, "listen6.%u", i)},
		.routes = inherited_get(h, "routes.%u", i),
		.listen_port = (uint16_t)s->listen_port,
		.source_gateway = s->source_gateway,
		.own_mark = mark_of(s->mark_mask, MARK_OWN),
		.idle_ms = s->idle_s * 1000,
		.hello_deadline_ms = s->hello_deadline_s * 1000,
		.hello_limit = s->hello_limit,
		.max_connections = s->flow_limit,
		.client_quota = s->client_quota,
		.workers = t->dataplane->n,
		.turn = turn,
		.done = done,
		.user = t};

	return proxy_new(&t->proxy, &c);
}

/* Where the supervisor's is none of ours, live flows are forgotten with this process. */
static void map_live(struct dataplane_worker *w, int fd)
{
	int rc = fd < 0 ? -EBADF : live_map(fd, true, 0, &w->live_map);

	if (rc != 0)
		log_warn("the table of live flows, worker %u: %s; it does not outlive this "
			 "dataplane, "
			 "and "
			 "nobody sees it",
			w->index, strerror(-rc));
}

static int thread_open(struct dataplane *g, unsigned i, const struct inherited *h)
{
	struct thread *t = &g->threads[i];
	struct dataplane_worker *w = &t->worker;
	int rc;

	t->dataplane = g;
	pthread_mutex_init(&t->lock, NULL);
	w->index = (uint8_t)i;
	w->settings = &g->settings;
	w->inject = &g->inject;
	w->devices = g->devices;
	w->neigh = g->neigh;
	w->syns = g->syns;
	rc = loop_new(&w->loop);
	if (rc == 0)
		rc = ring_map(inherited_get(h, "ring.%u", i), sizeof(struct event),
			EVENT_RING_ITEMS, &w->ring);
	if (rc == 0)
		rc = thread_queue(t, inherited_get(h, "queue.%u", i), i);
	if (rc == 0)
		rc = conns_adopt(inherited_get(h, "conns.%u", i), &w->conns);
	map_live(w, inherited_get(h, "live.%u", i));
	w->now_ms = clock_mono_ms();
	w->wall_ms = clock_wall_ms();
	/* decisions of an earlier dataplane keep their ids apart from ours */
	w->event_id = (w->wall_ms / 1000 & 0xffffff) << 32;
	t->pushed = w->event_id;
	if (rc == 0)
		rc = dataplane_worker_init(w);
	if (rc == 0)
		rc = thread_proxy(t, h, i);
	t->beat = (struct timer){.on_due = worker_beat, .user = t};
	atomic_store(&t->beat_ms, w->now_ms);
	return rc ? rc : loop_timer_set(w->loop, &t->beat, w->now_ms);
}

static void count(const struct dataplane *g, struct dataplane_counters *sum)
{
	memset(sum, 0, sizeof *sum);
	for (unsigned i = 0; i < g->n; i++) {
		struct thread *t = &g->threads[i];

		pthread_mutex_lock(&t->lock);
#define DATAPLANE_COUNTER(field, words) sum->field += t->counters.field;
#include "tbl/dataplane_counters.h"
#undef DATAPLANE_COUNTER
		pthread_mutex_unlock(&t->lock);
	}
}

static bool all_well(const struct dataplane *g, uint64_t now)
{
	for (unsigned i = 0; i < g->n; i++)
		if (now > atomic_load(&g->threads[i].beat_ms) + WELL_MS)
			return false;
	return true;
}

static void tell_taken(struct dataplane *g)
{
	uint32_t lowest = UINT32_MAX;
	struct message m = {.type = MESSAGE_TAKEN};

	for (unsigned i = 0; i < g->n; i++) {
		uint32_t r = atomic_load(&g->threads[i].revision);

		lowest = r < lowest ? r : lowest;
	}
	if (lowest == g->told || lowest == 0)
		return;
	g->told = m.revision = lowest;
	message_send(g->control.fd, &m, -1);
}

static void beat(struct timer *t, uint64_t now)
{
	struct dataplane *g = t->user;
	struct message m = {.type = MESSAGE_HEARTBEAT};

	if (all_well(g, now)) {
		count(g, &m.counters);
		message_send(g->control.fd, &m, -1);
	}
	tell_taken(g);
	loop_timer_set(g->loop, t, now + BEAT_MS);
}

static int start_threads(struct dataplane *g)
{
	for (unsigned i = 0; i < g->n; i++) {
		int rc = pthread_create(&g->threads[i].id, NULL, run, &g->threads[i]);

		if (rc != 0)
			return -rc;
		g->threads[i].started = true;
	}
	return 0;
}

/* The workers begin with the first image: without one they could only refuse what waited for them. */
static void take_image(struct dataplane *g, int fd)
{
	const char *why = "";
	int rc = image_slot_put(g->images, fd, &why);

	if (rc != 0) {
		log_error("policy image refused: %s (%s); the one in force stays", why,
			strerror(-rc));
		return;
	}
	if (!g->threads[0].started && start_threads(g) != 0) {
		log_error("the dataplane's threads cannot start");
		loop_stop(g->loop);
		return;
	}
	/* workers look at the counter when they wake; a beat is at most a quarter second away */
	for (unsigned i = 0; i < g->n; i++)
		loop_wake(g->threads[i].worker.loop);
}

/* Its worker looks at its next beat. More at once than it has room for are not carried out, and whoever asked sees that. */
static void take_cut(struct dataplane *g, uint64_t flow)
{
	unsigned i = flow >> 24 & 0xff;
	struct thread *t = i < g->n ? &g->threads[i] : NULL;

	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	if (t->n_cuts < CUTS)
		t->cuts[t->n_cuts++] = flow;
	pthread_mutex_unlock(&t->lock);
}

static void on_control(struct watch *w, uint32_t events)
{
	struct dataplane *g = w->user;
	struct message m;
	int fd, rc;

	(void)events;
	while ((rc = message_recv(w->fd, &m, &fd)) == 0) {
		if (m.type == MESSAGE_IMAGE && fd >= 0)
			take_image(g, fd);
		else if (m.type == MESSAGE_CUT)
			take_cut(g, m.flow);
		else if (m.type == MESSAGE_STOP)
			loop_stop(g->loop);
		if (fd >= 0)
			close(fd);
	}
	if (rc != -EAGAIN && rc != -EWOULDBLOCK)
		loop_stop(g->loop); /* the supervisor is gone: nobody holds us any more */
}

static void on_neighbours(struct watch *w, uint32_t events)
{
	struct dataplane *g = w->user;
	int rc = neigh_read(g->neigh);

	(void)events;
	if (rc != 0) {
		log_warn("neighbour table: %s; devices are known by their packets only",
			strerror(-rc));
		loop_del(w);
	}
}

/* Who looks up a connection reads them first (synlog_find), so that they need not be read at once: this keeps the socket from
 * filling up with the SYNs of connections of which nothing more comes. */
static void on_syns(struct pace *p)
{
	struct dataplane *g = p->user;

	p->pause_ms = synlog_read(g->syns) > SYNS_FLOOD ? SYNS_FLOOD_MS : SYNS_MS;
}

static int fill_settings(struct dataplane *g)
{
	const struct settings *s = g->s;
	uint8_t seed[16];

	g->settings = (struct dataplane_settings){.mark_mask = s->mark_mask,
		.inspect_tcp = s->inspect_tcp,
		.starttls_tcp = s->starttls_tcp,
		.inspect_udp = s->inspect_udp,
		.proxy_tcp = s->proxy_tcp,
		.hello_deadline_ms = s->hello_deadline_s * 1000,
		.hello_max_bytes = s->hello_limit,
		.crypto_max_bytes = s->crypto_limit,
		.client_quota = s->client_quota,
		.flows_max = s->flow_limit / g->n > FLOWS_MIN ? s->flow_limit / g->n : FLOWS_MIN};
	if (getrandom(seed, sizeof seed, 0) != sizeof seed)
		return -EIO;
	hash_key_set(&g->settings.hash_key, seed);
	return 0;
}

static int open_shared(struct dataplane *g, const struct inherited *h)
{
	int fds[INJECT_SOCKETS], rc;

	for (unsigned i = 0; i < INJECT_SOCKETS; i++)
		fds[i] = inherited_get(h, "inject.%u", i);
	inject_adopt(&g->inject, fds);
	g->signal_fd = inherited_get(h, "signal");
	rc = fill_settings(g);
	if (rc == 0)
		rc = loop_new(&g->loop);
	if (rc == 0)
		rc = image_slot_new(&g->images);
	if (rc == 0)
		rc = devices_new(&g->devices, DEVICES_MAX);
	if (rc == 0)
		rc = neigh_new(&g->neigh, inherited_get(h, "neigh"), g->devices);
	if (rc == 0)
		rc = synlog_adopt(inherited_get(h, "syns"), &g->settings.hash_key, &g->syns);
	if (rc != 0)
		return rc;
	g->syn_pace = (struct pace){
		.fd = synlog_fd(g->syns), .pause_ms = SYNS_MS, .on_ready = on_syns, .user = g};
	g->control = (struct watch){
		.fd = inherited_get(h, "control"), .on_event = on_control, .user = g};
	g->neighbours = (struct watch){
		.fd = inherited_get(h, "neigh"), .on_event = on_neighbours, .user = g};
	g->beat = (struct timer){.on_due = beat, .user = g};
	rc = loop_add(g->loop, &g->control, EPOLLIN);
	if (rc == 0)
		rc = loop_add(g->loop, &g->neighbours, EPOLLIN);
	if (rc == 0)
		rc = pace_start(g->loop, &g->syn_pace);
	return rc ? rc : loop_timer_set(g->loop, &g->beat, clock_mono_ms());
}

/* The sockets by which it asks the kernel, and changes nothing: docs/SECURITY.md. */
static int bind_asking(const struct dataplane *g, const struct inherited *h)
{
	int fds[WORKERS + 1] = {inherited_get(h, "neigh")};

	for (unsigned i = 0; i < g->n; i++)
		fds[i + 1] = inherited_get(h, "routes.%u", i);
	return priv_seccomp_asking(fds, g->n + 1);
}

static int give_up_rights(const struct dataplane *g, const struct inherited *h)
{
	struct priv_drop drop = {
		.keep = PRIV_CAPS_DATAPLANE, .empty_root = g->s->run_dir, .parent_death = SIGKILL};
	pid_t parent = getppid();
	uint64_t files;
	int rc = priv_user_find(g->s->dataplane_user, &drop.user);

	priv_limit_files(&files);
	if (rc == 0)
		rc = priv_drop(&drop);
	if (rc == 0 && getppid() != parent)
		rc = -ESRCH;
	if (rc == 0)
		rc = bind_asking(g, h);
	if (rc == 0)
		rc = priv_seccomp(PRIV_DATAPLANE);
	return rc;
}

static void stop_threads(struct dataplane *g)
{
	for (unsigned i = 0; i < g->n; i++) {
		struct thread *t = &g->threads[i];

		if (!t->started)
			continue;
		loop_stop(t->worker.loop);
		loop_wake(t->worker.loop);
		pthread_join(t->id, NULL);
		proxy_free(t->proxy);
		dataplane_worker_fini(&t->worker);
		conns_free(t->worker.conns);
	}
}

/* What the busiest moment took is not given back and asked for again. (Flows have a pool of their own: base/pool.h.) */
static void keep_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	mallopt(M_MMAP_THRESHOLD, 16 << 20);
#endif
}

int dataplane_main(const struct settings *s, const struct inherited *h)
{
	static struct dataplane dataplane;
	struct dataplane *g = &dataplane;
	struct message ready = {.type = MESSAGE_READY};
	int rc;

	keep_memory();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the whole group; the supervisor says when */
	g->s = s;
	while (g->n < WORKERS && inherited_get(h, "queue.%u", g->n) >= 0)
		g->n++;
	g->threads = calloc(g->n ? g->n : 1, sizeof *g->threads);
	rc = g->threads && g->n ? open_shared(g, h) : -EINVAL;
	for (unsigned i = 0; i < g->n && rc == 0; i++)
		rc = thread_open(g, i, h);
	if (rc == 0)
		rc = give_up_rights(g, h);
	if (rc == 0)
		rc = message_send(g->control.fd, &ready, -1);
	if (rc != 0) {
		log_error("the dataplane cannot start: %s", strerror(-rc));
		return 1;
	}
	rc = loop_run(g->loop);
	stop_threads(g);
	return rc == 0 ? 0 : 1;
}
