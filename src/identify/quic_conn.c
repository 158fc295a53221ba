/* SPDX-License-Identifier: GPL-3.0-or-later
 * quic_conn.c - one QUIC connection: the keys that open its Initials, and what its hello says.
 *
 *	Initial -> frames -> CRYPTO stream -> handshake messages -> tls_hello -> ident
 *
 * The stream is kept while the connection lives, first copy wins, a contradiction is EVASIVE and stays so.
 *
 * Owns: connections and their streams (heap). Thread: the flow's worker. Fails: out of memory, by result.
 * See: quic.c; RFC 9000 7.2, RFC 9001 5.2.
 */
#include "quic_conn_int.h"

#include <stdlib.h>

#include "identify/tls_hello.h"

enum {
	PENDING_MAX = 64, /* Initials of a hello that never ends */
	CLIENT_HELLO = 1,
	FIRST_CID_MIN = 8, /* RFC 9000 7.2 */
};

struct conn *quic_conn_new(const struct quic_packet *p, const struct quic_keys *keys,
	uint64_t next_pn, uint64_t now_ms)
{
	struct conn *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->ident = (struct ident){.kind = IDENT_PENDING, .source = SOURCE_QUIC, .app = APP_QUIC};
	k->scid = p->scid;
	k->born_ms = now_ms;
	k->next_pn = next_pn;
	k->dcids[k->n_dcids++] = k->opened_by = p->dcid;
	k->keys[k->n_keys++] =
		(struct quic_key_slot){.version = p->version, .dcid = p->dcid, .keys = *keys};
	return k;
}

void quic_conn_free(struct conn *k)
{
	if (k)
		quic_stream_fini(&k->stream);
	free(k);
}

/* ---- keys and IDs ---- */

static const struct quic_keys *keys_for(
	struct conn *k, struct quic_crypt *c, uint32_t version, const struct quic_cid *dcid)
{
	for (int i = 0; i < k->n_keys; i++)
		if (k->keys[i].version == version && quic_cid_eq(&k->keys[i].dcid, dcid))
			return &k->keys[i].keys;
	struct quic_key_slot *s = &k->keys[k->n_keys < KEYS ? k->n_keys : KEYS - 1];
	if (!quic_crypt_keys(c, version, dcid, QUIC_CLIENT, &s->keys))
		return NULL;
	s->version = version;
	s->dcid = *dcid;
	if (k->n_keys < KEYS)
		k->n_keys++;
	return &s->keys;
}

bool quic_conn_opens(
	struct conn *k, struct quic_crypt *c, const struct quic_packet *p, struct slice *plain)
{
	uint64_t pn;
	for (int i = k->n_dcids - 1; i >= 0; i--) {
		const struct quic_keys *keys = keys_for(k, c, p->version, &k->dcids[i]);
		if (keys && quic_crypt_open(c, keys, p, k->next_pn, plain, &pn)) {
			k->opened_by = k->dcids[i];
			if (pn >= k->next_pn)
				k->next_pn = pn + 1;
			return true;
		}
	}
	return false;
}

bool quic_conn_knows(const struct conn *k, const struct quic_cid *dcid)
{
	for (int i = 0; i < k->n_dcids; i++)
		if (quic_cid_eq(&k->dcids[i], dcid))
			return true;
	for (int i = 0; i < k->n_server; i++)
		if (quic_cid_eq(&k->server[i], dcid))
			return true;
	return false;
}

void quic_conn_learn(struct conn *k, const struct quic_cid *cid)
{
	if (quic_conn_knows(k, cid))
		return;
	k->server[k->n_server < SERVER_CIDS ? k->n_server++ : SERVER_CIDS - 1] = *cid;
}

bool quic_conn_retried(struct conn *k, struct quic_crypt *c, const struct quic_packet *p)
{
	if (k->n_dcids == DCIDS || !quic_crypt_retry_ok(c, p, &k->dcids[0]))
		return false;
	k->dcids[k->n_dcids++] = p->scid;
	return true;
}

/* ---- what it says ---- */

