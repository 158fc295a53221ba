/* SPDX-License-Identifier: GPL-3.0-or-later
 * starttls.c - recognises the cleartext preamble that may come before TLS.
 *
 * Owns: nothing. Thread: any; pure. Fails: by step. See: identify/starttls.h.
 */
#include "identify/starttls.h"

#include <string.h>
#include <strings.h>

enum { POSTGRES_MAX = 10004 }; /* of a start-up packet */
enum unit { UNIT_MORE, UNIT_PREAMBLE, UNIT_OTHER };

/* first words of lines; IMAP's come behind a tag */
static const char *const smtp_words[] = {
	"EHLO", "HELO", "LHLO", "STARTTLS", "NOOP", "RSET", "HELP", "QUIT", NULL};
static const char *const imap_words[] = {"CAPABILITY", "NOOP", "ID", "STARTTLS", "LOGOUT", NULL};
static const char *const pop3_words[] = {"CAPA", "STLS", "NOOP", "QUIT", NULL};
static const char *const ftp_words[] = {
	"AUTH", "FEAT", "CLNT", "OPTS", "SYST", "HELP", "NOOP", "QUIT", NULL};

static const struct port_row {
	uint16_t port;
	uint8_t proto;
} ports[] = {
	{21, STARTTLS_FTP},
	{25, STARTTLS_SMTP},
	{110, STARTTLS_POP3},
	{143, STARTTLS_IMAP},
	{389, STARTTLS_LDAP},
	{587, STARTTLS_SMTP},
	{2525, STARTTLS_SMTP},
	{3268, STARTTLS_LDAP},
	{3306, STARTTLS_MYSQL},
	{3389, STARTTLS_RDP},
	{5222, STARTTLS_XMPP},
	{5269, STARTTLS_XMPP},
	{5432, STARTTLS_POSTGRES},
};

enum starttls_proto starttls_of_port(uint16_t port)
{
	for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
		if (ports[i].port == port)
			return ports[i].proto;
	return STARTTLS_ANY_LINES;
}

static bool is_word(struct slice line, const char *const *words)
{
	size_t n = 0;

	while (n < line.n && line.p[n] != ' ' && line.p[n] != '\r' && line.p[n] != '\t')
		n++;
	for (; *words; words++)
		if (strlen(*words) == n && strncasecmp((const char *)line.p, *words, n) == 0)
			return true;
	return false;
}

static struct slice behind_tag(struct slice line)
{
	const uint8_t *sp = memchr(line.p, ' ', line.n);
	size_t skip = sp ? (size_t)(sp - line.p) + 1 : line.n;

	return slice_of(line.p + skip, line.n - skip);
}

static bool is_preamble_line(enum starttls_proto p, struct slice line)
{
	switch (p) {
	case STARTTLS_SMTP:
		return is_word(line, smtp_words);
	case STARTTLS_IMAP:
		return is_word(behind_tag(line), imap_words);
	case STARTTLS_POP3:
		return is_word(line, pop3_words);
	case STARTTLS_FTP:
		return is_word(line, ftp_words);
	default:
		return is_word(line, smtp_words) || is_word(line, pop3_words) ||
		       is_word(line, ftp_words) || is_word(behind_tag(line), imap_words);
	}
}

/* "TLS" or "SSL", whatever stands between the letters. Returns how many bytes were heard until then, or all. */
static size_t listen(struct starttls *t, struct slice in)
{
	size_t i;

	for (i = 0; i < in.n && !t->asked; i++) {
		uint8_t c = in.p[i] & 0xdf;

		if (c < 'A' || c > 'Z')
			continue;
		t->asked = (t->last[0] == 'T' && t->last[1] == 'L' && c == 'S') ||
			   (t->last[0] == 'S' && t->last[1] == 'S' && c == 'L');
		t->last[0] = t->last[1];
		t->last[1] = c;
	}
	return i;
}

