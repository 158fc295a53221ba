/* SPDX-License-Identifier: GPL-3.0-or-later
 * quic.c - the QUIC connections of one UDP 4-tuple: which datagram is whose, and what is done with it.
 *
 *	datagram -> packets -> (keys that open it) -> connection -> frames -> CRYPTO stream -> tls_hello -> ident
 *
 * To find the connection of an Initial, three guesses are tried in this order: a connection that knows the destination ID (the
 * client's first one, a Retry's, or one that the server chose); a new connection whose first ID this is, with keys of its own;
 * any other connection here, because the server may have changed its ID in a packet that we did not see. Only the AEAD tag
 * proves a guess; no header field does.
 *
 * Nothing that a client sends later replaces inspected bytes: streams are kept as long as the 4-tuple lives, the first copy
 * wins, and a contradiction makes the connection EVASIVE for good. When all slots belong to connections younger than a minute,
 * a new connection is held, because forgetting half a hello would allow its other half to be replaced.
 *
 * Owns: connections and streams (heap). Thread: the flow's worker. Fails: HOLD when memory is out.
 * See: RFC 9001 5.2; rows Q01-Q30.
 */
#include "identify/quic.h"

#include <stdlib.h>

#include "quic_conn_int.h"

enum { PACKETS_MAX = 64 /* looked at in one datagram */ };

struct quic_ident {
	struct conn *conns[QUIC_CONNS]; /* filled from the front; one is replaced, never removed */
	uint16_t datagrams;
	uint32_t limit, deadline_ms;
};

enum { NOT_OPENED = -1, NO_SLOT = -2 };

struct quic_ident *quic_ident_new(void)
{
	struct quic_ident *q = calloc(1, sizeof(*q));

	if (q)
		q->limit = QUIC_STREAM_MAX;
	return q;
}

void quic_ident_limit(struct quic_ident *q, uint32_t bytes, uint32_t deadline_ms)
{
	q->limit = bytes < QUIC_STREAM_MAX ? bytes : QUIC_STREAM_MAX;
	q->deadline_ms = deadline_ms;
}

bool quic_ident_any(const struct quic_ident *q)
{
	return q->conns[0] != NULL; /* filled from the front */
}

bool quic_ident_pending(const struct quic_ident *q)
{
	for (int i = 0; i < QUIC_CONNS; i++)
		if (q->conns[i] && q->conns[i]->ident.kind == IDENT_PENDING)
			return true;
	return false;
}

void quic_ident_free(struct quic_ident *q)
{
	for (int i = 0; q && i < QUIC_CONNS; i++)
		quic_conn_free(q->conns[i]);
	free(q);
}

size_t quic_ident_memory(const struct quic_ident *q)
{
	size_t n = sizeof(*q);
	for (int i = 0; i < QUIC_CONNS; i++)
		if (q->conns[i])
			n += sizeof(struct conn) + q->conns[i]->stream.cap;
	return n;
}

struct slice quic_ident_hello(const struct quic_ident *q, uint8_t conn)
{
	if (conn >= QUIC_CONNS || !q->conns[conn])
		return slice_of(NULL, 0);
	return slice_of(q->conns[conn]->stream.bytes, q->conns[conn]->hello);
}

/* ---- which connection ---- */

/* Half a hello may be with the server: what comes later must not look like the start of another. */
static uint64_t idle_ms(const struct conn *k)
{
	return k->ident.kind == IDENT_PENDING ? QUIC_HALF_IDLE_MS : QUIC_CONN_IDLE_MS;
}

static int find_slot(const struct quic_ident *q, uint64_t now_ms)
{
	int oldest = NO_SLOT;

	for (int i = 0; i < QUIC_CONNS; i++) {
		const struct conn *k = q->conns[i];

		if (!k)
			return i;
		if (now_ms >= k->seen_ms + idle_ms(k) &&
			(oldest < 0 || k->seen_ms < q->conns[oldest]->seen_ms))
			oldest = i;
	}
	return oldest;
}

