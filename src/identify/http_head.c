/* SPDX-License-Identifier: GPL-3.0-or-later
 * http_head.c - reads the head of one HTTP/1 request.
 *
 * The reader takes the request line first (http_line.c), then looks for the end of the head (scan: the empty line, a NUL or
 * a bare CR on the way), then reads each header line. A head that all servers read in one way is judged by its Host; one that
 * servers read in different ways is EVASIVE.
 *
 * Owns: nothing; results point into the caller's bytes. Thread: any; pure. Fails: NEED_MORE, INVALID.
 * See: identify/http_head.h.
 */
#include "identify/http_head.h"

#include "http_int.h"
#include "model/hostname.h"

struct head {
	struct http_head *out;
	unsigned hosts, lengths, codings; /* how many header lines of each */
	bool may_fold;			  /* the line before is a header that decides nothing */
	bool chunked;
	bool bad_length;
};

static void evasive(struct http_head *out, enum anomaly anomaly)
{
	if (out->ident.kind == IDENT_EVASIVE)
		return;
	out->ident.kind = IDENT_EVASIVE;
	out->ident.anomaly = anomaly;
}

/* Cuts one line off, without its CR LF or LF. There is a LF. */
static struct slice take_line(struct slice *in)
{
	const uint8_t *lf = memchr(in->p, '\n', in->n);
	struct slice line = slice_of(in->p, (size_t)(lf - in->p));

	*in = slice_of(lf + 1, in->n - line.n - 1);
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

/* Searches the head's end from *scanned on; the first line ends at `lf`. OK: *end is one past the empty line. INVALID:
 * there is a NUL or a bare CR behind the first line; *end is the head's end all the same, if it is there. */
static enum parse scan(struct slice in, size_t lf, size_t *scanned, size_t *end)
{
	bool anomaly = false;
	size_t i;

