/* SPDX-License-Identifier: GPL-3.0-or-later
 * flow_offer.c - takes offers of HTTP/2 without TLS out of requests on their way (identify/http_offer.h).
 *
 * We keep and compare the client's own bytes. The packet that goes on has another letter in place of the offer's, also when it is
 * sent again: the places of a flow's newest offers are remembered.
 *
 * Owns: nothing. Thread: its worker's. Fails: a forgotten offer stays; its connection is refused if the server agrees.
 */
#include "flow_int.h"

/* head: its bytes that are there, the first of them at stream offset `from`. */
static void find(struct dataplane_worker *w, struct flow_tcp *t, uint64_t from, struct slice head)
{
	struct flow_offers *o = t->offers;
	size_t at;

	if (!o)
		o = t->offers = pool_get_zeroed(w->own->pool, sizeof(*o));
	if (!o)
		return;
	if (o->head != from) {
		o->look = (struct http_offer){0};
		o->head = from;
	}
	while (http_offer_find(&o->look, head, &at))
		o->at[o->n++ % OFFERS] = from + at;
}

void flow_offer_look(struct dataplane_worker *w, struct flow_tcp *t, enum identify_step step,
	const struct identify_result *res)
{
	uint64_t end = t->seg.released + t->seg.contiguous, from = t->id.pos;

	if (t->id.app != APP_HTTP)
		return;
	if (step == IDENTIFY_RESULT) {
		end = res->safe_to;
		from = end - res->http.head_len;
		if (end == UINT64_MAX || res->http.switch_to == HTTP_SWITCH_NONE ||
			res->http.in_body)
			return;
	} else if (step != IDENTIFY_WAIT || http_stream_in_body(&t->id.http)) {
		return;
	}
	if (from >= t->seg.released && from < end)
		find(w, t, from,
			slice_of(t->seg.bytes + (from - t->seg.released), (size_t)(end - from)));
}

/* Of a head that is not there in order, nobody knows yet what is a header: it waits for what is before it, and comes again. */
bool flow_offer_too_early(const struct seen *s, const struct flow_tcp *t)
{
	struct slice p = s->k.payload;
	bool ahead = (int32_t)(s->k.seq - segments_next_seq(&t->seg)) > 0;

	if (!ahead || (t->id.app != APP_HTTP && t->id.app != APP_UNKNOWN) || t->tunnel)
		return false;
	for (const uint8_t *at = p.p; (at = memchr(at, '2', p.n - (size_t)(at - p.p))); at++)
		if (at > p.p && at + 1 < p.p + p.n && (at[-1] | 0x20) == 'h' &&
			(at[1] | 0x20) == 'c')
			return true;
	return false;
}

bool flow_offer_edit(const struct seen *s, const struct flow_tcp *t, uint8_t *ip)
{
	int64_t from = (int64_t)t->seg.released + (int32_t)(s->k.seq - t->seg.start);
	const struct flow_offers *o = t->offers;
	uint32_t n = !o ? 0 : o->n < OFFERS ? o->n : OFFERS;
	bool any = false, partial = s->p->checksum_not_ready;

	for (uint32_t i = 0; i < n; i++) {
		int64_t at = (int64_t)o->at[i] - from;

		if (at < 0 || at >= (int64_t)s->k.payload.n)
			continue;
		if (!any)
			memcpy(ip, s->p->payload.p, s->p->payload.n);
		any = true;
		packet_edit_put(ip, &s->k, (size_t)at, HTTP_OFFER_NONE, partial);
	}
	if (any && partial)
		packet_edit_sum(ip, &s->k);
	return any;
}
