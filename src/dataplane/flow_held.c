/* SPDX-License-Identifier: GPL-3.0-or-later
 * flow_held.c - datagrams of an unfinished QUIC hello that wait in the kernel's queue for the verdict on the whole.
 *
 * Nothing of a hello may be with a server before all of it was judged: many servers know a connection by its ID alone, so the
 * other half could come from another port, where nobody knows of the first. What waits keeps its packet id, no bytes.
 * Bounded: so many datagrams and bytes a flow, so many a worker. A worker without room lets go of the flow that has
 * waited for longest, for the halves of an honest hello come together. What is dropped is sent again by its client,
 * and was read: it is not needed a second time for the verdict.
 *
 * Owns: the verdict of each packet in here. Thread: its worker's. Fails: false, the packet stays the caller's.
 */
#include "base/invariant.h"
#include "flow_int.h"

static void unlink_flow(struct held_list *l, struct flow_held *h)
{
	invariant(h->prev ? h->prev->next == h : l->first == h);
	invariant(h->next ? h->next->prev == h : l->last == h);
	*(h->prev ? &h->prev->next : &l->first) = h->next;
	*(h->next ? &h->next->prev : &l->last) = h->prev;
	h->prev = h->next = NULL;
}

static void link_last(struct held_list *l, struct flow_held *h)
{
	h->prev = l->last;
	h->next = NULL;
	*(l->last ? &l->last->next : &l->first) = h;
	l->last = h;
}

static void answer(
	struct dataplane_worker *w, const struct held_packet *p, bool pass, uint8_t conn_bits)
{
	uint32_t mask = w->settings->mark_mask;

	if (pass) {
		w->counters.passed++;
		nfq_verdict(w->nfq, p->id, NFQ_ACCEPT, true,
			(p->mark & ~mask) | mark_of(mask, conn_bits | MARK_JUDGED));
	} else {
		w->counters.dropped++;
		nfq_verdict(w->nfq, p->id, NFQ_DROP, false, 0);
	}
}

void flow_held_end(
	struct dataplane_worker *w, struct flow_held *h, uint8_t conn, bool pass, uint8_t conn_bits)
{
	struct held_list *l = &w->own->held;
	uint8_t left = 0;

	if (h->n == 0)
		return;
	for (uint8_t i = 0; i < h->n; i++) {
		if (conn != QUIC_CONN_ANY && h->packets[i].conn != conn) {
			h->packets[left++] = h->packets[i];
			continue;
		}
		invariant(h->bytes >= h->packets[i].bytes);
		h->bytes -= h->packets[i].bytes;
		answer(w, &h->packets[i], pass, conn_bits);
	}
	invariant(l->n >= (uint32_t)(h->n - left));
	l->n -= h->n - left;
	h->n = left;
	invariant(left > 0 || h->bytes == 0);
	if (left == 0)
		unlink_flow(l, h);
}

bool flow_held_add(struct seen *s, struct flow_held *h, uint8_t conn)
{
	struct held_list *l = &s->w->own->held;
	uint32_t bytes = (uint32_t)s->p->payload.n;

	if (h->n == HELD_OF_FLOW || h->bytes + bytes > HELD_BYTES)
		return false;
	if (l->n == HELD_OF_WORKER)
		flow_held_end(s->w, l->first, QUIC_CONN_ANY, false, 0);
	if (h->n == 0) {
		h->since_ms = s->w->now_ms;
		link_last(l, h);
	}
	h->packets[h->n++] = (struct held_packet){
		.id = s->p->id, .mark = s->p->mark, .bytes = bytes, .conn = conn};
	h->bytes += bytes;
	l->n++;
	invariant(l->n <= HELD_OF_WORKER);
	s->done = true;
	return true;
}

void flow_held_sweep(struct dataplane_worker *w)
{
	struct flow_held *h;

	while ((h = w->own->held.first) && w->now_ms - h->since_ms >= HELD_MS)
		flow_held_end(w, h, QUIC_CONN_ANY, false, 0);
}
