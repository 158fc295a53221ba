/* SPDX-License-Identifier: GPL-3.0-or-later
 * identify.c - the facade: where is this TCP connection going?
 *
 *	PREAMBLE --> START                          STARTTLS ports
 *	START --> HELLO --> WATCH --> OVER          TLS
 *	      --> REQUESTS (--> START behind CONNECT) --> OVER     HTTP
 *	      --> OVER                              anything else, and whatever is final
 *
 * Owns: nothing. Thread: one at a time; pure. Fails: by step and kind. See: identify/identify.h.
 */
#include "identify/identify.h"

#include "identify_int.h"

enum state { PREAMBLE, START, HELLO, WATCH, REQUESTS, OVER };

struct look {
	struct stream_ident *s;
	struct slice in; /* from s->pos on */
	uint8_t *scratch;
	struct identify_result *out;
};

void stream_ident_init(struct stream_ident *s, uint32_t limit, struct ident *first)
{
	*s = (struct stream_ident){.limit = limit, .state = START, .first = first};
	http_stream_init(&s->http, limit);
}

void stream_ident_expect_preamble(struct stream_ident *s, enum starttls_proto p)
{
	s->talk = (struct starttls){.proto = (uint8_t)p};
	s->preamble = p != STARTTLS_NONE;
	s->state = p == STARTTLS_NONE ? START : PREAMBLE;
}

void stream_ident_server(struct stream_ident *s, enum server_says what)
{
	if (what == SERVER_RETRY)
		s->retry = true;
	if (s->state == WATCH && (what == SERVER_HELLO || what == SERVER_ALERT))
		s->state = OVER;
}

bool stream_ident_reads_hello(const struct stream_ident *s)
{
	return s->state == HELLO;
}

uint64_t stream_ident_rest(const struct stream_ident *s)
{
	if (s->state == PREAMBLE)
		return s->talk.skip;
	return s->state == REQUESTS && s->http.pos == s->pos ? http_stream_rest(&s->http) : 0;
}

bool stream_ident_in_body(const struct stream_ident *s)
{
	return stream_ident_rest(s) > 0 || (s->state == REQUESTS && http_stream_in_body(&s->http));
}

bool stream_ident_may_differ(const struct stream_ident *s, uint64_t at, struct slice bytes)
{
	return s->state == PREAMBLE && s->asked_at <= at && starttls_tells_nothing(&s->talk, bytes);
}

void stream_ident_skip(struct stream_ident *s, uint64_t n)
{
	if (n == 0)
		return;
	if (s->state == PREAMBLE) {
		s->talk.skip -= s->talk.skip == UINT64_MAX ? 0 : n;
		s->pos += n;
		return;
	}
	http_stream_skip(&s->http, n);
	s->pos = s->http.pos;
}

static enum identify_step wait_for(struct stream_ident *s, uint64_t need)
{
	s->need = need;
	return IDENTIFY_WAIT;
}

/* The last result: what follows it is nobody's business, if it is allowed. */
static enum identify_step last(struct look *l, enum ident_kind kind, enum anomaly anomaly)
{
	l->out->ident.kind = kind;
	l->out->ident.anomaly = anomaly;
	l->out->ident.app = kind == IDENT_NOT_PROTO ? APP_UNKNOWN : l->s->app;
	l->out->safe_to = UINT64_MAX;
	l->s->state = OVER;
	return IDENTIFY_RESULT;
}

/* Is it the same site, or the same absence of one? */
static bool same_site(const struct ident *a, const struct ident *b)
{
	return a->kind == b->kind && a->name_len == b->name_len &&
	       memcmp(a->name, b->name, a->name_len) == 0;
}

static void fill_hello(struct look *l, enum parse status, const struct tls_hello *h)
{
	tls_hello_ident(status, h, APP_TLS, SOURCE_SNI, &l->out->ident);
	l->out->raw = h->name;
	l->out->alpn = h->alpn;
}

static enum identify_step first_hello(
	struct look *l, enum parse status, const struct tls_hello *h, size_t used)
{
	struct stream_ident *s = l->s;

	fill_hello(l, status, h);
	if (l->out->ident.kind == IDENT_EVASIVE)
		return last(l, IDENT_EVASIVE, l->out->ident.anomaly);
	*s->first = l->out->ident;
	s->pos += used;
	s->state = WATCH;
	l->out->safe_to = s->pos;
	return IDENTIFY_RESULT;
}

/* As tls_record_join; more than the limit is INVALID, in however many pieces it comes. */
static enum parse join(struct look *l, struct tls_message *m)
{
	enum parse status = tls_record_join(l->in, l->scratch, m);

	if (status == PARSE_INVALID || (l->in.n < TLS_HEADER + 1 && status == PARSE_NEED_MORE) ||
		(status == PARSE_OK ? m->used : m->need) <= l->s->limit)
		return status;
	m->anomaly = ANOMALY_TOO_LARGE;
	return PARSE_INVALID;
}

