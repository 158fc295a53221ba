/* SPDX-License-Identifier: GPL-3.0-or-later
 * refuse_page.c - the block page and the answers to odd requests, as whole HTTP responses.
 *
 * Texts from the policy are UTF-8. Bytes that are not well-formed, and characters that change the direction of a line, become
 * U+FFFD. The Content-Security-Policy holds the hash of the style; a test computes it again.
 *
 * Owns: nothing. Thread: any; pure. Fails: as strbuf does.
 * See: docs/design/decision.md "Refusing"; RFC 9110 15.5, 15.6; RFC 6585 5; RFC 3629 4 (well-formed UTF-8).
 */
#include "act/refuse_page.h"

static const char STYLE[] =
	":root{color-scheme:light "
	"dark;--ink:#1c2430;--soft:#5a6675;--bg:#f4f5f7;--card:#fff;--line:#d9de"
	"e5;--mark:#b3261e}"
	"@media "
	"(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#a3adba;--bg:#12161c;--card:#1b212"
	"9;--line:#323a45;--mark:#ff8a80}}"
	"*{box-sizing:border-box}"
	"body{margin:0;background:var(--bg);color:var(--ink);font:1.0625rem/1.5 "
	"system-ui,sans-serif}"
	"main{max-width:34rem;margin:8vh "
	"auto;padding:1.5rem;background:var(--card);border-top:.3rem soli"
	"d var(--mark)}"
	"h1{margin:0 0 .75rem;font-size:1.5rem;line-height:1.25;overflow-wrap:anywhere}"
	"p{margin:0 0 1rem}"
	".why{font-size:1.2rem}"
	"dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:0 0 "
	"1rem;padding:1rem 0;bo"
	"rder:solid var(--line);border-width:1px 0}"
	"dt{color:var(--soft)}"
	"dd{margin:0;overflow-wrap:anywhere}"
	"footer{color:var(--soft);font-size:.9rem}"
	"@media (max-width:36rem){main{margin:0;min-height:100vh;padding:1.25rem}}";
#define STYLE_HASH "sha256-qqaxue+s69KN31CRm/06omaMwmJbgX9c7WZik3KGBOE="

static const char HEADERS[] =
	"Content-Type: text/html; charset=utf-8\r\n"
	"Cache-Control: no-store\r\n"
	"Connection: close\r\n"
	"Content-Security-Policy: default-src 'none'; style-src '" STYLE_HASH "'; sandbox\r\n"
	"X-Content-Type-Options: nosniff\r\n"
	"Referrer-Policy: no-referrer\r\n";

/* Bytes of the well-formed UTF-8 character at s.p, 0 when there is none; *code is its number. */
static size_t utf8_at(struct slice s, uint32_t *code)
{
	static const uint32_t LEAST[5] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t b = s.p[0];
	size_t n = b < 0x80		   ? 1
		   : b >= 0xc2 && b < 0xe0 ? 2
		   : b >= 0xe0 && b < 0xf0 ? 3
		   : b >= 0xf0 && b < 0xf5 ? 4
					   : 0;
	if (n == 0 || n > s.n)
		return 0;
	uint32_t c = n == 1 ? b : b & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s.p[i] & 0x3f);
	}
	if (c < LEAST[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*code = c;
	return n;
}

static bool is_shown(uint32_t c)
{
	return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && !(c >= 0x200e && c <= 0x200f) &&
	       !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069) && c != 0x061c &&
	       c != 0xfeff;
}

static void add_text(struct strbuf *out, struct slice s)
{
	while (s.n) {
		uint32_t c = 0;
		size_t n = utf8_at(s, &c);
		if (n == 1 && is_shown(c))
			strbuf_html(out, slice_of(s.p, 1));
		else if (n && is_shown(c))
			strbuf_add(out, slice_of(s.p, n));
		else
			strbuf_str(out, "&#65533;");
		n = n ? n : 1;
		s = slice_of(s.p + n, s.n - n);
	}
}

static bool is_host(struct slice s)
{
	if (s.n == 0 || s.n > 253)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    c == '-' || c == '.' || c == '_'))
			return false;
	}
	return true;
}

