/* SPDX-License-Identifier: GPL-3.0-or-later
 * proxy.c - accepts, times and ends the connections of the proxy path.
 *
 * Owns: the connections. Thread: its worker's. Fails: a connection ends with RST, never the process.
 * See: docs/design/decision.md "The proxy path".
 */
#include "dataplane/proxy.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "act/dial.h"
#include "base/clock.h"
#include "base/log.h"
#include "intercept/synlog.h"
#include "intercept/tproxy.h"
#include "proxy_int.h"
#include "who/devices.h"
#include "who/neigh.h"

enum {
	ACCEPTS = 64,	  /* a turn, so that relays are not starved */
	SILENT_MS = 400,  /* a server-first protocol must not wait longer */
	LINGER_MS = 2000, /* after an answer */
	/* a client was accepted before its server is known to be there, and cannot try another address meanwhile: three SYNs that
	 * are sent again (after 1, 3 and 7 s) must do */
	DIAL_MS = 10000,
	SPARE_FDS = 64,
	REST_MS = 100,	 /* of the listeners, when no descriptor is left */
	SLICE_US = 1000, /* of judging relays again */
};

static void begin(struct proxy *p)
{
	p->c.turn(p->c.user);
}

static void finish(struct proxy *p)
{
	struct conn *c;

	while ((c = p->dead)) {
		p->dead = c->next;
		free(c->bytes);
		strbuf_fini(&c->answer);
		free(c);
	}
	p->c.done(p->c.user);
}

static void push_end(struct conn *c)
{
	struct event e = c->last;

	if (!c->requests)
		return;
	e.kind = EVENT_END;
	e.id = c->event_id;
	e.bytes_up = c->up.bytes;
	e.bytes_down = c->down.bytes;
	e.duration_ms = (uint32_t)(c->proxy->c.worker->now_ms - c->start_ms);
	dataplane_event_push(c->proxy->c.worker, &e);
}

static void close_fd(struct watch *w, bool orderly)
{
	struct linger soft = {0};

	if (w->fd < 0)
		return;
	loop_del(w);
	if (orderly) /* the default here is a RST: a killed relay must not look like an end */
		setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &soft, sizeof soft);
	close(w->fd);
	w->fd = -1;
}

void conn_close(struct conn *c, bool orderly)
{
	struct proxy *p = c->proxy;

	if (c->dead)
		return;
	c->dead = true;
	push_end(c);
	dataplane_live_forget(p->c.worker, c->live);
	c->live = 0;
	conn_undecided(c, false);
	quota_put(p->clients, c->quota);
	p->c.worker->counters.relays_ended++;
	close_fd(&c->client, orderly);
	close_fd(&c->server, orderly);
	loop_timer_clear(&c->timer);
	splice_fini(&c->up.pipe);
	splice_fini(&c->down.pipe);
	if (p->look == c)
		p->look = c->next;
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	p->n--;
	c->next = p->dead;
	p->dead = c;
}

static uint64_t due(const struct conn *c)
{
	const struct proxy_config *cfg = &c->proxy->c;
	uint64_t at = c->active_ms + cfg->idle_ms;

	if (c->state == CONN_LINGER)
		return c->active_ms + LINGER_MS;
	if (c->state == CONN_ANSWER)
		return c->answer_waits ? c->idle_since_ms + 1000 : c->active_ms + LINGER_MS;
	if (c->rested_ms && c->rested_ms < at)
		at = c->rested_ms;
	if (c->dialled && !c->connected)
		at = c->active_ms + DIAL_MS;
	if (c->deadline_ms && c->deadline_ms < at)
		at = c->deadline_ms;
	if (!c->greeted && !c->dialled && c->n == 0 && c->start_ms + SILENT_MS < at)
		at = c->start_ms + SILENT_MS;
	return at;
}

static void set_events(struct loop *l, struct watch *w, uint32_t *now, uint32_t want)
{
	if (w->fd < 0 || *now == want)
		return;
	*now = want;
	if (w->loop)
		loop_mod(w, want);
	else if (want && loop_add(l, w, want) != 0)
		*now = 0; /* tried again at the next turn of this connection */
}