/* Does a record with the beginning of a hello (or of a HelloRequest) stand here? A few bytes may leave it open. */
static enum unit hello_at(struct slice in)
{
	if (in.p[0] != 0x16 || (in.n > 1 && in.p[1] != 3) || (in.n > 5 && in.p[5] > 1))
		return UNIT_OTHER;
	return in.n > 5 ? UNIT_PREAMBLE : UNIT_MORE;
}

/* The first hello that begins within the first `upto` bytes; *n where. */
static enum unit find_hello(struct slice in, size_t upto, size_t *n)
{
	enum unit u = UNIT_OTHER;

	for (*n = 0; *n < upto; ++*n) {
		const uint8_t *p = memchr(in.p + *n, 0x16, upto - *n);

		*n = p ? (size_t)(p - in.p) : upto;
		if (p && (u = hello_at(slice_of(p, in.n - *n))) != UNIT_OTHER)
			return u;
	}
	*n = upto;
	return UNIT_OTHER;
}

static enum unit read_line(struct starttls *t, struct slice in, size_t *n)
{
	const uint8_t *nl = memchr(in.p, '\n', in.n);

	if (!nl || nl - in.p >= STARTTLS_UNIT)
		return in.n > STARTTLS_UNIT ? UNIT_OTHER : UNIT_MORE;
	*n = (size_t)(nl - in.p) + 1;
	if (!is_preamble_line(t->proto, slice_of(in.p, *n - 1)))
		return UNIT_OTHER;
	listen(t, slice_of(in.p, *n));
	return UNIT_PREAMBLE;
}

/* A complete prefix of `want`, or the beginning of one. */
static enum unit expect(struct slice in, const char *want, size_t want_n)
{
	size_t n = in.n < want_n ? in.n : want_n;

	if (memcmp(in.p, want, n) != 0)
		return UNIT_OTHER;
	return n < want_n ? UNIT_MORE : UNIT_PREAMBLE;
}

/* White space, <?xml ...>, <stream:stream ...>, <starttls .../>, </stream:stream> */
static enum unit read_xml(struct slice in, size_t *n)
{
	static const char *const tags[] = {
		"<?xml", "<stream:stream", "<starttls", "</stream:stream", NULL};
	const uint8_t *end;
	enum unit best = UNIT_OTHER;

	if (in.p[0] == ' ' || in.p[0] == '\r' || in.p[0] == '\n' || in.p[0] == '\t') {
		*n = 1;
		return UNIT_PREAMBLE;
	}
	for (const char *const *t = tags; *t && best == UNIT_OTHER; t++)
		best = expect(in, *t, strlen(*t));
	if (best != UNIT_PREAMBLE)
		return best;
	end = memchr(in.p, '>', in.n);
	if (!end || end - in.p >= STARTTLS_UNIT)
		return in.n > STARTTLS_UNIT ? UNIT_OTHER : UNIT_MORE;
	*n = (size_t)(end - in.p) + 1;
	return UNIT_PREAMBLE;
}

/* Length of a BER element's head and content; false: it cannot be one. *n 0: more is needed. */
static bool ber_size(struct slice in, uint64_t *n)
{
	uint64_t length = 0;
	size_t more;

	*n = 0;
	if (in.p[0] != 0x30)
		return false;
	if (in.n < 2)
		return true;
	more = in.p[1] & 0x80 ? in.p[1] & 0x7f : 0;
	if (in.p[1] == 0x80 || more > 8)
		return false;
	if (in.n < 2 + more)
		return true;
	for (size_t i = 0; i < more; i++)
		length = length << 8 | in.p[2 + i];
	if (!more)
		length = in.p[1];
	*n = 2 + more + length;
	return length < UINT32_MAX;
}

/* LDAPMessage with an ExtendedRequest whose OID is StartTLS: 30 len 02 len ID... 77 len 80 16 OID */
static enum unit read_ldap(struct slice in, size_t *n)
{
	static const char oid[] = "1.3.6.1.4.1.1466.20037";
	size_t total, at;

