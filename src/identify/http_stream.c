/* SPDX-License-Identifier: GPL-3.0-or-later
 * http_stream.c - the client's side of one HTTP/1 connection.
 *
 *	HEAD --> BODY (its first bytes are read as requests, too) --------> HEAD, or AFTER (Upgrade), or TUNNEL (CONNECT)
 *	     --> SIZE -> DATA -> DATA_END -> SIZE ... TRAILER ----------> likewise
 *
 * Chunks are read strictly (CR LF, hexadecimal digits, no blank), because servers read other forms in different ways; such a
 * body is EVASIVE with the reason FRAMING.
 *
 * Owns: nothing. Thread: one at a time; pure. Fails: by step. See: identify/http_stream.h, RFC 9112 7.1.
 */
#include "identify/http_stream.h"

enum state { HEAD, BODY, SIZE, DATA, DATA_END, TRAILER, AFTER, TUNNEL, FAILED };
enum flag { DIGIT = 1, EXTENSION = 2, CR = 4 };
enum { SIZE_LINE_MAX = 200, TRAILER_MAX = 16384, SIZE_MAX_DIGITS = 15 };

void http_stream_init(struct http_stream *s, uint32_t limit)
{
	*s = (struct http_stream){.limit = limit};
}

static enum http_step bad(struct http_stream *s, struct http_head *out, enum anomaly anomaly)
{
	*out = (struct http_head){0};
	out->ident = (struct ident){
		.kind = IDENT_EVASIVE, .anomaly = anomaly, .app = APP_HTTP, .source = SOURCE_HOST};
	s->state = FAILED;
	return HTTP_BAD;
}

static void take(struct http_stream *s, struct slice *in, size_t n)
{
	*in = slice_of(in->p + n, in->n - n);
	s->pos += n;
}

static uint8_t body_end(const struct http_stream *s)
{
	return s->switch_to == HTTP_SWITCH_NONE ? HEAD : AFTER;
}

uint64_t http_stream_rest(const struct http_stream *s)
{
	return (s->state == BODY && !s->shadow) || s->state == DATA ? s->left : 0;
}

bool http_stream_in_body(const struct http_stream *s)
{
	return s->state == BODY || s->state == DATA;
}

/* BODY and DATA: bytes that are nobody's business. */
void http_stream_skip(struct http_stream *s, uint64_t n)
{
	s->pos += n;
	s->left -= n;
	if (s->left > 0)
		return;
	s->state = s->state == DATA ? DATA_END : body_end(s);
	s->flags = 0;
}

static void skip(struct http_stream *s, struct slice *in)
{
	size_t n = s->left < in->n ? (size_t)s->left : in->n;

	*in = slice_of(in->p + n, in->n - n);
	http_stream_skip(s, n);
}

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of a chunk's size line. */
static bool size_byte(struct http_stream *s, uint8_t c)
{
	if (++s->line > SIZE_LINE_MAX)
		return false;
	if (s->flags & CR) {
		s->state = s->left > 0 ? DATA : TRAILER;
		s->flags = s->line = 0;
		s->trailer = 0;
		return c == '\n';
	}
	if (c == '\r') {
		s->flags |= CR;
		return s->flags & DIGIT;
	}
	if (s->flags & EXTENSION)
		return c > ' ' && c != 0x7f && c != 0x85 && c != 0xa0; /* no word behind it */
	if (c == ';') {
		s->flags |= EXTENSION;
		return s->flags & DIGIT;
	}
	if (hex(c) < 0 || s->line > SIZE_MAX_DIGITS)
		return false;
	s->flags |= DIGIT;
	s->left = s->left * 16 + (unsigned)hex(c);
	return true;
}

static bool data_end_byte(struct http_stream *s, uint8_t c)
{
	if (!(s->flags & CR)) {
		s->flags |= CR;
		return c == '\r';
	}
	s->state = SIZE;
	s->flags = s->line = 0;
	return c == '\n';
}

/* Trailer lines until an empty one; `line` only tells empty from not. */
static bool trailer_byte(struct http_stream *s, uint8_t c)
{
	if (++s->trailer > TRAILER_MAX || c == 0)
		return false;
	if (s->flags & CR) {
		s->flags = 0;
		if (s->line == 0)
			s->state = body_end(s);
		s->line = 0;
		return c == '\n';
	}
	if (c == '\r')
		s->flags |= CR;
	else
		s->line = 1;
	return c != '\n';
}

