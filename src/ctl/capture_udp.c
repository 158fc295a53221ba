/* SPDX-License-Identifier: GPL-3.0-or-later
 * capture_udp.c - identifies QUIC and DTLS in captured UDP flows.
 *
 * The client is the side that sends an Initial that opens, or a hello.
 *
 * Owns: the flow's quic and dtls. Thread: one. Fails: what memory does not allow is not reported.
 */
#include <stdlib.h>

#include "capture_flow_int.h"

enum { DTLS_FIRST = 22, DTLS_MAJOR = 0xfe };

static void quic_news(struct flow *f, int from, const struct quic_seen *seen)
{
	struct tls_hello h = {0};

	if (f->results == 0)
		tls_hello_parse(quic_ident_hello(f->quic, seen->conn), &h);
	flow_note_hello(f, from, &seen->ident, h.name, h.alpn, APP_QUIC);
}

static void quic_packet(
	struct flow *f, int from, struct slice payload, uint64_t at_ms, struct quic_crypt *crypt)
{
	struct quic_seen seen;

	if (!f->quic && quic_plausible(payload))
		f->quic = quic_ident_new();
	if (!f->quic)
		return;
	quic_ident_client(f->quic, crypt, payload, at_ms, &seen);
	if (seen.step == QUIC_STEP_PASS)
		f->client = from;
	if (seen.step == QUIC_STEP_JUDGE && seen.ident.anomaly != ANOMALY_QUIC_SHORT)
		quic_news(f, from, &seen);
}

static void dtls_packet(struct flow *f, int from, struct slice payload)
{
	struct tls_hello h;
	struct ident id;
	enum parse status;

	if (!f->dtls)
		f->dtls = calloc(1, sizeof(*f->dtls));
	if (!f->dtls || f->results > 0)
		return;
	status = dtls_hello_add(f->dtls, payload, &h);
	if (status == PARSE_NEED_MORE)
		f->client = from;
	if (status == PARSE_NEED_MORE ||
		(status == PARSE_INVALID && h.anomaly == ANOMALY_NOT_KNOWN))
		return;
	tls_hello_ident(status, &h, APP_DTLS, SOURCE_SNI, &id);
	flow_note_hello(f, from, &id, h.name, h.alpn, APP_DTLS);
}

void udp_packet(
	struct flow *f, int from, const struct packet *p, uint64_t at_ms, struct quic_crypt *crypt)
{
	struct slice in = p->payload;

	if (f->client == !from) {
		if (f->quic)
			quic_ident_server(f->quic, crypt, in, at_ms);
		return;
	}
	if (in.n > 2 && in.p[0] == DTLS_FIRST && in.p[1] == DTLS_MAJOR)
		dtls_packet(f, from, in);
	else
		quic_packet(f, from, in, at_ms, crypt);
}

/* A hello that began and was not completed. */
void udp_end(struct flow *f)
{
	enum app_proto app = f->quic ? APP_QUIC : APP_DTLS;
	struct ident id = {.app = app, .source = SOURCE_NONE, .kind = IDENT_PENDING};

	if (f->client != SIDE_UNKNOWN && f->results == 0)
		flow_note(f, f->client, &id, app);
}