	if (in.p[0] != 0x30)
		return UNIT_OTHER;
	if (in.n < 2)
		return UNIT_MORE;
	if (in.p[1] & 0x80) /* a StartTLS request is short */
		return UNIT_OTHER;
	total = 2 + (size_t)in.p[1];
	if (in.n < total)
		return UNIT_MORE;
	at = total >= 4 && in.p[2] == 0x02 ? 4 + (size_t)in.p[3] : total;
	if (at + 4 + sizeof oid - 1 > total || in.p[at] != 0x77 || in.p[at + 2] != 0x80 ||
		in.p[at + 3] != sizeof oid - 1 || memcmp(in.p + at + 4, oid, sizeof oid - 1) != 0)
		return UNIT_OTHER;
	*n = total;
	return UNIT_PREAMBLE;
}

/* SSLRequest or GSSENCRequest: a start-up packet with that number instead of a version, whatever stands behind it. */
static enum unit read_postgres(struct slice in, size_t *n)
{
	enum unit ssl, gss;

	if (in.n < 4)
		return in.p[0] == 0 && (in.n < 2 || in.p[1] == 0) ? UNIT_MORE : UNIT_OTHER;
	*n = (size_t)in.p[2] << 8 | in.p[3];
	if (in.p[0] || in.p[1] || *n < 8 || *n > POSTGRES_MAX)
		return UNIT_OTHER;
	ssl = expect(slice_of(in.p + 4, in.n - 4), "\004\322\026/", 4);
	gss = expect(slice_of(in.p + 4, in.n - 4), "\004\322\0260", 4);
	if (ssl == UNIT_OTHER && gss == UNIT_OTHER)
		return UNIT_OTHER;
	return in.n < *n ? UNIT_MORE : UNIT_PREAMBLE;
}

/* SSLRequest: the first packet of a client (sequence number 1) with CLIENT_SSL among its capabilities. Usually it ends
 * behind 32 bytes; servers go by the capability alone. */
static enum unit read_mysql(struct slice in, size_t *n)
{
	if ((in.n > 2 && in.p[2] != 0) || (in.n > 3 && in.p[3] != 1) ||
		(in.n > 5 && !(in.p[5] & 0x08)))
		return UNIT_OTHER;
	*n = 4 + (size_t)in.p[0] + (in.n > 1 ? (size_t)in.p[1] << 8 : 0);
	return in.n < 6 || in.n < *n ? UNIT_MORE : UNIT_PREAMBLE;
}

/* TPKT with an X.224 Connection Request. */
static enum unit read_rdp(struct slice in, size_t *n)
{
	enum unit head = expect(in, "\003\0", 2);

	if (head != UNIT_PREAMBLE)
		return head;
	if (in.n < 6)
		return UNIT_MORE;
	*n = (size_t)in.p[2] << 8 | in.p[3];
	if (*n < 7 || *n > STARTTLS_UNIT || in.p[5] != 0xe0)
		return UNIT_OTHER;
	return in.n < *n ? UNIT_MORE : UNIT_PREAMBLE;
}

static enum unit read_unit(struct starttls *t, struct slice in, size_t *n)
{
	switch (t->proto) {
	case STARTTLS_XMPP:
		return read_xml(in, n);
	case STARTTLS_LDAP:
		return read_ldap(in, n);
	case STARTTLS_POSTGRES:
		return read_postgres(in, n);
	case STARTTLS_MYSQL:
		return read_mysql(in, n);
	case STARTTLS_RDP:
		return read_rdp(in, n);
	default:
		return read_line(t, in, n);
	}
}

static bool is_lines(enum starttls_proto p)
{
	return p == STARTTLS_SMTP || p == STARTTLS_IMAP || p == STARTTLS_POP3 ||
	       p == STARTTLS_FTP || p == STARTTLS_ANY_LINES;
}

bool starttls_goes_on(enum starttls_proto p, bool at_start, uint8_t first)
{
	if (p == STARTTLS_XMPP)
		return !at_start || first == '<';
	if (p == STARTTLS_LDAP)
		return !at_start || first == 0x30;
	return is_lines(p);
}