static bool wants_client_bytes(const struct conn *c)
{
	if (c->up.eof || c->up.pipe.held)
		return false;
	switch ((enum conn_state)c->state) {
	case CONN_JUDGED:
		return c->n < c->proxy->c.hello_limit + 4096 &&
		       (c->offset + c->n > c->pass_to || c->n < 65536);
	case CONN_OPEN:
		return c->connected && c->n == 0;
	case CONN_ANSWER:
		return false;
	case CONN_LINGER:
		return true;
	}
	return false;
}

void conn_back_off(struct conn *c)
{
	struct dataplane_worker *w = c->proxy->c.worker;

	w->counters.relay_rests++;
	c->rested_ms = w->now_ms + REST_MS;
}

static void count_bytes(const struct conn *c)
{
	struct live *l = dataplane_live_get(c->proxy->c.worker, c->live);

	if (!l)
		return;
	l->bytes[0] = c->up.bytes;
	l->bytes[1] = c->down.bytes;
}

void conn_arm(struct conn *c)
{
	struct loop *loop = c->proxy->c.worker->loop;
	uint32_t client = 0, server = 0;

	if (c->dead)
		return;
	count_bytes(c);
	if (wants_client_bytes(c))
		client |= EPOLLIN;
	if (c->down.pipe.held || (c->state == CONN_ANSWER && !c->answer_waits))
		client |= EPOLLOUT;
	if (c->connected && !c->down.eof && !c->down.pipe.held)
		server |= EPOLLIN;
	if (c->rested_ms)
		client = server = 0;
	if (c->dialled && (!c->connected || c->up.pipe.held ||
				  (c->n && c->pass_to > c->offset && !c->up.shut)))
		server |= EPOLLOUT;
	set_events(loop, &c->client, &c->client_events, client);
	set_events(loop, &c->server, &c->server_events, server);
	loop_timer_set(loop, &c->timer, due(c));
}

static void on_timer(struct timer *t, uint64_t now)
{
	struct conn *c = t->user;
	struct proxy *p = c->proxy;

	begin(p);
	if (now < due(c)) {
		/* something happened since */
	} else if (c->rested_ms && now >= c->rested_ms) {
		c->rested_ms = 0;
		if (c->dial_waits)
			conn_dial(c);
	} else if (c->state == CONN_ANSWER && c->answer_waits) {
		c->answer_waits = false;
		conn_relay(c, false, false);
	} else if (c->state >= CONN_ANSWER || (c->dialled && !c->connected)) {
		conn_close(c, c->state == CONN_LINGER);
	} else if (c->deadline_ms && now >= c->deadline_ms) {
		conn_judge_evasive(c, ANOMALY_TIMEOUT);
	} else if (!c->greeted && !c->dialled && c->n == 0) {
		conn_judge_silent(c);
	} else {
		conn_close(c, false);
	}
	conn_arm(c);
	finish(p);
}

/* Both directions of this side are over, and nothing is wanted of it now: its HUP would wake us for ever, whatever is asked
 * for. What it still holds (the other end does not read, say) is asked for again once there is room. */
static void ignore_hup(struct watch *w, uint32_t events, uint32_t wanted)
{
	if ((events & EPOLLHUP) && !wanted && w->fd >= 0)
		loop_del(w);
}

static void on_client(struct watch *w, uint32_t events)
{
	struct conn *c = w->user;
	struct proxy *p = c->proxy;

	begin(p);
	c->active_ms = p->c.worker->now_ms;
	if (events & EPOLLERR)
		conn_close(c, false); /* RST: the server gets one too */
	else
		conn_relay(c, events & (EPOLLIN | EPOLLHUP), false);
	conn_arm(c);
	if (!c->dead)
		ignore_hup(w, events, c->client_events);
	finish(p);
}

static void on_server(struct watch *w, uint32_t events)
{
	struct conn *c = w->user;
	struct proxy *p = c->proxy;

	begin(p);
	c->active_ms = p->c.worker->now_ms;
	if (!c->connected && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
		if (dial_result(w->fd) != 0) {
			p->c.worker->counters.relay_failed++;
			conn_close(
				c, false); /* refused or unreachable: the client sees it as a RST */
		} else {
			c->connected = true;
		}
	} else if (events & EPOLLERR) {
		conn_close(c, false);
	}
	if (!c->dead)
		conn_relay(c, false, events & (EPOLLIN | EPOLLHUP));
	conn_arm(c);
	if (!c->dead)
		ignore_hup(w, events, c->server_events);
	finish(p);
}