static enum identify_step read_hello(struct look *l)
{
	struct stream_ident *s = l->s;
	struct tls_message m;
	struct tls_hello h;
	enum parse status = join(l, &m);

	l->out->records = m.records;
	/* on a port of STARTTLS no NOT_PROTO: the server might take it for one more line, and TLS might come behind it */
	if (status == PARSE_INVALID && m.anomaly == ANOMALY_NOT_KNOWN)
		return s->talk.proto ? last(l, IDENT_EVASIVE, ANOMALY_BAD_RECORD)
				     : last(l, IDENT_NOT_PROTO, m.anomaly);
	if (status == PARSE_INVALID)
		return last(l, IDENT_EVASIVE, m.anomaly);
	/* until the record's type and the message's are seen, every byte may tell that this is not TLS */
	if (status == PARSE_NEED_MORE && l->in.n < TLS_HEADER + 1)
		return wait_for(s, s->pos + l->in.n + 1);
	if (status == PARSE_NEED_MORE)
		return wait_for(s, s->pos + m.need);
	status = tls_hello_parse(m.bytes, &h);
	return first_hello(l, status, &h, m.used);
}

/* A second hello is there, or part of one. Behind a change of cipher it may be ciphertext that only looks so. */
static enum identify_step second_hello(struct look *l)
{
	struct stream_ident *s = l->s;
	struct tls_message m;
	struct tls_hello h;
	enum parse status = join(l, &m);
	bool doubtful = s->ccs && !s->retry;

	if (status == PARSE_NEED_MORE)
		return wait_for(s, s->pos + m.need);
	if (status == PARSE_OK) {
		status = tls_hello_parse(m.bytes, &h);
		m.anomaly = h.anomaly;
	}
	if (m.anomaly == ANOMALY_NOT_KNOWN || (status != PARSE_OK && doubtful)) {
		s->state = OVER;
		return IDENTIFY_DONE;
	}
	if (status != PARSE_OK)
		return last(l, IDENT_EVASIVE, m.anomaly);
	fill_hello(l, status, &h);
	if (!same_site(&l->out->ident, s->first))
		return last(l, IDENT_EVASIVE, ANOMALY_NAME_CHANGED);
	s->pos += m.used;
	return IDENTIFY_WAIT;
}

/* One record behind the hello. WAIT with s->pos moved: go on. */
static enum identify_step watch_record(struct look *l)
{
	struct stream_ident *s = l->s;
	const uint8_t *p = l->in.p;

	if (l->in.n < TLS_HEADER + 1)
		return wait_for(s, s->pos + TLS_HEADER + 1);
	if (p[0] < TLS_CCS || p[0] > TLS_DATA || p[1] >= TLS_MAJOR_END) {
		if (s->talk.proto) /* was the hello one more plain word? */
			return last(l, IDENT_EVASIVE, ANOMALY_BAD_RECORD);
		s->state = OVER;
		return IDENTIFY_DONE;
	}
	if (p[0] == TLS_HANDSHAKE)
		return second_hello(l);
	s->ccs |= p[0] == TLS_CCS;
	s->pos += TLS_HEADER + ((uint64_t)p[3] << 8 | p[4]);
	return IDENTIFY_WAIT;
}

static enum identify_step watch(struct look *l)
{
	struct stream_ident *s = l->s;
	enum identify_step step;
	uint64_t from;

	do {
		from = s->pos;
		step = watch_record(l);
		if (step != IDENTIFY_WAIT || s->pos == from)
			return step;
		if (s->pos - from >= l->in.n)
			return wait_for(s, s->pos + TLS_HEADER + 1);
		l->in = slice_of(l->in.p + (s->pos - from), l->in.n - (size_t)(s->pos - from));
	} while (true);
}

static bool is_handshake(struct slice in, size_t at)
{
	return at < in.n && in.p[at] == TLS_HANDSHAKE;
}

static enum identify_step read_requests(struct look *l)
{
	struct stream_ident *s = l->s;
	struct http_head *head = &l->out->http;
	enum http_step step;
	uint64_t from = s->pos;
	size_t used;

	s->http.pos = s->pos;
	step = http_stream_next(&s->http, l->in, head);
	s->pos = s->http.pos;
	switch (step) {
	case HTTP_WAIT:
		return wait_for(s, 0);
	case HTTP_NOT_HTTP:
		s->app = APP_UNKNOWN;
		return last(l, IDENT_NOT_PROTO, ANOMALY_NOT_KNOWN);
	case HTTP_SWITCHED:
		/* behind CONNECT anything may come; behind an Upgrade TLS may (RFC 2817), else it is a tunnel */
		used = (size_t)(s->pos - from);
		s->state = s->http.switch_to == HTTP_SWITCH_CONNECT || is_handshake(l->in, used)
				   ? START
				   : OVER;
		return s->state == OVER ? IDENTIFY_DONE : wait_for(s, 0);
	case HTTP_REQUEST:
	case HTTP_BAD:
		break;
	}
	l->out->ident = head->ident;
	l->out->raw = head->switch_to == HTTP_SWITCH_CONNECT ? head->target : head->host;
	l->out->safe_to = s->pos;
	return step == HTTP_BAD ? last(l, IDENT_EVASIVE, head->ident.anomaly) : IDENTIFY_RESULT;
}