/* A hello inside what would be a line or a tag, *n bytes behind its start. No XML has such a byte. */
static enum unit hello_inside(struct starttls *t, struct slice in, size_t *n)
{
	enum unit u = UNIT_OTHER;
	size_t ignored;
	const uint8_t *p;

	*n = 0;
	if (is_lines(t->proto) && t->asked) {
		p = memchr(in.p, '\n', in.n);
		u = find_hello(in, p ? (size_t)(p - in.p) : in.n, n);
	} else if (t->proto == STARTTLS_XMPP && (p = memchr(in.p, 0x16, in.n)) &&
		   !memchr(in.p, '>', (size_t)(p - in.p))) {
		*n = (size_t)(p - in.p);
		u = UNIT_PREAMBLE;
	}
	/* what is before it is a unit of its own, or would have ended the preamble, had it come alone */
	if (u != UNIT_OTHER && *n > 0 && read_unit(t, slice_of(in.p, *n), &ignored) != UNIT_MORE)
		return UNIT_OTHER;
	return u;
}

/* LDAP messages of any kind, each skipped by its length. */
static enum starttls_step skip_message(struct starttls *t, struct slice in)
{
	uint64_t n;

	if (t->skip || in.n == 0)
		return STARTTLS_WAIT;
	if (hello_at(in) != UNIT_OTHER)
		return hello_at(in) == UNIT_MORE ? STARTTLS_WAIT : STARTTLS_TLS;
	t->skip = ber_size(in, &n) ? n : UINT64_MAX;
	return STARTTLS_WAIT;
}

/* Behind PLAIN: all is consumed but what may be the beginning of a hello. */
static enum starttls_step watch_plain(struct starttls *t, struct slice in, size_t *used)
{
	const uint8_t *p;
	size_t heard;
	enum unit u;

	if (t->proto == STARTTLS_LDAP)
		return skip_message(t, in);
	if (t->proto == STARTTLS_XMPP) {
		p = memchr(in.p, 0x16, in.n);
		*used = p ? (size_t)(p - in.p) : in.n;
		return p ? STARTTLS_TLS : STARTTLS_WAIT;
	}
	heard = listen(t, in);
	u = find_hello(slice_of(in.p + heard, in.n - heard), in.n - heard, used);
	*used += heard;
	return u == UNIT_PREAMBLE ? STARTTLS_TLS : STARTTLS_WAIT;
}

bool starttls_tells_nothing(const struct starttls *t, struct slice bytes)
{
	/* the bytes that hello_at() looks at */
	return t->plain && t->asked && t->proto != STARTTLS_LDAP &&
	       !memchr(bytes.p, 0x16, bytes.n) && !memchr(bytes.p, 0x03, bytes.n) &&
	       !memchr(bytes.p, 0x01, bytes.n) && !memchr(bytes.p, 0x00, bytes.n);
}

enum starttls_step starttls_next(struct starttls *t, struct slice in, size_t *used)
{
	*used = 0;
	if (t->plain)
		return watch_plain(t, in, used);
	while (*used < in.n) {
		struct slice rest = slice_of(in.p + *used, in.n - *used);
		size_t n = 0;

		/* no word of any of these begins like a handshake record */
		if (rest.p[0] == 0x16 && hello_at(rest) != UNIT_OTHER)
			return hello_at(rest) == UNIT_MORE ? STARTTLS_WAIT : STARTTLS_TLS;
		switch (hello_inside(t, rest, &n)) {
		case UNIT_MORE:
			return STARTTLS_WAIT;
		case UNIT_PREAMBLE:
			*used += n;
			return STARTTLS_TLS;
		case UNIT_OTHER:
			break;
		}
		switch (read_unit(t, rest, &n)) {
		case UNIT_MORE:
			return STARTTLS_WAIT;
		case UNIT_OTHER:
			t->plain = true;
			return STARTTLS_PLAIN;
		case UNIT_PREAMBLE:
			*used += n;
		}
	}
	return STARTTLS_WAIT;
}