static void know_who(struct conn *c)
{
	struct dataplane_worker *w = c->proxy->c.worker;
	size_t n;

	c->who = (struct policy_who){.device = -1, .n_addrs = 1};
	c->who.addrs[0] = c->flow.src;
	/* the kernel has learnt this client's MAC by now, and told, or tells */
	c->who.has_mac = neigh_find(w->neigh, &c->flow.src, &c->who.mac);
	if (c->who.has_mac) {
		n = devices_addrs_of(w->devices, &c->who.mac, c->who.addrs);
		c->who.n_addrs = n ? n : 1;
	}
	c->flow.has_mac = c->who.has_mac;
	c->flow.mac = c->who.mac;
}

/* One client's connections that wait for a verdict take its share of the table at most. */
bool conn_undecided(struct conn *c, bool yes)
{
	const struct proxy *p = c->proxy;
	uint32_t share = (uint32_t)((uint64_t)p->max * p->c.client_quota / 100);

	if (c->undecided == yes)
		return true;
	if (yes && !quota_below(c->quota, share ? share : 1, UINT64_MAX >> 1))
		return false;
	c->undecided = yes;
	quota_add(c->quota, yes ? 1 : -1, 0);
	return true;
}

/* All connections of one client take at most a quarter, once the table is half full. */
static bool has_room(const struct proxy *p, struct conn *c)
{
	return p->n < p->max &&
	       (p->n < p->max / 2 || quota_holds_below(c->quota, p->max / 4 + 1)) &&
	       conn_undecided(c, true);
}

static int conn_new(struct proxy *p, int fd)
{
	struct conn *c = calloc(1, sizeof *c);
	struct dataplane_worker *w = p->c.worker;
	int rc = -ENOMEM;

	if (!c)
		return rc;
	c->proxy = p;
	c->client = (struct watch){.fd = fd, .on_event = on_client, .user = c};
	c->server = (struct watch){.fd = -1, .on_event = on_server, .user = c};
	c->timer = (struct timer){.on_due = on_timer, .user = c};
	c->start_ms = c->active_ms = c->idle_since_ms = w->now_ms;
	c->flow = (struct flow){.proto = IPPROTO_TCP, .path = PATH_PROXY};
	splice_init(&c->up.pipe, &p->pipes);
	splice_init(&c->down.pipe, &p->pipes);
	stream_ident_init(&c->ident, p->c.hello_limit, &c->first);
	rc = tproxy_ends(fd, &c->flow.src, &c->flow.sport, &c->flow.dst, &c->flow.dport);
	if (rc == 0 && c->flow.dport == p->c.listen_port)
		rc = -ELOOP; /* straight to our own port: there is no original destination */
	if (rc == 0 && addr_is_v4(&c->flow.src) != addr_is_v4(&c->flow.dst))
		rc = -EAFNOSUPPORT; /* ::ffff:192.0.2.1 is not 192.0.2.1 */
	if (rc == 0) {
		/* what the owner has marked goes the same way on our leg */
		c->mark = synlog_take_mark(w->syns, &c->flow) & ~w->settings->mark_mask;
		know_who(c);
		rc = quota_get(p->clients, &c->flow, c->quota) ? 0 : -ENOMEM;
	}
	if (rc == 0 && !has_room(p, c)) {
		w->counters.relay_shed++;
		rc = -EMFILE;
	}
	if (rc == 0)
		rc = loop_add(w->loop, &c->client, EPOLLIN);
	if (rc != 0) {
		conn_undecided(c, false);
		quota_put(p->clients, c->quota);
		free(c);
		return rc;
	}
	c->client_events = EPOLLIN;
	c->next = p->conns;
	c->prev = &p->conns;
	if (c->next)
		c->next->prev = &c->next;
	p->conns = c;
	p->n++;
	w->counters.relays++;
	conn_arm(c);
	return 0;
}

