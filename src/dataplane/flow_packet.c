/* SPDX-License-Identifier: GPL-3.0-or-later
 * flow_packet.c - takes one queued packet: what it is, its direction, the path that judges it. It also starts and ends a worker.
 *
 * Owns: the worker's table and its own part. Thread: its worker's. Fails: init only. See: docs/design/hooks.md.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dataplane/ask.h"
#include "flow_int.h"

static uint32_t mark_with(const struct seen *s, uint8_t conn_bits)
{
	uint32_t mask = s->w->settings->mark_mask;

	return (s->p->mark & ~mask) | mark_of(mask, conn_bits | MARK_JUDGED);
}

void flow_pass(struct seen *s, uint8_t conn_bits)
{
	s->done = true;
	s->w->counters.passed++;
	nfq_verdict(s->w->nfq, s->p->id, NFQ_ACCEPT, true, mark_with(s, conn_bits));
}

void flow_pass_as(struct seen *s, uint8_t conn_bits, struct slice bytes)
{
	if (nfq_verdict_edited(s->w->nfq, s->p->id, mark_with(s, conn_bits), bytes) != 0) {
		flow_drop(s);
		return;
	}
	s->done = true;
	s->w->counters.passed++;
	s->w->counters.edited++;
}

void flow_pass_bare(struct seen *s, uint8_t conn_bits)
{
	uint8_t *copy = s->w->own->edited;
	size_t n = s->p->payload.n;

	if (s->k.payload.n == 0) {
		flow_pass(s, conn_bits);
		return;
	}
	memcpy(copy, s->p->payload.p, n);
	n = packet_edit_trim(copy, &s->k, s->p->checksum_not_ready);
	flow_pass_as(s, conn_bits, slice_of(copy, n));
}

void flow_drop(struct seen *s)
{
	s->done = true;
	s->w->counters.dropped++;
	nfq_verdict(s->w->nfq, s->p->id, NFQ_DROP, false, 0);
}

static void free_parts(void *user, struct flow_rec *r)
{
	flow_tcp_free(user, r->tcp);
	flow_udp_free(user, r->udp);
}

static void evicted(void *user, struct flow_rec *r)
{
	struct dataplane_worker *w = user;

	w->counters.evicted += r->state == FLOW_PENDING;
}

static void on_sweep(struct timer *t, uint64_t now_ms)
{
	struct dataplane_worker *w = t->user;

	w->now_ms = now_ms;
	dataplane_sweep(w);
	loop_timer_set(w->loop, t, now_ms + SWEEP_MS);
}

/* What a dead dataplane had read and not answered would wait for ever: all below the first id that we read, or all there is
 * when nothing waits to be read. */
static void clear_left(struct dataplane_worker *w, uint32_t first_id)
{
	int rc;

	if (w->own->cleared)
		return;
	w->own->cleared = true;
	rc = nfq_drop_before(w->nfq, first_id);
	if (rc != 0)
		log_warn("queue: what an earlier dataplane had read waits on: %s", strerror(-rc));
}

static void clear_if_idle(struct dataplane_worker *w)
{
	struct pollfd p = {.fd = w->nfq ? nfq_socket(w->nfq) : -1, .events = POLLIN};

	if (w->nfq && poll(&p, 1, 0) == 0)
		clear_left(w, 0);
}

int dataplane_worker_init(struct dataplane_worker *w)
{
	const struct dataplane_settings *g = w->settings;
	struct flowtab_limits l = {.flows = g->flows_max ? g->flows_max : 65536,
		.memory = g->memory_max ? g->memory_max : 64u << 20,
		.share = g->client_quota,
		.key = g->hash_key,
		.on_free = free_parts,
		.on_evict = evicted,
		.user = w};
	int rc;

	w->own = calloc(1, sizeof(*w->own));
	if (!w->own)
		return -ENOMEM;
	w->own->quic = quic_crypt_new();
	w->own->pool = l.pool = pool_new();
	rc = w->own->quic && w->own->pool ? flowtab_new(&w->flows, &l) : -ENOMEM;
	if (rc == 0)
		rc = flow_live_init(w);
	if (rc != 0)
		return rc;
	w->own->start_ms = w->now_ms;
	clear_if_idle(w);
	w->sweep = (struct timer){.on_due = on_sweep, .user = w};
	return w->loop ? loop_timer_set(w->loop, &w->sweep, w->now_ms + SWEEP_MS) : 0;
}

void dataplane_worker_fini(struct dataplane_worker *w)
{
	loop_timer_clear(&w->sweep);
	flowtab_free(w->flows);
	w->flows = NULL;
	if (w->own) {
		flow_live_fini(w);
		quic_crypt_free(w->own->quic);
		pool_free(w->own->pool);
	}
	free(w->own);
	w->own = NULL;
}

/* The flow in its original direction. An untracked packet carries no direction: it is one of a flow that we know the
 * other way round, or a client's. */
