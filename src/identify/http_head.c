/* SPDX-License-Identifier: GPL-3.0-or-later
 * http_head.c - reads the head of one HTTP/1 request.
 *
 * First the extent (scan: where is the empty line, is there a NUL or a bare CR), then the request line, then each
 * header line. What servers read in one way only is judged by its Host; what they read in different ways is EVASIVE.
 *
 * Owns: nothing; results point into the caller's bytes. Thread: any; pure. Fails: NEED_MORE, INVALID.
 * See: identify/http_head.h.
 */
#include "identify/http_head.h"

#include <strings.h>

#include "model/hostname.h"

enum { EMPTY_LINES_MAX = 16, METHOD_MAX = 64 };

struct head {
	struct http_head *out;
	unsigned hosts, lengths, codings; /* how many header lines of each */
	bool may_fold;			  /* the line before is a header that decides nothing */
	bool chunked;
	bool bad_length;
};

static void evasive(struct http_head *out, enum oddity odd)
{
	if (out->ident.kind == IDENT_EVASIVE)
		return;
	out->ident.kind = IDENT_EVASIVE;
	out->ident.odd = odd;
}

static bool is_token(uint8_t c)
{
	if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
		return true;
	return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool same(struct slice s, const char *word)
{
	return s.n == strlen(word) && strncasecmp((const char *)s.p, word, s.n) == 0;
}

static struct slice trim(struct slice s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		s = slice_of(s.p + 1, s.n - 1);
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
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

/* Empty lines before the request. OK: *from is the first byte that is none of them. *odd: a bare CR among them, or too
 * many; some servers skip these too. */
static enum parse skip_empty(struct slice in, size_t *from, bool *odd)
{
	size_t i = 0, lines = 0;

	for (; i < in.n && (in.p[i] == '\r' || in.p[i] == '\n') && lines <= EMPTY_LINES_MAX; i++) {
		lines += in.p[i] == '\n';
		if (in.p[i] == '\r' && i + 1 < in.n && in.p[i + 1] != '\n')
			*odd = true;
	}
	*odd |= lines > EMPTY_LINES_MAX;
	*from = i;
	return i < in.n || *odd ? PARSE_OK : PARSE_NEED_MORE;
}

/* Searches the head's end from *scanned on. OK: *end is one past the empty line. INVALID: there is a NUL or a bare CR;
 * *end is the head's end all the same, if it is there. */
static enum parse scan(struct slice in, size_t from, size_t *scanned, size_t *end)
{
	bool odd = false;
	size_t i;

	*end = in.n;
	for (i = *scanned > from ? *scanned : from; i < in.n; i++) {
		uint8_t c = in.p[i];

		odd |= c == '\0' || (c != '\n' && i > from && in.p[i - 1] == '\r');
		if (c != '\n' || i - from < 1)
			continue;
		if (in.p[i - 1] != '\n' &&
			(i - from < 2 || in.p[i - 1] != '\r' || in.p[i - 2] != '\n'))
			continue;
		*end = i + 1;
		return odd ? PARSE_INVALID : PARSE_OK;
	}
	if (odd)
		return PARSE_INVALID;
	*scanned = i;
	return PARSE_NEED_MORE;
}

static struct slice last_word(struct slice line)
{
	size_t i = line.n;

	while (i > 0 && !is_blank(line.p[i - 1]))
		i--;
	return slice_of(line.p + i, line.n - i);
}

/* "HTTP/1.1" and the like: the minor version in *minor. */
static bool read_version(struct slice word, struct http_head *out)
{
	if (word.n < 5 || strncasecmp((const char *)word.p, "HTTP/", 5) != 0)
		return false;
	if (word.n == 8 && word.p[5] == '1' && word.p[6] == '.' && word.p[7] >= '0' &&
		word.p[7] <= '9')
		out->minor = (uint8_t)(word.p[7] - '0');
	else if (word.n >= 6 && word.p[5] == '2')
		evasive(out, ODD_H2C);
	else
		evasive(out, ODD_BAD_REQUEST);
	return true;
}

/* A method and a URL, or three words or more whose second is a path or whose last is like a version: some servers do
 * not read the version, or not strictly, and some take a URL without one. */
static bool is_like_request(struct slice rest, struct slice last)
{
	size_t n = 0;

	while (n < rest.n && !is_blank(rest.p[n]))
		n++;
	if (last.n > 5 && memcmp(last.p, "RTSP/", 5) == 0)
		return false;
	if (n == rest.n)
		return memmem(rest.p, n, "://", 3) != NULL;
	return rest.p[0] == '/' || memmem(rest.p, n, "://", 3) ||
	       memmem(last.p, last.n, "/1.", 3) ||
	       (last.n >= 4 && strncasecmp((const char *)last.p, "HTTP", 4) == 0);
}

/* No version: HTTP/0.9 is GET and a path. */
static bool read_unversioned(struct slice rest, struct slice last, bool odd, struct http_head *out)
{
	out->minor = 9; /* such a server answers the line alone */
	out->target = rest;
	if (is_like_request(rest, last) || same(out->method, "CONNECT")) {
		evasive(out, ODD_BAD_REQUEST);
		return true;
	}
	return !odd && rest.n > 0 && rest.p[0] == '/' && last.n == rest.n &&
	       same(out->method, "GET");
}

/* Blanks to servers that split a line by their language's notion of one: VT, FF, CR, FS to US, NEL and NBSP of Latin-1. */
static bool is_gap(uint8_t c)
{
	return is_blank(c) || (c >= '\v' && c <= '\r') || (c >= 0x1c && c <= 0x1f) || c == 0x85 ||
	       c == 0xa0;
}

/* Is it a request line after all, to who takes these for blanks? */
static bool is_gapped(struct slice line)
{
	struct slice word;
	size_t n = 0, to = line.n, from;

	while (to > 0 && is_gap(line.p[to - 1]))
		to--;
	for (from = to; from > 0 && !is_gap(line.p[from - 1]); from--)
		;
	word = slice_of(line.p + from, to - from);
	if (from > 0 && word.n > 5 && strncasecmp((const char *)word.p, "HTTP/", 5) == 0)
		return true;
	while (n < to && is_gap(line.p[n]))
		n++;
	line = slice_of(line.p + n, to - n);
	for (n = 0; n < line.n && !is_gap(line.p[n]); n++)
		;
	return n < line.n && !is_blank(line.p[n]) && same(slice_of(line.p, n), "GET");
}

/* METHOD TARGET HTTP/1.x; blanks may be many, the target may hold some. A method of other bytes than a token's, and
 * control bytes, are taken by some servers and refused by others. */
static bool read_plain_line(struct slice line, struct http_head *out)
{
	struct slice rest = trim(line), word;
	bool odd = false;
	size_t i = 0, j;

	while (i < rest.n && !is_blank(rest.p[i]))
		odd |= !is_token(rest.p[i++]);
	if (i == 0 || i == rest.n)
		return false;
	out->method = slice_of(rest.p, i);
	rest = trim(slice_of(rest.p + i, rest.n - i));
	for (j = 0; j < rest.n; j++)
		odd |= (rest.p[j] < ' ' && rest.p[j] != '\t') || rest.p[j] == 0x7f;
	word = last_word(rest);
	if (!read_version(word, out))
		return read_unversioned(rest, word, odd, out);
	out->target = trim(slice_of(rest.p, rest.n - word.n));
	if (odd || is_blank(line.p[0]) || out->target.n == 0)
		evasive(out, ODD_BAD_REQUEST);
	return true;
}

static bool read_request_line(struct slice line, struct http_head *out)
{
	bool read = read_plain_line(line, out);

	if ((read && out->minor != 9) || !is_gapped(line))
		return read;
	out->minor = 0;
	evasive(out, ODD_BAD_REQUEST);
	return true;
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
			last = trim(slice_of(value.p + i + 1, value.n - i - 1));
	h->codings++;
	h->chunked = same(last, "chunked");
}

static void read_upgrade(struct http_head *out, struct slice value)
{
	out->switch_to = same(value, "websocket") ? HTTP_SWITCH_WEBSOCKET : HTTP_SWITCH_OTHER;
}

static void read_field(struct head *h, struct slice name, struct slice value)
{
	h->may_fold = false;
	if (same(name, "Host")) {
		if (h->hosts++ == 0)
			h->out->host = value;
	} else if (same(name, "Content-Length")) {
		read_length(h, value);
	} else if (same(name, "Transfer-Encoding")) {
		read_coding(h, value);
	} else if (same(name, "Upgrade")) {
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
		if (same(trim(slice_of(line.p, (size_t)(colon - line.p))), deciding[i]))
			return false;
	return h->may_fold;
}

static void read_header(struct head *h, struct slice line)
{
	const uint8_t *colon = memchr(line.p, ':', line.n);
	size_t i, n = colon ? (size_t)(colon - line.p) : 0;

	if (is_blank(line.p[0]) && fold_is_harmless(h, line))
		return;
	for (i = 0; i < n && is_token(line.p[i]); i++)
		;
	if (n == 0 || i < n) /* folded, no colon, or a name with a blank in it */
		evasive(h->out, ODD_BAD_REQUEST);
	else
		read_field(h, slice_of(line.p, n), trim(slice_of(line.p + n + 1, line.n - n - 1)));
}

static void judge_framing(struct head *h)
{
	struct http_head *out = h->out;

	if (h->lengths > 1 || h->codings > 1 || (h->lengths && h->codings) || h->bad_length)
		evasive(out, ODD_FRAMING);
	if (h->codings && (!h->chunked || out->minor == 0))
		evasive(out, ODD_FRAMING);
	/* there are servers that ignore such a body, and take it for the next request (RFC 9110 9.3.1) */
	if ((same(out->method, "GET") || same(out->method, "HEAD")) &&
		(h->codings || out->length > 0))
		evasive(out, ODD_FRAMING);
	if (same(out->method, "CONNECT")) {
		out->switch_to = HTTP_SWITCH_CONNECT;
		if (h->codings || out->length > 0)
			evasive(out, ODD_FRAMING);
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
	for (i = 0; i < t.n && is_token(t.p[i]); i++)
		;
	if (i + 3 > t.n || memcmp(t.p + i, "://", 3) != 0) {
		evasive(out, ODD_BAD_REQUEST);
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
		id->odd = ODD_NOTHING;
		break;
	case HOSTNAME_IP:
		id->kind = IDENT_NONE;
		id->odd = ODD_IP_LITERAL;
		break;
	case HOSTNAME_EMPTY:
		id->kind = IDENT_NONE;
		id->odd = ODD_NO_HOST;
		break;
	case HOSTNAME_BAD:
		id->kind = IDENT_EVASIVE;
		id->odd = memchr(authority.p, ',', authority.n) ? ODD_TWO_HOSTS : ODD_BAD_NAME;
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
		id.odd = out->ident.odd;
	}
	out->ident = id;
}

static void judge_names(struct head *h)
{
	struct http_head *out = h->out;
	struct slice authority = target_authority(out);
	struct ident host = {.kind = IDENT_NONE, .odd = ODD_NO_HOST}, target = host;
	uint16_t port = 0;

	if (h->hosts > 1)
		evasive(out, ODD_TWO_HOSTS);
	if (h->hosts > 0)
		judge_authority(out->host, &host, &out->port);
	else if (out->minor >= 1 && out->minor != 9 && out->switch_to != HTTP_SWITCH_CONNECT)
		evasive(out, ODD_NO_HOST);
	if (!authority.p) {
		judge(out, host);
		return;
	}
	judge_authority(authority, &target, &port);
	out->port = port;
	if (host.kind == IDENT_EVASIVE)
		evasive(out, host.odd);
	else if (target.kind == IDENT_EVASIVE)
		evasive(out, target.odd);
	else if (h->hosts > 0 && strcmp(host.name, target.name) != 0)
		evasive(out, ODD_HOST_MISMATCH);
	judge(out, target);
}

/* A word of letters and something like a blank: what follows may hold any byte, for some servers. */
static bool has_method(struct slice in)
{
	size_t i = 0;

	while (i < in.n && i < METHOD_MAX && (in.p[i] | 0x20) >= 'a' && (in.p[i] | 0x20) <= 'z')
		i++;
	return i > 0 && i < in.n && is_gap(in.p[i]);
}

/* Can these bytes begin an HTTP request? Looked at until the first line is complete. A control byte tells a binary
 * protocol, unless it is a blank to somebody; other bytes do not, for there are servers that take any of them in a
 * method. */
static enum parse looks_like_http(struct slice in)
{
	size_t i = 0;

	while (i < in.n && in.p[i] != '\n' && in.p[i] != 0x7f &&
		(in.p[i] >= ' ' || is_gap(in.p[i])))
		i++;
	if (i < in.n)
		return in.p[i] == '\n' || has_method(in) ? PARSE_OK : PARSE_INVALID;
	return PARSE_NEED_MORE;
}

/* More bytes than any method has, and no blank among them. */
static bool is_overlong(struct slice in)
{
	size_t i = 0;

	while (i < in.n && is_blank(in.p[i]))
		i++;
	for (size_t from = i; i < in.n && !is_blank(in.p[i]) && in.p[i] != '\n'; i++)
		if (i - from >= METHOD_MAX)
			return true;
	return false;
}

static enum parse odd_start(struct http_head *out, size_t used)
{
	judge(out, (struct ident){.kind = IDENT_EVASIVE, .odd = ODD_BAD_REQUEST});
	out->head_len = used;
	return PARSE_OK;
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

/* The first line is there, from `head` on; `extent` says how far the head goes. */
static enum parse read_head(struct slice head, enum parse extent, struct http_head *out)
{
	struct slice rest = head, line = take_line(&rest);
	bool odd_line =
		line.n > 0 && (memchr(line.p, '\0', line.n) || memchr(line.p, '\r', line.n));

	struct ident said;

	if (!read_request_line(line, out))
		return PARSE_INVALID;
	said = out->ident;
	if (extent == PARSE_INVALID)
		evasive(out, ODD_BAD_REQUEST);
	if (out->minor == 9 && !odd_line) { /* a server answers this line, whatever follows */
		*out = (struct http_head){
			.ident = said, .method = out->method, .target = out->target, .minor = 9};
		out->head_len = head.n - rest.n;
		judge(out, (struct ident){.kind = IDENT_NONE, .odd = ODD_NO_HOST});
		return PARSE_OK;
	}
	if (extent == PARSE_NEED_MORE && out->ident.odd != ODD_H2C)
		return extent;
	out->head_len = head.n;
	read_headers(rest, out);
	return PARSE_OK;
}

enum parse http_head_parse(struct slice in, size_t *scanned, struct http_head *out)
{
	size_t from = 0, end = 0, before = *scanned;
	bool odd = false;
	enum parse status = skip_empty(in, &from, &odd), extent;
	const uint8_t *lf;

	*out = (struct http_head){0};
	if (status != PARSE_OK)
		return status;
	if (before < from + METHOD_MAX + 2 || odd) {
		struct slice text = slice_of(in.p + from, in.n - from);

		if (looks_like_http(text) == PARSE_INVALID)
			return PARSE_INVALID;
		if (odd || is_overlong(text))
			return odd_start(out, from);
	}
	extent = scan(in, from, scanned, &end);
	lf = memchr(in.p + from, '\n', end - from);
	if (!lf && extent == PARSE_INVALID && has_method(slice_of(in.p + from, in.n - from)))
		return odd_start(out, from);
	if (!lf)
		return extent;
	if (extent == PARSE_NEED_MORE && before > (size_t)(lf - in.p))
		return extent; /* the first line was looked at before */
	status = read_head(slice_of(in.p + from, end - from), extent, out);
	out->head_len += from;
	return status;
}

enum parse http_status_parse(struct slice in, unsigned *status)
{
	static const char start[] = "HTTP/1.";
	size_t i, n = sizeof(start) - 1;

	for (i = 0; i < n && i < in.n; i++)
		if (in.p[i] != (uint8_t)start[i])
			return PARSE_INVALID;
	for (i = n; i < n + 5 && i < in.n; i++) {
		bool digit = in.p[i] >= '0' && in.p[i] <= '9';

		if (i == n + 1 ? in.p[i] != ' ' : !digit)
			return PARSE_INVALID;
	}
	if (in.n < n + 5)
		return PARSE_NEED_MORE;
	*status = (in.p[n + 2] - (unsigned)'0') * 100 + (in.p[n + 3] - (unsigned)'0') * 10 +
		  (in.p[n + 4] - (unsigned)'0');
	return PARSE_OK;
}
