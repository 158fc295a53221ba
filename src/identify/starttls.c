/* SPDX-License-Identifier: GPL-3.0-or-later
 * starttls.c - words that may stand in front of TLS.
 *
 * Owns: nothing. Thread: any; pure. Fails: by step. See: identify/starttls.h.
 */
#include "identify/starttls.h"

#include <strings.h>

enum unit { UNIT_MORE, UNIT_DIALOGUE, UNIT_OTHER };

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

static bool is_dialogue_line(enum starttls_proto p, struct slice line)
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

static enum unit read_line(enum starttls_proto p, struct slice in, size_t *n)
{
	const uint8_t *nl = memchr(in.p, '\n', in.n);

	if (!nl)
		return in.n > STARTTLS_UNIT ? UNIT_OTHER : UNIT_MORE;
	*n = (size_t)(nl - in.p) + 1;
	return is_dialogue_line(p, slice_of(in.p, *n - 1)) ? UNIT_DIALOGUE : UNIT_OTHER;
}

/* A complete prefix of `want`, or the beginning of one. */
static enum unit expect(struct slice in, const char *want, size_t want_n)
{
	size_t n = in.n < want_n ? in.n : want_n;

	if (memcmp(in.p, want, n) != 0)
		return UNIT_OTHER;
	return n < want_n ? UNIT_MORE : UNIT_DIALOGUE;
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
		return UNIT_DIALOGUE;
	}
	for (const char *const *t = tags; *t && best == UNIT_OTHER; t++)
		best = expect(in, *t, strlen(*t));
	if (best != UNIT_DIALOGUE)
		return best;
	end = memchr(in.p, '>', in.n);
	if (!end)
		return in.n > STARTTLS_UNIT ? UNIT_OTHER : UNIT_MORE;
	*n = (size_t)(end - in.p) + 1;
	return UNIT_DIALOGUE;
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
	return UNIT_DIALOGUE;
}

static enum unit read_postgres(struct slice in, size_t *n)
{
	enum unit ssl = expect(in, "\0\0\0\010\004\322\026/", 8),
		  gss = expect(in, "\0\0\0\010\004\322\0260", 8);

	*n = 8;
	return ssl == UNIT_OTHER ? gss : ssl;
}

/* SSLRequest: a packet of 32 bytes, sequence number 1, with CLIENT_SSL among its capabilities. */
static enum unit read_mysql(struct slice in, size_t *n)
{
	enum unit head = expect(in, "\040\0\0\001", 4);

	if (head != UNIT_DIALOGUE)
		return head;
	*n = 36;
	if (in.n < *n)
		return UNIT_MORE;
	return in.p[5] & 0x08 ? UNIT_DIALOGUE : UNIT_OTHER;
}

/* TPKT with an X.224 Connection Request. */
static enum unit read_rdp(struct slice in, size_t *n)
{
	enum unit head = expect(in, "\003\0", 2);

	if (head != UNIT_DIALOGUE)
		return head;
	if (in.n < 6)
		return UNIT_MORE;
	*n = (size_t)in.p[2] << 8 | in.p[3];
	if (*n < 7 || *n > STARTTLS_UNIT || in.p[5] != 0xe0)
		return UNIT_OTHER;
	return in.n < *n ? UNIT_MORE : UNIT_DIALOGUE;
}

static enum unit read_unit(enum starttls_proto p, struct slice in, size_t *n)
{
	switch (p) {
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
		return read_line(p, in, n);
	}
}

enum starttls_step starttls_next(enum starttls_proto p, struct slice in, size_t *used)
{
	*used = 0;
	while (*used < in.n) {
		struct slice rest = slice_of(in.p + *used, in.n - *used);
		size_t n = 0;

		/* no word of any of these begins like a handshake record */
		if (rest.p[0] == 0x16 && (rest.n < 2 || rest.p[1] == 3))
			return rest.n < 2 ? STARTTLS_WAIT : STARTTLS_TLS;
		switch (read_unit(p, rest, &n)) {
		case UNIT_MORE:
			return STARTTLS_WAIT;
		case UNIT_OTHER:
			return STARTTLS_PLAIN;
		case UNIT_DIALOGUE:
			*used += n;
		}
	}
	return STARTTLS_WAIT;
}