	*end = in.n;
	for (i = *scanned > lf ? *scanned : lf + 1; i < in.n; i++) {
		uint8_t c = in.p[i];

		anomaly |= c == '\0' || (c != '\n' && in.p[i - 1] == '\r');
		if (c != '\n' ||
			(in.p[i - 1] != '\n' && (in.p[i - 1] != '\r' || in.p[i - 2] != '\n')))
			continue;
		*end = i + 1;
		return anomaly ? PARSE_INVALID : PARSE_OK;
	}
	if (anomaly)
		return PARSE_INVALID;
	*scanned = i;
	return PARSE_NEED_MORE;
}

static void read_length(struct head *h, struct slice value)
{
	uint64_t v = 0;
	size_t i;

	if (value.n == 0 || value.n > 18)
		h->bad_length = true;
	for (i = 0; i < value.n && !h->bad_length; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			h->bad_length = true;
		v = v * 10 + (value.p[i] - (unsigned)'0');
	}
	h->lengths++;
	h->out->length = v;
}

/* Only a list that ends in `chunked` frames a request; anything else servers read in different ways. */
static void read_coding(struct head *h, struct slice value)
{
	struct slice last = value;
	size_t i;

	for (i = 0; i < value.n; i++)
		if (value.p[i] == ',')
			last = http_trim(slice_of(value.p + i + 1, value.n - i - 1));
	h->codings++;
	h->chunked = http_same(last, "chunked");
}

static void read_upgrade(struct http_head *out, struct slice value)
{
	out->switch_to = http_same(value, "websocket") ? HTTP_SWITCH_WEBSOCKET : HTTP_SWITCH_OTHER;
}

static void read_field(struct head *h, struct slice name, struct slice value)
{
	h->may_fold = false;
	if (http_same(name, "Host")) {
		if (h->hosts++ == 0)
			h->out->host = value;
	} else if (http_same(name, "Content-Length")) {
		read_length(h, value);
	} else if (http_same(name, "Transfer-Encoding")) {
		read_coding(h, value);
	} else if (http_same(name, "Upgrade")) {
		read_upgrade(h->out, value);
	} else {
		h->may_fold = true;
	}
}

/* A folded line is harmless behind a header that decides nothing, unless some server takes it for a header itself. */
static bool fold_is_harmless(const struct head *h, struct slice line)
{
	static const char *const deciding[] = {
		"Host", "Content-Length", "Transfer-Encoding", "Upgrade"};
	const uint8_t *colon = memchr(line.p, ':', line.n);

	for (size_t i = 0; colon && i < 4; i++)
		if (http_same(http_trim(slice_of(line.p, (size_t)(colon - line.p))), deciding[i]))
			return false;
	return h->may_fold;
}

static void read_header(struct head *h, struct slice line)
{
	const uint8_t *colon = memchr(line.p, ':', line.n);
	size_t i, n = colon ? (size_t)(colon - line.p) : 0;

	if (http_is_blank(line.p[0]) && fold_is_harmless(h, line))
		return;
	for (i = 0; i < n && http_is_token(line.p[i]); i++)
		;
	if (n == 0 || i < n) /* folded, no colon, or a name with a blank in it */
		evasive(h->out, ANOMALY_BAD_REQUEST);
	else
		read_field(h, slice_of(line.p, n),
			http_trim(slice_of(line.p + n + 1, line.n - n - 1)));
}

static void judge_framing(struct head *h)
{
	struct http_head *out = h->out;

	if (h->lengths > 1 || h->codings > 1 || (h->lengths && h->codings) || h->bad_length)
		evasive(out, ANOMALY_FRAMING);
	if (h->codings && (!h->chunked || out->minor == 0))
		evasive(out, ANOMALY_FRAMING);
	/* there are servers that ignore such a body, and take it for the next request (RFC 9110 9.3.1) */
	if ((http_same(out->method, "GET") || http_same(out->method, "HEAD") ||
		    http_same(out->method, "TRACE")) &&
		(h->codings || out->length > 0))
		evasive(out, ANOMALY_FRAMING);
	if (http_same(out->method, "CONNECT")) {
		out->switch_to = HTTP_SWITCH_CONNECT;
		if (h->codings || out->length > 0)
			evasive(out, ANOMALY_FRAMING);
	}
	if (h->codings)
		out->body = HTTP_BODY_CHUNKED;
	else if (out->length > 0)
		out->body = HTTP_BODY_LENGTH;
}

/* The authority in the target (CONNECT, absolute-form); p NULL = there is none. */
static struct slice target_authority(struct http_head *out)
{
	struct slice t = out->target;
	size_t i, from;