/* p opened with keys of its own destination ID. */
static int add_conn(struct quic_ident *q, const struct quic_packet *p, const struct quic_keys *keys,
	uint64_t next_pn, uint64_t now_ms)
{
	int i = find_slot(q, now_ms);
	struct conn *k = i >= 0 ? quic_conn_new(p, keys, next_pn, now_ms) : NULL;
	if (!k)
		return NO_SLOT;
	quic_conn_free(q->conns[i]);
	q->conns[i] = k;
	return i;
}

static int open_initial(struct quic_ident *q, struct quic_crypt *c, const struct quic_packet *p,
	uint64_t now_ms, struct slice *plain)
{
	struct quic_keys own;
	uint64_t pn;
	for (int i = 0; i < QUIC_CONNS; i++)
		if (q->conns[i] && quic_conn_knows(q->conns[i], &p->dcid) &&
			quic_conn_opens(q->conns[i], c, p, plain))
			return i;
	if (quic_crypt_keys(c, p->version, &p->dcid, QUIC_CLIENT, &own) &&
		quic_crypt_open(c, &own, p, 0, plain, &pn))
		return add_conn(q, p, &own, pn + 1, now_ms);
	for (int i = 0; i < QUIC_CONNS; i++)
		if (q->conns[i] && !quic_conn_knows(q->conns[i], &p->dcid) &&
			quic_conn_opens(q->conns[i], c, p, plain))
			return i;
	return NOT_OPENED;
}

/* Where the stream of k must end, so that the flow does not hold more than its limit. */
static uint32_t room_for(const struct quic_ident *q, const struct conn *k)
{
	uint32_t others = 0;

	for (int i = 0; i < QUIC_CONNS; i++)
		if (q->conns[i] && q->conns[i] != k)
			others += quic_stream_end(&q->conns[i]->stream);
	return others < q->limit ? q->limit - others : 0;
}

/* ---- a client's datagram ---- */

struct walk {	      /* what was met in one datagram */
	int conn;     /* of the first Initial that opened, or NOT_OPENED, NO_SLOT */
	bool hold;    /* something in it must not go on */
	bool initial; /* an Initial, opened or not */
	bool closed;  /* one that no key opens, where a server would look for one */
	bool early;   /* 0-RTT */
	bool handshake;
	struct quic_packet first;
	bool any;
};

static void walk_initial(struct quic_ident *q, struct quic_crypt *c, const struct quic_packet *p,
	bool whole, bool due, uint64_t now_ms, struct walk *w)
{
	struct slice plain;
	int i = open_initial(q, c, p, now_ms, &plain);
	w->initial = true;
	if (i == NOT_OPENED) {
		w->closed |= due;
		return;
	}
	if (w->conn == NOT_OPENED)
		w->conn = i;
	if (i == NO_SLOT || i != w->conn || !whole) {
		w->hold =
			true; /* two connections in one datagram, or one that a server must discard */
		return;
	}
	if (!quic_conn_feed(q->conns[i], plain,
		    &(struct quic_feed){.datagram = q->datagrams,
			    .room = room_for(q, q->conns[i]),
			    .deadline_ms = q->deadline_ms,
			    .now_ms = now_ms}))
		w->hold = true;
}

static bool begins_long(struct slice d)
{
	return d.n >= 7 && (d.p[0] & 0x80) &&
	       quic_version_known((uint32_t)d.p[1] << 24 | (uint32_t)d.p[2] << 16 |
				  (uint32_t)d.p[3] << 8 | d.p[4]);
}

/* Every place where a packet of a known version may begin is looked at, not only the end of the one before: the kernel may
 * hand over several datagrams of one sender as one (GSO) and does not say where each begins, and padding behind a packet
 * is nobody's. What opens twice and differs is a contradiction; what does not open is nothing. */