static enum identify_step sslv2(struct look *l)
{
	size_t used;

	l->s->app = APP_TLS;
	l->out->ident.source = SOURCE_NONE;
	if (tls_sslv2_parse(l->in, &used) == PARSE_NEED_MORE)
		return wait_for(l->s, l->s->pos + l->in.n + 1);
	return last(l, IDENT_NONE, ANOMALY_SSLV2);
}

/* What do the first bytes begin? */
static enum identify_step start(struct look *l)
{
	struct stream_ident *s = l->s;
	size_t used;

	switch (preface_parse(l->in, &l->out->raw)) {
	case PARSE_NEED_MORE:
		return wait_for(s, s->pos + l->in.n + 1);
	case PARSE_OK:
		return last(l, IDENT_EVASIVE, ANOMALY_PROXY_PREFACE);
	case PARSE_INVALID:
		break;
	}
	if (tls_sslv2_parse(l->in, &used) != PARSE_INVALID)
		return sslv2(l);
	if (l->in.p[0] >= TLS_CCS && l->in.p[0] <= TLS_DATA) {
		s->app = APP_TLS;
		s->state = HELLO;
		return read_hello(l);
	}
	s->app = APP_HTTP;
	s->state = REQUESTS;
	http_stream_init(&s->http, s->limit);
	s->http.stops = s->stops;
	return read_requests(l);
}

/* Words that are none of a preamble's: what they are is said now; TLS may still come. */
static enum identify_step plain(struct look *l, bool at_start)
{
	struct stream_ident *s = l->s;

	s->preamble = false;
	if (starttls_goes_on(s->talk.proto, at_start, l->in.p[0])) {
		l->out->ident.kind = IDENT_NOT_PROTO;
		l->out->ident.anomaly = ANOMALY_NOT_KNOWN;
		l->out->safe_to = UINT64_MAX;
		l->out->goes_on = true;
		return IDENTIFY_RESULT;
	}
	s->state = START;
	return at_start ? wait_for(s, 0) : last(l, IDENT_NOT_PROTO, ANOMALY_NOT_KNOWN);
}

/* One look at plain words; the bodies of messages are skipped, unless the caller does it. */
static enum starttls_step words(struct look *l)
{
	struct stream_ident *s = l->s;
	enum starttls_step step;
	bool asked = s->talk.asked;
	size_t used;

	do {
		step = starttls_next(&s->talk, l->in, &used);
		if (step == STARTTLS_WAIT && s->talk.skip && !s->stops && used == 0) {
			used = s->talk.skip < l->in.n ? (size_t)s->talk.skip : l->in.n;
			s->talk.skip -= s->talk.skip == UINT64_MAX ? 0 : used;
		}
		s->pos += used;
		l->in = slice_of(l->in.p + used, l->in.n - used);
	} while (step == STARTTLS_WAIT && used && l->in.n && s->talk.proto == STARTTLS_LDAP);
	if (s->talk.plain && s->pos > STARTTLS_HEARD)
		s->talk.asked = true;
	if (s->talk.asked && !asked)
		s->asked_at = s->pos;
	return step;
}

/* Plain words in front of TLS. */
static enum identify_step preamble(struct look *l)
{
	struct stream_ident *s = l->s;
	bool said = s->talk.plain;
	enum starttls_step step = words(l);

	if (!said && s->pos > STARTTLS_LIMIT)
		return last(l, IDENT_EVASIVE, ANOMALY_TOO_LARGE);
	if (step == STARTTLS_PLAIN)
		return plain(l, s->pos == 0);
	if (step == STARTTLS_TLS) {
		s->preamble = false;
		s->state = START;
	}
	return wait_for(s, 0);
}

static enum identify_step step_once(struct look *l)
{
	switch (l->s->state) {
	case PREAMBLE:
		return preamble(l);
	case START:
		return start(l);
	case HELLO:
		return read_hello(l);
	case WATCH:
		return watch(l);
	case REQUESTS:
		return read_requests(l);
	}
	return IDENTIFY_DONE;
}

enum identify_step stream_ident_next(struct stream_ident *s, uint64_t offset, struct slice bytes,
	uint8_t *scratch, struct identify_result *out)
{
	uint64_t end = offset + bytes.n;
	struct look l = {.s = s, .scratch = scratch, .out = out};
	enum identify_step step;
	uint8_t before;

	do {
		if (s->state == OVER)
			return IDENTIFY_DONE;
		if (end < s->need || end <= s->pos)
			return IDENTIFY_WAIT;
		*out = (struct identify_result){0};
		before = s->state;
		l.in = slice_of(bytes.p + (s->pos - offset), (size_t)(end - s->pos));
		step = step_once(&l);
	} while (step == IDENTIFY_WAIT && before != s->state && s->state == START);
	return step;
}
