/* SPDX-License-Identifier: GPL-3.0-or-later
 * answer.c - bounds how many packets of ours a client gets, and sends them.
 *
 * A packet to an unused address of our own segment waits in the kernel for three seconds, in the send buffer of its socket. So
 * clients whose address the kernel has resolved have a socket and a budget of their own, and forged source addresses fill only
 * the socket of the others. In both, each client has a quota that nobody else can take, by its hardware address where that is
 * known, and may use more while the common part lasts.
 *
 * A packet that the kernel did not take is counted and sent again by the sweep; to a client that is not resolved it is not
 * sent again, because the client's next packet asks for it.
 *
 * Owns: struct answers, in the worker's own part. Thread: its worker's. Fails: by result and by counting.
 */
#include <errno.h>

#include "act/inject.h"
#include "flow_int.h"
#include "who/devices.h"

/* Packets a second, of one worker. */
static const struct budget {
	uint32_t common, share;
} budgets[ANSWER_CLASSES] = {
	[ANSWER_KNOWN] = {5000, 40},
	[ANSWER_STRANGER] = {1000, 8},
};

enum { TRIES = 10 };

static enum answer_class class_of(const struct dataplane_worker *w, const struct flow *f)
{
	return !w->devices || devices_kernel_learned(w->devices, &f->src) ? ANSWER_KNOWN
									  : ANSWER_STRANGER;
}

static uint8_t *share_of(struct dataplane_worker *w, const struct flow *f, enum answer_class class)
{
	const void *key = f->has_mac ? (const void *)f->mac.b : f->src.b;
	size_t n = f->has_mac ? sizeof(f->mac.b) : sizeof(f->src.b);

	return &w->own->answers
			.share[class][hash_sip(&w->settings->hash_key, key, n) % ANSWER_QUOTAS];
}

bool answer_may(struct dataplane_worker *w, const struct flow *f)
{
	struct answers *a = &w->own->answers;
	enum answer_class class = class_of(w, f);
	uint8_t *share = share_of(w, f, class);

	if (w->now_ms >= a->until_ms) {
		a->until_ms = w->now_ms + 1000;
		memset(a->share, 0, sizeof(a->share));
		memset(a->common, 0, sizeof(a->common));
	}
	if (*share < budgets[class].share)
		++*share;
	else if (a->common[class] < budgets[class].common)
		a->common[class]++;
	else
		return false;
	return true;
}

static void keep(
	struct dataplane_worker *w, enum inject_way way, uint32_t mark, struct slice packet)
{
	struct answers *a = &w->own->answers;
	struct answer_later *l = &a->later[a->later_n];

	if (a->later_n == ANSWERS_LATER || packet.n > sizeof(l->bytes)) {
		w->counters.answers_failed++;
		return;
	}
	a->later_n++;
	*l = (struct answer_later){.way = (uint8_t)way, .n = (uint16_t)packet.n, .mark = mark};
	memcpy(l->bytes, packet.p, packet.n);
}

static bool is_full(int rc)
{
	return rc == -EAGAIN || rc == -ENOBUFS || rc == -ENOMEM;
}

bool answer_send(struct dataplane_worker *w, const struct flow_rec *r, enum inject_way way,
	struct slice packet)
{
	bool stranger = way == INJECT_TO_CLIENT && class_of(w, &r->flow) == ANSWER_STRANGER;
	/* towards the server the way that the owner has marked, if any, is the way of the rest of the flow */
	uint32_t mark = way == INJECT_TO_SERVER ? r->mark : 0;
	int rc = inject_send(w->inject, stranger ? INJECT_TO_STRANGER : way, mark, packet);

	if (rc == 0)
		return true;
	if (!stranger && is_full(rc)) {
		keep(w, way, mark, packet);
		return true;
	}
	w->counters.answers_failed++;
	return false;
}

void answer_again(struct dataplane_worker *w)
{
	struct answers *a = &w->own->answers;
	uint32_t left = 0;

	for (uint32_t i = 0; i < a->later_n; i++) {
		struct answer_later *l = &a->later[i];
		int rc = inject_send(
			w->inject, (enum inject_way)l->way, l->mark, slice_of(l->bytes, l->n));

		if (is_full(rc) && ++l->tries < TRIES)
			a->later[left++] = *l;
		else
			w->counters.answers_failed += rc != 0;
	}
	a->later_n = left;
}
