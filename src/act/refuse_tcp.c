/* SPDX-License-Identifier: GPL-3.0-or-later
 * refuse_tcp.c - the last segments of a refused TCP connection, and the TLS alert in them.
 *
 * Owns: nothing. Thread: any; pure. Fails: 0 bytes.
 * See: RFC 9293 3.1, RFC 7323 3.2 (the option, aligned by two NOPs), RFC 8446 6, RFC 6066 3.
 */
#include "act/refuse.h"
#include "refuse_int.h"

enum { HEAD = 20, TS_SPACE = 12, FIN = 0x01, RST = 0x04, PSH = 0x08, ACK = 0x10, WINDOW = 65535 };

void refuse_alert_record(enum refuse_alert alert, uint8_t out[static REFUSE_ALERT_SIZE])
{
	static const uint8_t RECORD[REFUSE_ALERT_SIZE] = {21, 3, 3, 0, 2, 2 /* fatal */, 0};
	memcpy(out, RECORD, REFUSE_ALERT_SIZE);
	out[6] = (uint8_t)alert;
}

static size_t segment(const struct refuse_tcp *t, uint8_t flags, uint16_t window,
	struct slice payload, uint8_t *out, size_t cap)
{
	size_t head = HEAD + (t->has_ts ? TS_SPACE : 0), n = head + payload.n;
	size_t ip = refuse_ip_head(&t->src, &t->dst, IPPROTO_TCP, t->ttl, n, out, cap);
	if (ip == 0)
		return 0;
	uint8_t *p = out + ip;
	memset(p, 0, head);
	refuse_put16(p, t->sport);
	refuse_put16(p + 2, t->dport);
	refuse_put32(p + 4, t->seq);
	refuse_put32(p + 8, t->ack);
	p[12] = (uint8_t)(head / 4 << 4);
	p[13] = flags;
	refuse_put16(p + 14, window);
	if (t->has_ts) {
		static const uint8_t NOP_NOP_TS[4] = {1, 1, 8, 10};
		memcpy(p + 20, NOP_NOP_TS, 4);
		refuse_put32(p + 24, t->tsval);
		refuse_put32(p + 28, t->tsecr);
	}
	if (payload.n)
		memcpy(p + head, payload.p, payload.n);
	refuse_put16(p + 16, refuse_checksum(&t->src, &t->dst, IPPROTO_TCP, p, n));
	return ip + n;
}

size_t refuse_tcp_payload(
	const struct refuse_tcp *t, struct slice payload, uint8_t *out, size_t cap)
{
	return segment(t, PSH | ACK, WINDOW, payload, out, cap);
}

size_t refuse_tcp_last_payload(
	const struct refuse_tcp *t, struct slice payload, uint8_t *out, size_t cap)
{
	return segment(t, PSH | ACK | FIN, WINDOW, payload, out, cap);
}

size_t refuse_tcp_rst(const struct refuse_tcp *t, uint8_t *out, size_t cap)
{
	return segment(t, RST | ACK, 0, slice_of(NULL, 0), out, cap);
}