/* No descriptor or memory is left: the listeners would wake us for nothing, again and again. */
static void back_off(struct proxy *p)
{
	struct dataplane_worker *w = p->c.worker;

	w->counters.relay_rests++;
	for (int i = 0; i < 2; i++)
		loop_del(&p->listener[i]);
	loop_timer_set(w->loop, &p->rested, w->now_ms + REST_MS);
}

static void on_listener(struct watch *l, uint32_t events)
{
	struct proxy *p = l->user;

	(void)events;
	begin(p);
	for (int i = 0; i < ACCEPTS; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
				      errno == ENOMEM)) {
			back_off(p);
			break;
		}
		if (fd < 0)
			break;
		if (conn_new(p, fd) != 0)
			close(fd); /* SO_LINGER is inherited: a RST */
	}
	finish(p);
}

/* Awake again: the backlog has held those who came meanwhile. */
static void on_rested(struct timer *t, uint64_t now)
{
	struct proxy *p = t->user;

	(void)now;
	for (int i = 0; i < 2; i++)
		if (p->listener[i].fd >= 0 && !p->listener[i].loop)
			loop_add(p->c.worker->loop, &p->listener[i], EPOLLIN);
}

/* New ones come in front, and were judged by the policy of now. */
static void on_again(struct timer *t, uint64_t now)
{
	struct proxy *p = t->user;

	uint64_t until = clock_mono_us() + SLICE_US;

	begin(p);
	for (int i = 0; p->look && (i % 8 || clock_mono_us() < until); i++) {
		struct conn *c = p->look;

		p->look = c->next;
		conn_judge_again(c);
	}
	if (p->look)
		loop_timer_set(p->c.worker->loop, t, now);
	finish(p);
}

void proxy_judge_again(struct proxy *p)
{
	struct dataplane_worker *w = p->c.worker;

	if (p->judgements == w->judgements)
		return;
	p->judgements = w->judgements;
	p->look = p->conns;
	loop_timer_set(w->loop, &p->again, w->now_ms);
}

bool proxy_cut(struct proxy *p, uint64_t id)
{
	struct conn *c;
	bool found;

	begin(p);
	for (c = p->conns; c && c->live != id;)
		c = c->next;
	found = c && dataplane_live_get(p->c.worker, id);
	if (found)
		conn_cut(c);
	finish(p);
	return found;
}

static uint32_t room(const struct proxy_config *c)
{
	struct rlimit r = {0};
	uint64_t by_files;

	getrlimit(RLIMIT_NOFILE, &r);
	/* of all workers' together: two sockets each, and two pipes (four files) while bytes flow */
	by_files = r.rlim_cur > 2 * SPARE_FDS ? (r.rlim_cur - SPARE_FDS) / 4 : 16;
	by_files /= c->workers ? c->workers : 1;
	return by_files < c->max_connections ? (uint32_t)by_files : c->max_connections;
}

int proxy_new(struct proxy **out, const struct proxy_config *c)
{
	struct proxy *p = calloc(1, sizeof *p);
	int rc = 0;

	if (!p)
		return -ENOMEM;
	p->c = *c;
	p->max = room(c);
	rc = quotas_new(&p->clients, p->max, &c->worker->settings->hash_key);
	p->rested = (struct timer){.on_due = on_rested, .user = p};
	p->again = (struct timer){.on_due = on_again, .user = p};
	for (int i = 0; i < 2 && rc == 0; i++) {
		p->listener[i] =
			(struct watch){.fd = c->listener[i], .on_event = on_listener, .user = p};
		if (c->listener[i] >= 0)
			rc = loop_add(c->worker->loop, &p->listener[i], EPOLLIN);
	}
	if (rc != 0) {
		proxy_free(p);
		return rc;
	}
	*out = p;
	return 0;
}

void proxy_free(struct proxy *p)
{
	if (!p)
		return;
	while (p->conns)
		conn_close(p->conns, false);
	finish(p);
	loop_timer_clear(&p->rested);
	loop_timer_clear(&p->again);
	splice_pool_fini(&p->pipes);
	for (int i = 0; i < 2; i++)
		loop_del(&p->listener[i]);
	quotas_free(p->clients);
	free(p);
}