static struct flow_rec *flow_of(struct seen *s)
{
	const struct dataplane_settings *g = s->w->settings;
	struct packet *k = &s->k;
	struct flow *f = &s->flow;
	bool tcp = k->proto == IPPROTO_TCP, udp = k->proto == IPPROTO_UDP;

	*f = (struct flow){.src = s->reply ? k->dst : k->src,
		.dst = s->reply ? k->src : k->dst,
		.sport = s->reply ? k->dport : k->sport,
		.dport = s->reply ? k->sport : k->dport,
		.proto = k->proto,
		.outside = s->outside};
	if ((tcp && (port_set_has(&g->inspect_tcp, f->dport) ||
			    port_set_has(&g->proxy_tcp, f->dport) ||
			    port_set_has(&g->starttls_tcp, f->dport))) ||
		(udp && port_set_has(&g->inspect_udp, f->dport)))
		f->path = PATH_INSPECT;
	if (!s->reply && !s->outside && s->p->has_mac) {
		f->has_mac = true;
		f->mac = s->p->mac;
	}
	return flowtab_find(s->w->flows, f);
}

/* Cannot be read as a whole packet: nothing passes that could not be judged. */
static void unreadable(struct seen *s, enum anomaly anomaly)
{
	struct ident i = {.kind = IDENT_EVASIVE, .anomaly = (uint8_t)anomaly};
	struct verdict v;

	s->w->counters.truncated += anomaly == ANOMALY_TRUNCATED;
	flow_judge(s->w, &s->flow, &i, STAGE_NAMED, &v);
	if (v.action == ACTION_ALLOW)
		flow_pass(s, 0);
	else
		flow_drop(s);
}

/* The SYN of a port where a cleartext preamble is spoken first: what no name can save is refused like any other flow, at its
 * first packet, and not after the server's greeting. */
static bool refused_at_once(struct seen *s)
{
	struct flow f = s->flow;
	struct policy_who who;
	struct verdict v;

	if (s->k.proto != IPPROTO_TCP || s->reply ||
		(s->k.flags & (PACKET_SYN | PACKET_ACK)) != PACKET_SYN ||
		!port_set_has(&s->w->settings->starttls_tcp, f.dport))
		return false;
	f.path = PATH_OTHER;
	flow_who(s->w, &f, &who);
	dataplane_ask(s->w, &who, &f, NULL, STAGE_FIRST, &v);
	s->attempt = v.action == ACTION_BLOCK && v.name_matters;
	s->attempted = v;
	if (v.action != ACTION_BLOCK || v.name_matters)
		return false;
	s->flow.path = PATH_OTHER;
	return true;
}

static void dispatch(struct seen *s)
{
	struct dataplane_worker *w = s->w;
	struct flow_rec *r = flow_of(s);

	if (r && !s->reply)
		r->mark = s->p->mark & ~w->settings->mark_mask;
	if (s->conn & MARK_REFUSED)
		r = flow_live_recall(s, r);
	if (r && r->cut && flow_live_packet(s, &r))
		return;
	if (s->p->truncated || s->k.truncated || s->k.fragment) {
		unreadable(s, s->k.fragment ? ANOMALY_FRAGMENT : ANOMALY_TRUNCATED);
	} else if (s->k.proto == IPPROTO_UDP && flow_udp_turn(s, r)) {
		w->counters.queued_udp++;
		flow_udp_packet(s, flowtab_find(w->flows, &s->flow));
	} else if (s->flow.path == PATH_OTHER || refused_at_once(s)) {
		w->counters.queued_other++;
		flow_other_packet(s, r);
	} else if (s->k.proto == IPPROTO_UDP) {
		w->counters.queued_udp++;
		flow_udp_packet(s, r);
	} else if (s->reply) {
		w->counters.queued_tcp++;
		flow_tcp_server(s, r);
	} else {
		w->counters.queued_tcp++;
		flow_tcp_client(s, r);
	}
}

void dataplane_packet(struct dataplane_worker *w, const struct nfq_packet *p)
{
	uint32_t low = w->settings->mark_mask & -w->settings->mark_mask;
	struct seen s = {.w = w, .p = p};

	clear_left(w, p->id);
	if (p->hook == NFQ_OUTPUT) {
		/* the supervisor's probe (src/supervisor/probe.c): that it is answered is all */
		nfq_verdict(w->nfq, p->id, NFQ_DROP, false, 0);
		return;
	}
	w->counters.queued++;
	s.conn = (uint8_t)((p->mark & w->settings->mark_mask) / low & MARK_CONN);
	s.reply = p->mark & mark_of(w->settings->mark_mask, MARK_REPLY);
	s.outside = p->mark & mark_of(w->settings->mark_mask, MARK_OUTSIDE);
	if (!w->image && flow_fail_open(w))
		flow_pass(&s, 0); /* no policy yet: nothing is decided for good */
	else if (!w->image || packet_parse(p->payload, &s.k) != PARSE_OK)
		flow_drop(&s);
	else
		dispatch(&s);
	if (!s.done)
		flow_drop(&s);
}