static void add_row(struct strbuf *out, const char *what, struct slice text)
{
	if (text.n == 0)
		return;
	strbuf_fmt(out, "<dt>%s</dt><dd>", what);
	add_text(out, text);
	strbuf_str(out, "</dd>");
}

static void open_page(struct strbuf *out, const char *title)
{
	strbuf_str(out,
		"<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
		"name=\"viewport\" "
		"content=\"width=device-width\"><meta name=\"robots\" content=\"noindex\"><title>");
	strbuf_str(out, title);
	strbuf_str(out, "</title><style>");
	strbuf_str(out, STYLE);
	strbuf_str(out, "</style></head><body><main>");
}

/* The status line and headers of `body`, then the body but for HEAD. Empties *body. */
static void respond(struct strbuf *out, const char *status, bool head, struct strbuf *body)
{
	strbuf_str(body, "</main></body></html>\n");
	if (body->failed)
		out->failed = true; /* half a page is none */
	strbuf_fmt(out, "HTTP/1.1 %s\r\n", status);
	strbuf_str(out, HEADERS);
	strbuf_fmt(out, "Content-Length: %zu\r\n\r\n", body->n);
	if (!head)
		strbuf_str(out, strbuf_text(body));
	strbuf_fini(body);
}

static void add_details(struct strbuf *b, const struct refuse_page *p)
{
	if (!p->who.n && !p->list.n && !p->until.n && !p->reference.n)
		return;
	strbuf_str(b, "<dl>");
	add_row(b, "Blocked for", p->who);
	add_row(b, "On the list", p->list);
	add_row(b, "Open again", p->until);
	add_row(b, "Reference", p->reference);
	strbuf_str(b, "</dl>");
}

void refuse_page_blocked(const struct refuse_page *p, struct strbuf *out)
{
	struct strbuf b = {0};
	open_page(&b, "Blocked");
	strbuf_str(&b, "<h1>");
	if (is_host(p->host))
		add_text(&b, p->host);
	else
		strbuf_str(&b, "This site");
	strbuf_str(&b, " is blocked on this network</h1><p class=\"why\">");
	if (p->because.n)
		add_text(&b, p->because);
	else
		strbuf_str(&b, "The rules of this network do not let this site through.");
	strbuf_str(&b, "</p>");
	add_details(&b, p);
	strbuf_str(&b, "<footer>Your device and your connection are fine. If you need this site, "
		       "ask whoever looks after "
		       "this network");
	strbuf_str(&b, p->reference.n ? " and give the reference above.</footer>" : ".</footer>");
	respond(out, "403 Forbidden", p->head, &b);
}

static const struct error {
	enum refuse_http status;
	const char *line, *title, *text;
} ERRORS[] = {
	{REFUSE_HTTP_BAD_REQUEST, "400 Bad Request", "This request could not be understood",
		"What your device sent can be read in more than one way, so it was not passed on."},
	{REFUSE_HTTP_TIMEOUT, "408 Request Timeout", "The request took too long",
		"It did not arrive in full. Please try again."},
	{REFUSE_HTTP_TOO_LARGE, "431 Request Header Fields Too Large", "The request is too large",
		"Deleting this site's cookies in the browser usually helps."},
	{REFUSE_HTTP_BAD_GATEWAY, "502 Bad Gateway", "The site does not answer",
		"The network let your request through, but the site could not be reached. Please "
		"try again later."},
	{REFUSE_HTTP_UNAVAILABLE, "503 Service Unavailable", "The gateway is busy",
		"Please try again in a moment."},
};

void refuse_page_error(enum refuse_http status, bool head, struct strbuf *out)
{
	const struct error *e = &ERRORS[0];
	for (size_t i = 0; i < sizeof(ERRORS) / sizeof(ERRORS[0]); i++)
		if (ERRORS[i].status == status)
			e = &ERRORS[i];
	struct strbuf b = {0};
	open_page(&b, e->title);
	strbuf_fmt(&b,
		"<h1>%s</h1><p class=\"why\">%s</p><footer>This answer comes from the gateway of "
		"this network, not from "
		"the site.</footer>",
		e->title, e->text);
	respond(out, e->line, head, &b);
}