static struct walk walk_datagram(
	struct quic_ident *q, struct quic_crypt *c, struct slice d, uint64_t now_ms)
{
	struct walk w = {.conn = NOT_OPENED};
	struct quic_packet p;
	bool whole = d.n >= QUIC_INITIAL_MIN, due;
	size_t next = 0; /* where the packet behind the ones before begins */
	int looked = 0;
	for (struct slice at = d; at.n > 0; at = slice_of(at.p + 1, at.n - 1)) {
		struct slice rest = at;
		size_t where = (size_t)(at.p - d.p);
		if (at.p != d.p && !begins_long(at))
			continue;
		if (!quic_packet_next(&rest, &p))
			continue;
		if (++looked > PACKETS_MAX) {
			w.hold = true;
			break;
		}
		due = where == next ||
		      (where >= QUIC_INITIAL_MIN && at.n >= QUIC_INITIAL_MIN); /* of a GSO packet */
		if (where == next)
			next += p.whole.n;
		if (p.type == QUIC_TYPE_INITIAL)
			walk_initial(q, c, &p, whole, due, now_ms, &w);
		w.early |= due && p.type == QUIC_TYPE_0RTT;
		w.handshake |= due && p.type == QUIC_TYPE_HANDSHAKE;
		if (!w.any && (due || w.conn != NOT_OPENED))
			w.first = p;
		w.any |= due || w.conn != NOT_OPENED;
	}
	return w;
}

static void say(
	struct quic_seen *out, enum quic_step step, enum ident_kind kind, enum anomaly anomaly)
{
	bool quic = step != QUIC_STEP_OTHER;
	out->step = (uint8_t)step;
	out->ident.kind = (uint8_t)kind;
	out->ident.anomaly = (uint8_t)anomaly;
	out->ident.source = quic ? SOURCE_QUIC : SOURCE_NONE;
	out->ident.app = quic ? APP_QUIC : APP_UNKNOWN;
}

static void say_conn(struct conn *k, int i, bool hold, struct quic_seen *out)
{
	bool pending = k->ident.kind == IDENT_PENDING;
	out->conn = (uint8_t)i;
	out->dcid = k->opened_by;
	out->scid = k->scid;
	out->server = k->server[0];
	out->ident = k->ident;
	out->step = pending ? QUIC_STEP_PASS : k->news ? QUIC_STEP_JUDGE : QUIC_STEP_FOLLOW;
	if (hold) {
		out->step = QUIC_STEP_HOLD;
		out->ident = (struct ident){
			.kind = IDENT_PENDING, .source = SOURCE_QUIC, .app = APP_QUIC};
	} else {
		k->news = false;
	}
}

/* A datagram that names no connection itself: the newest one that was judged speaks for all. */
static bool say_any(const struct quic_ident *q, struct quic_seen *out)
{
	const struct conn *best = NULL;
	bool some = false;
	for (int i = 0; i < QUIC_CONNS; i++) {
		const struct conn *k = q->conns[i];
		some |= k != NULL;
		if (k && k->ident.kind != IDENT_PENDING && !k->news &&
			(!best || k->seen_ms > best->seen_ms))
			best = k;
	}
	if (!some)
		return false;
	if (!best) {
		say(out, QUIC_STEP_HOLD, IDENT_PENDING, ANOMALY_NOTHING);
		return true;
	}
	out->step = QUIC_STEP_FOLLOW;
	out->ident = best->ident;
	out->dcid = best->opened_by;
	out->scid = best->scid;
	out->server = best->server[0];
	return true;
}

/* 0-RTT and Handshake packets: no key of theirs is ours. */
static void say_later(struct quic_ident *q, const struct walk *w, struct quic_seen *out)
{
	for (int i = 0; i < QUIC_CONNS; i++) {
		struct conn *k = q->conns[i];
		if (k && quic_conn_knows(k, &w->first.dcid)) {
			say_conn(k, i, k->ident.kind == IDENT_PENDING || k->news, out);
			return;
		}
	}
	if (say_any(q, out))
		return;
	if (w->early && !w->handshake)
		say(out, QUIC_STEP_HOLD, IDENT_PENDING,
			ANOMALY_NOTHING); /* its Initial was lost or is late */
	else
		say(out, QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_MID_STREAM);
}

/* Random bytes (a VPN's, a game's) look like a QUIC version that nobody has heard of once in a thousand datagrams: only
 * as the first one of a 4-tuple, or beside real connections, that is taken for what it looks like. */
static bool is_unreadable_version(const struct quic_ident *q, struct slice d, const struct walk *w)
{
	if (!quic_plausible(d))
		return false;
	return !w->any || quic_version_usual(w->first.version) || q->datagrams == 1 || q->conns[0];
}