	if (out->switch_to == HTTP_SWITCH_CONNECT)
		return t;
	if (t.n == 0 || t.p[0] == '/' || t.p[0] == '*')
		return slice_of(NULL, 0);
	for (i = 0; i < t.n && http_is_token(t.p[i]); i++)
		;
	if (i + 3 > t.n || memcmp(t.p + i, "://", 3) != 0) {
		evasive(out, ANOMALY_BAD_REQUEST);
		return slice_of(NULL, 0);
	}
	from = i + 3;
	for (i = from; i < t.n && !strchr("/?#\\", t.p[i]); i++)
		;
	return slice_of(t.p + from, i - from);
}

static void judge_authority(struct slice authority, struct ident *id, uint16_t *port)
{
	switch (hostname_from_authority(authority, id->name, &id->name_len, port)) {
	case HOSTNAME_OK:
		id->kind = IDENT_NAME;
		id->anomaly = ANOMALY_NOTHING;
		break;
	case HOSTNAME_IP:
		id->kind = IDENT_NONE;
		id->anomaly = ANOMALY_IP_LITERAL;
		break;
	case HOSTNAME_EMPTY:
		id->kind = IDENT_NONE;
		id->anomaly = ANOMALY_NO_HOST;
		break;
	case HOSTNAME_BAD:
		id->kind = IDENT_EVASIVE;
		id->anomaly = memchr(authority.p, ',', authority.n) ? ANOMALY_TWO_HOSTS
								    : ANOMALY_BAD_NAME;
		break;
	}
}

/* Keeps the name when something was odd before. */
static void judge(struct http_head *out, struct ident id)
{
	id.app = APP_HTTP;
	id.source = SOURCE_HOST;
	if (out->ident.kind == IDENT_EVASIVE) {
		id.kind = IDENT_EVASIVE;
		id.anomaly = out->ident.anomaly;
	}
	out->ident = id;
}

static void judge_names(struct head *h)
{
	struct http_head *out = h->out;
	struct slice authority = target_authority(out);
	struct ident host = {.kind = IDENT_NONE, .anomaly = ANOMALY_NO_HOST}, target = host;
	uint16_t port = 0;

	if (h->hosts > 1)
		evasive(out, ANOMALY_TWO_HOSTS);
	if (h->hosts > 0)
		judge_authority(out->host, &host, &out->port);
	else if (out->minor >= 1 && out->minor != HTTP_MINOR_09 &&
		 out->switch_to != HTTP_SWITCH_CONNECT)
		evasive(out, ANOMALY_NO_HOST);
	if (!authority.p) {
		judge(out, host);
		return;
	}
	judge_authority(authority, &target, &port);
	out->port = port;
	if (host.kind == IDENT_EVASIVE)
		evasive(out, host.anomaly);
	else if (target.kind == IDENT_EVASIVE)
		evasive(out, target.anomaly);
	else if (h->hosts > 0 && strcmp(host.name, target.name) != 0)
		evasive(out, ANOMALY_HOST_MISMATCH);
	judge(out, target);
}

/* lines: whole ones, up to the empty one where it is there. */
static void read_headers(struct slice lines, struct http_head *out)
{
	struct head h = {.out = out};

	while (lines.n > 0 && memchr(lines.p, '\n', lines.n)) {
		struct slice line = take_line(&lines);

		if (line.n == 0)
			break;
		read_header(&h, line);
	}
	judge_framing(&h);
	judge_names(&h);
}

/* A server answers this line, whatever follows. */
static enum parse lone_line(size_t used, struct http_head *out)
{
	judge(out, (struct ident){.kind = IDENT_NONE, .anomaly = ANOMALY_NO_HOST});
	out->head_len = used;
	return PARSE_OK;
}

/* The first line is there, from in.p[from] to in.p[lf]. */
static enum parse read_head(
	struct slice in, const struct http_found *at, size_t *scanned, struct http_head *out)
{
	struct slice rest = slice_of(in.p + at->from, in.n - at->from);
	size_t before = *scanned, end = 0;
	enum parse extent = scan(in, at->lf, scanned, &end);
	struct http_line line;

	if (extent == PARSE_NEED_MORE && before > at->lf)
		return extent; /* the first line was looked at before */
	if (!http_line_read(take_line(&rest), &line))
		return PARSE_INVALID;
	out->method = line.method;
	out->target = line.target;
	out->minor = line.minor;
	if (line.anomaly)
		evasive(out, line.anomaly);
	if (line.minor == HTTP_MINOR_09)
		return lone_line(at->lf + 1, out);
	if (extent == PARSE_INVALID)
		evasive(out, ANOMALY_BAD_REQUEST);
	if (extent == PARSE_NEED_MORE && line.anomaly != ANOMALY_H2C)
		return extent;
	read_headers(slice_of(rest.p, (size_t)(in.p + end - rest.p)), out);
	out->head_len = end;
	return PARSE_OK;
}

/* What the line says is not known; a Host behind it, where it is there already, is for the record. */
static enum parse anomaly_start(struct slice in, size_t from, struct http_head *out)
{
	const uint8_t *lf = memchr(in.p + from, '\n', in.n - from);
	size_t scanned = 0, end;