static bool framing_byte(struct http_stream *s, uint8_t c)
{
	switch (s->state) {
	case SIZE:
		return size_byte(s, c);
	case DATA_END:
		return data_end_byte(s, c);
	default:
		return trailer_byte(s, c);
	}
}

static enum http_step read_head(struct http_stream *s, struct slice in, struct http_head *out)
{
	if (in.n > s->limit) /* what more has come already changes nothing */
		in.n = s->limit;
	switch (http_head_parse(in, &s->scanned, out)) {
	case PARSE_NEED_MORE:
		return in.n >= s->limit ? bad(s, out, ANOMALY_TOO_LARGE) : HTTP_WAIT;
	case PARSE_INVALID:
		if (s->count > 0)
			return bad(s, out, ANOMALY_BAD_REQUEST);
		s->state = FAILED;
		return HTTP_NOT_HTTP;
	case PARSE_OK:
		break;
	}
	if (out->ident.kind == IDENT_EVASIVE) {
		s->state = FAILED;
		return HTTP_BAD;
	}
	s->pos += out->head_len;
	s->scanned = 0;
	s->count++;
	s->switch_to = out->switch_to;
	s->left = out->body == HTTP_BODY_LENGTH ? out->length : 0;
	s->flags = s->line = 0;
	s->shadow = s->left > 0;
	if (out->switch_to == HTTP_SWITCH_CONNECT)
		s->state = TUNNEL;
	else if (out->body == HTTP_BODY_CHUNKED)
		s->state = SIZE;
	else
		s->state = s->left > 0 ? BODY : body_end(s);
	return HTTP_REQUEST;
}

/* A look at the body as a server reads it that does not know it for one. WAIT with s->pos moved: go on. */
static enum http_step look_at_body(struct http_stream *s, struct slice *in, struct http_head *out)
{
	size_t n = s->left < in->n ? (size_t)s->left : in->n, used = 0;
	bool last = n == s->left || n >= s->limit;

	if (n > s->limit)
		n = s->limit;
	switch (http_in_body(slice_of(in->p, n), last, &s->scanned, &used, out)) {
	case PARSE_NEED_MORE:
		return HTTP_WAIT;
	case PARSE_INVALID:
		s->shadow = false;
		break;
	case PARSE_OK:
		if (out->ident.kind == IDENT_EVASIVE) {
			s->state = FAILED;
			return HTTP_BAD;
		}
		used = out->head_len;
		break;
	}
	s->scanned = 0;
	*in = slice_of(in->p + used, in->n - used);
	http_stream_skip(s, used);
	return s->shadow && out->ident.kind != IDENT_NOT_PROTO ? HTTP_REQUEST : HTTP_WAIT;
}

/* The first byte behind an Upgrade: a request's, or one that no request begins with? The server may have ignored the
 * Upgrade, and some skip blanks of many kinds (http_head.c); so a WebSocket's byte must be one of a frame. */
static void after_switch(struct http_stream *s, uint8_t c)
{
	static const uint8_t frames[] = {0x01, 0x02, 0x81, 0x82, 0x88, 0x89, 0x8a, 0xc1, 0xc2};
	bool text = (c >= ' ' && c < 0x7f) || (c >= '\t' && c <= '\r') ||
		    (c >= 0x1c && c <= 0x1f) || c == 0x85 || c == 0xa0;

	if (s->switch_to == HTTP_SWITCH_WEBSOCKET)
		text = !memchr(frames, c, sizeof(frames));
	s->state = text ? HEAD : TUNNEL;
}

enum http_step http_stream_next(struct http_stream *s, struct slice in, struct http_head *out)
{
	enum http_step step = HTTP_WAIT;

	while (in.n > 0 || s->state == TUNNEL) {
		uint64_t from = s->pos;

		switch (s->state) {
		case HEAD:
			return read_head(s, in, out);
		case BODY:
		case DATA:
			if (s->state == BODY && s->shadow)
				step = look_at_body(s, &in, out);
			else if (!s->stops)
				skip(s, &in);
			if (step != HTTP_WAIT || s->pos == from)
				return step;
			break;
		case AFTER:
			after_switch(s, in.p[0]);
			break;
		case TUNNEL:
			return HTTP_SWITCHED;
		case FAILED:
			return bad(s, out, ANOMALY_BAD_REQUEST);
		default:
			if (!framing_byte(s, in.p[0]))
				return bad(s, out, ANOMALY_FRAMING);
			take(s, &in, 1);
		}
	}
	return HTTP_WAIT;
}