static void conclude(struct conn *k, const struct ident *id)
{
	k->ident = *id;
	k->ident.source = SOURCE_QUIC;
	k->ident.app = APP_QUIC;
	k->ident.packet = k->packet;
	k->news = true;
}

/* The name, if one was read, stays for the log. */
static void evade(struct conn *k, enum anomaly anomaly)
{
	struct ident id = k->ident;
	if (id.kind == IDENT_EVASIVE)
		return;
	id.kind = IDENT_EVASIVE;
	id.anomaly = (uint8_t)anomaly;
	conclude(k, &id);
}

static bool same_answer(const struct ident *a, const struct ident *b)
{
	return a->kind == b->kind && a->name_len == b->name_len &&
	       memcmp(a->name, b->name, a->name_len) == 0;
}

static void judge_message(struct conn *k, struct slice message)
{
	struct tls_hello h = {0};
	struct ident id = {0};
	enum parse status = tls_hello_parse(message, &h);
	if (status == PARSE_NEED_MORE)
		status = PARSE_INVALID;
	tls_hello_ident(status, &h, APP_QUIC, SOURCE_QUIC, &id);
	if (k->checked == 0) {
		k->hello = (uint32_t)message.n;
		conclude(k, &id);
	} else if (!same_answer(&k->ident, &id)) {
		evade(k,
			ANOMALY_NAME_CHANGED); /* the hello after a HelloRetryRequest may not change it */
	}
}

/* Judges every handshake message that is complete by now. */
static void judge_stream(struct conn *k)
{
	struct slice s = quic_stream_start(&k->stream);
	while (k->ident.kind != IDENT_EVASIVE && s.n >= k->checked + 4) {
		const uint8_t *m = s.p + k->checked;
		size_t n = 4 + ((size_t)m[1] << 16 | (size_t)m[2] << 8 | m[3]);
		if (m[0] != CLIENT_HELLO) {
			evade(k, ANOMALY_BAD_FRAME);
		} else if (n > QUIC_STREAM_MAX - k->checked) {
			evade(k, ANOMALY_TOO_LARGE);
		} else if (s.n - k->checked < n) {
			return;
		} else {
			judge_message(k, slice_of(m, n));
			k->checked += (uint32_t)n;
		}
	}
}

/* False: out of memory. */
static bool take_frames(struct conn *k, struct slice plain, uint32_t room)
{
	struct quic_frame f;
	int more;
	while ((more = quic_frame_next(&plain, &f)) > 0) {
		if (f.type != QUIC_FRAME_CRYPTO)
			continue;
		if (f.data.n && f.offset + f.data.n > room) {
			evade(k, ANOMALY_TOO_LARGE);
			continue;
		}
		switch (quic_stream_add(&k->stream, f.offset, f.data)) {
		case QUIC_STREAM_OK:
			break;
		case QUIC_STREAM_CONTRADICTION:
			evade(k, ANOMALY_CONTRADICTION);
			break;
		case QUIC_STREAM_FULL:
			evade(k, ANOMALY_TOO_LARGE);
			break;
		case QUIC_STREAM_MEMORY:
			return false;
		}
	}
	if (more < 0)
		evade(k, ANOMALY_BAD_FRAME);
	return true;
}

bool quic_conn_feed(struct conn *k, struct slice plain, const struct quic_feed *f)
{
	k->packet = f->datagram;
	k->seen_ms = f->now_ms;
	if (k->ident.kind == IDENT_PENDING && f->deadline_ms &&
		f->now_ms - k->born_ms >= f->deadline_ms)
		evade(k, ANOMALY_TIMEOUT);
	if (k->dcids[0].n < FIRST_CID_MIN)
		evade(k, ANOMALY_BAD_LENGTH); /* a lax server would take it */
	if (k->ident.kind == IDENT_PENDING && ++k->initials > PENDING_MAX)
		evade(k, ANOMALY_TOO_LARGE);
	if (!take_frames(k, plain, f->room))
		return false;
	judge_stream(k);
	return true;
}