/* No long header that could be read at the front. */
static void say_anomaly(
	struct quic_ident *q, struct slice d, const struct walk *w, struct quic_seen *out)
{
	if (is_unreadable_version(q, d, w)) {
		say(out, QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_QUIC_VERSION);
		out->unreadable_version = w->any && w->first.type == QUIC_TYPE_UNKNOWN;
	} else if (d.n && !(d.p[0] & 0x80) && say_any(q, out)) {
		return;
	} else if (quic_looks_short(d)) {
		say(out, QUIC_STEP_JUDGE, IDENT_NONE, ANOMALY_QUIC_SHORT);
	} else if (q->conns[0]) {
		say(out, QUIC_STEP_HOLD, IDENT_PENDING,
			ANOMALY_NOTHING); /* junk among real connections */
	} else {
		say(out, QUIC_STEP_OTHER, IDENT_NOT_PROTO, ANOMALY_NOT_KNOWN);
	}
}

/* Initials that no key opens: junk that the server drops, too, or of a connection that began on other ports, whose keys the
 * server has. What only looks like one in the midst of other bytes is no QUIC. */
static void say_unopened(const struct quic_ident *q, const struct walk *w, struct quic_seen *out)
{
	if (q->conns[0])
		say(out, QUIC_STEP_HOLD, IDENT_PENDING, ANOMALY_NOTHING);
	else if (w->closed)
		say(out, QUIC_STEP_JUDGE, IDENT_EVASIVE, ANOMALY_MID_STREAM);
	else
		say(out, QUIC_STEP_OTHER, IDENT_NOT_PROTO, ANOMALY_NOT_KNOWN);
}

void quic_ident_client(struct quic_ident *q, struct quic_crypt *c, struct slice d, uint64_t now_ms,
	struct quic_seen *out)
{
	*out = (struct quic_seen){.conn = QUIC_CONN_ANY};
	if (q->datagrams < UINT16_MAX)
		q->datagrams++;
	struct walk w = walk_datagram(q, c, d, now_ms);
	if (w.any) {
		out->version = w.first.version;
		out->dcid = w.first.dcid;
		out->scid = w.first.scid;
	}
	if (w.conn >= 0) {
		say_conn(q->conns[w.conn], w.conn, w.hold || w.closed, out);
	} else if (w.conn == NO_SLOT) {
		say(out, QUIC_STEP_HOLD, IDENT_PENDING, ANOMALY_OVERLOAD);
	} else if (w.initial) {
		say_unopened(q, &w, out);
	} else if (w.early || w.handshake) {
		say_later(q, &w, out);
	} else {
		say_anomaly(q, d, &w, out);
	}
	if (out->ident.packet == 0)
		out->ident.packet = q->datagrams;
}

/* ---- a server's datagram ---- */

static struct conn *conn_of_client(struct quic_ident *q, const struct quic_cid *scid)
{
	struct conn *best = NULL;
	for (int i = 0; i < QUIC_CONNS; i++) {
		struct conn *k = q->conns[i];
		if (k && quic_cid_eq(&k->scid, scid) && (!best || k->seen_ms > best->seen_ms))
			best = k;
	}
	return best;
}

enum quic_type quic_ident_server(
	struct quic_ident *q, struct quic_crypt *c, struct slice d, uint64_t now_ms)
{
	struct quic_packet p;
	if (!quic_packet_next(&d, &p))
		return QUIC_TYPE_UNKNOWN;
	if (p.type == QUIC_TYPE_SHORT || p.type == QUIC_TYPE_UNKNOWN ||
		p.type == QUIC_TYPE_VERSIONS)
		return p.type;
	struct conn *k = conn_of_client(q, &p.dcid);
	if (!k)
		return QUIC_TYPE_UNKNOWN;
	k->seen_ms = now_ms;
	if (p.type != QUIC_TYPE_RETRY)
		quic_conn_learn(k, &p.scid);
	else if (!quic_conn_retried(k, c, &p))
		return QUIC_TYPE_UNKNOWN;
	return p.type;
}