	evasive(out, ANOMALY_BAD_REQUEST);
	out->head_len = from;
	if (lf && scan(in, (size_t)(lf - in.p), &scanned, &end) != PARSE_NEED_MORE) {
		read_headers(slice_of(lf + 1, (size_t)(in.p + end - lf - 1)), out);
		out->head_len = end;
	} else {
		judge(out, (struct ident){.kind = IDENT_EVASIVE});
	}
	return PARSE_OK;
}

enum parse http_head_parse(struct slice in, size_t *scanned, struct http_head *out)
{
	struct http_found at;
	enum parse status = http_line_find(in, *scanned, &at);

	*out = (struct http_head){0};
	if (status == PARSE_NEED_MORE)
		*scanned = in.n;
	if (status != PARSE_OK)
		return status;
	return at.anomaly ? anomaly_start(in, at.from, out) : read_head(in, &at, scanned, out);
}

/* Does a server that reads no body take this line for a request's first? */
static bool is_line_in_body(struct slice line, struct http_head *out)
{
	struct http_line l;

	if (!http_line_read(line, &l))
		return false;
	out->method = l.method;
	out->target = l.target;
	out->minor = l.minor;
	if (l.anomaly == ANOMALY_H2C && !http_same(l.method, "PRI"))
		return false; /* a sentence that ends so */
	if (l.anomaly)
		evasive(out, l.anomaly);
	return l.minor != HTTP_MINOR_09 || slice_eq(l.method, slice_str("GET"));
}

/* A Host in whatever way it is written, or the beginning of one. */
static bool speaks_of_host(struct slice lines)
{
	while (lines.n > 0) {
		const uint8_t *lf = memchr(lines.p, '\n', lines.n);
		size_t n = lf ? (size_t)(lf - lines.p) : lines.n;
		struct slice line = http_trim(slice_of(lines.p, n));

		if (line.n >= 4 && strncasecmp((const char *)line.p, "Host", 4) == 0)
			return true;
		n += lf != NULL;
		lines = slice_of(lines.p + n, lines.n - n);
	}
	return false;
}

static bool names_a_site(struct slice line, struct slice lines, const struct http_head *out)
{
	return out->switch_to == HTTP_SWITCH_CONNECT || memmem(line.p, line.n, "://", 3) ||
	       (out->ident.kind == IDENT_EVASIVE && out->ident.anomaly == ANOMALY_H2C) ||
	       speaks_of_host(lines);
}

/* The first line reads as a request's; behind it come header lines. */
static enum parse read_in_body(
	struct slice in, size_t lf, bool last, size_t *scanned, struct http_head *out)
{
	struct slice line = slice_of(in.p, lf), lines;
	size_t end = in.n;
	enum parse extent = scan(in, lf, scanned, &end);

	if (extent == PARSE_NEED_MORE && !last)
		return extent;
	lines = slice_of(in.p + lf + 1, end - lf - 1);
	read_headers(lines, out);
	out->in_body = true;
	out->head_len = end;
	if (extent == PARSE_INVALID)
		evasive(out, ANOMALY_BAD_REQUEST);
	else if (!names_a_site(line, lines, out))
		out->ident = (struct ident){.kind = IDENT_NOT_PROTO, .app = APP_HTTP};
	else if (extent == PARSE_NEED_MORE || out->body != HTTP_BODY_NONE ||
		 out->switch_to == HTTP_SWITCH_CONNECT)
		evasive(out, ANOMALY_FRAMING);
	return PARSE_OK;
}

enum parse http_in_body(
	struct slice in, bool last, size_t *scanned, size_t *used, struct http_head *out)
{
	struct http_found at;
	enum parse status = http_line_find_in_body(in, &at);
	struct slice line;

	*out = (struct http_head){0};
	*used = at.lf < in.n ? at.lf + 1 : in.n;
	if (status != PARSE_OK)
		return last ? PARSE_INVALID : status;
	line = slice_of(in.p + at.from, at.lf + 1 - at.from);
	if (!is_line_in_body(take_line(&line), out))
		return PARSE_INVALID;
	return read_in_body(in, at.lf, last, scanned, out);
}
