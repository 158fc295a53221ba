/* SPDX-License-Identifier: GPL-3.0-or-later
 * tls_record.c - joins TLS records into one handshake message.
 *
 * The parser keeps no state between calls: each call begins at the first record. `need` keeps this from being quadratic, since
 * the caller calls again only when it has at least the bytes that the declared lengths ask for.
 *
 * Owns: nothing. Thread: any; pure. Fails: by status. See: identify/tls_record.h.
 */
#include "identify/tls_record.h"

enum { CLIENT_HELLO = 1, MESSAGE_HEADER = 4, MESSAGE_MAX = TLS_SCRATCH };

struct join {
	struct slice stream;
	uint8_t *scratch;
	struct tls_message *out;
	size_t at;   /* in stream: the record being read */
	size_t have; /* message bytes joined */
	size_t total; /* bytes of the message, its header included; MESSAGE_HEADER until that is known */
};

static enum parse invalid(struct join *j, enum anomaly anomaly)
{
	j->out->anomaly = anomaly;
	return PARSE_INVALID;
}

static enum parse more(struct join *j, size_t need)
{
	j->out->need = need;
	return PARSE_NEED_MORE;
}

/* A client may not begin with an alert or a change of cipher; some servers overlook them, so it is no mere stranger. */
static enum parse check_type(struct join *j, uint8_t type)
{
	if (type == TLS_HANDSHAKE)
		return PARSE_OK;
	if (j->out->records > 0)
		return invalid(j, ANOMALY_INTERLEAVED);
	if (type == TLS_CCS || type == TLS_ALERT)
		return PARSE_OK;
	return invalid(j, ANOMALY_NOT_KNOWN);
}

/* Reads the record header at j->at as far as it is there. OK: *len is the payload's. */
static enum parse read_header(struct join *j, size_t *len)
{
	const uint8_t *p = j->stream.p + j->at;
	size_t n = j->stream.n - j->at;

	if (n >= 1 && check_type(j, p[0]) != PARSE_OK)
		return PARSE_INVALID;
	if (n >= 2 && p[1] >= TLS_MAJOR_END)
		return invalid(j, j->out->records > 0 ? ANOMALY_BAD_RECORD : ANOMALY_NOT_KNOWN);
	if (n < TLS_HEADER)
		return more(j, j->at + TLS_HEADER + (j->total - j->have));
	*len = (size_t)p[3] << 8 | p[4];
	if (*len == 0 || *len > TLS_RECORD_MAX || p[0] != TLS_HANDSHAKE)
		return invalid(j, ANOMALY_BAD_RECORD);
	return PARSE_OK;
}

/* Once the message's own header is there: its type and length. */
static enum parse check_message(struct join *j, const uint8_t *message)
{
	if (j->have >= 1 && message[0] != CLIENT_HELLO)
		return invalid(j, j->out->records > 1 ? ANOMALY_BAD_RECORD : ANOMALY_NOT_KNOWN);
	if (j->have < MESSAGE_HEADER)
		return PARSE_OK;
	j->total =
		MESSAGE_HEADER + ((size_t)message[1] << 16 | (size_t)message[2] << 8 | message[3]);
	return j->total > MESSAGE_MAX ? invalid(j, ANOMALY_TOO_LARGE) : PARSE_OK;
}

/* Takes the payload of one record, `len` declared bytes of which those in the stream are there. */
static enum parse take_payload(struct join *j, size_t len)
{
	size_t from = j->at + TLS_HEADER, there = j->stream.n - from, n = there < len ? there : len;
	const uint8_t *p = j->stream.p + from;

	j->out->records++;
	if (j->have + n > MESSAGE_MAX)
		return invalid(j, ANOMALY_BAD_LENGTH);
	if (j->out->records == 1)
		j->out->bytes.p = p; /* one record: no copy is needed */
	if (j->out->records == 2) {
		memcpy(j->scratch, j->out->bytes.p, j->have);
		j->out->bytes.p = j->scratch;
	}
	if (j->out->records > 1 && n > 0)
		memcpy(j->scratch + j->have, p, n);
	j->have += n;
	if (n > 0 && check_message(j, j->out->bytes.p) != PARSE_OK)
		return PARSE_INVALID;
	if (j->have >= MESSAGE_HEADER && j->have + (len - n) > j->total)
		return invalid(j,
			ANOMALY_BAD_LENGTH); /* something stands behind the hello in its record */
	if (n < len)
		return more(
			j, from + (j->total - j->have < len - n ? len : n + j->total - j->have));
	j->at = from + len;
	return PARSE_OK;
}

enum parse tls_record_join(struct slice stream, uint8_t *scratch, struct tls_message *out)
{
	struct join j = {.stream = stream, .scratch = scratch, .out = out, .total = MESSAGE_HEADER};
	enum parse status;
	size_t len = 0;

	*out = (struct tls_message){0};
	do {
		status = read_header(&j, &len);
		if (status == PARSE_OK)
			status = take_payload(&j, len);
	} while (status == PARSE_OK && (j.have < MESSAGE_HEADER || j.have < j.total));
	if (status != PARSE_OK)
		return status;
	out->bytes.n = j.total;
	out->used = j.at;
	return PARSE_OK;
}
