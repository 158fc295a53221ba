/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_starttls.c - T26: what may stand in front of TLS, and what ends it.
 */
#include "identify/wire.h"

#include "identify/identify.h"

#define HELLO "\026\003\001\002\000\001"

static struct ident first;
static const struct row {
	const char *what;
	enum starttls_proto proto;
	const char *bytes;
	size_t n;
	enum starttls_step step;
	size_t used;
} rows[] = {
#define ROW(what, proto, bytes, step, used)                                                        \
	{                                                                                          \
		what, proto, bytes, sizeof(bytes) - 1, step, used                                  \
	}
	ROW("SMTP", STARTTLS_SMTP, "EHLO me\r\nstarttls\r\n" HELLO, STARTTLS_TLS, 19),
	ROW("SMTP, LF alone", STARTTLS_SMTP, "EHLO me\nSTARTTLS\n" HELLO, STARTTLS_TLS, 17),
	ROW("SMTP, a mail", STARTTLS_SMTP, "EHLO me\r\nMAIL FROM:<a@b.test>\r\n", STARTTLS_PLAIN,
		9),
	ROW("SMTP, half a line", STARTTLS_SMTP, "EHLO me\r\nSTART", STARTTLS_WAIT, 9),
	ROW("SMTP, refused and gone on", STARTTLS_SMTP, "EHLO a\r\nSTARTTLS\r\nMAIL\r\n",
		STARTTLS_PLAIN, 18),
	ROW("SMTP, what was read ahead is thrown away", STARTTLS_SMTP,
		"EHLO a\r\nSTARTTLS\r\nNOO" HELLO, STARTTLS_TLS, 21),
	ROW("SMTP, and a line end in the record's length", STARTTLS_SMTP,
		"STARTTLS\r\nNOO\026\003\001\012\012\001", STARTTLS_TLS, 13),
	ROW("SMTP, a record that is no hello", STARTTLS_SMTP,
		"STARTTLS\r\nNOOP \026\003\001\0\1\7\r\n" HELLO, STARTTLS_TLS, 23),
	ROW("TLS at once", STARTTLS_SMTP, HELLO, STARTTLS_TLS, 0),
	ROW("IMAP", STARTTLS_IMAP, "a1 CAPABILITY\r\na2 STARTTLS\r\n" HELLO, STARTTLS_TLS, 28),
	ROW("IMAP, a login", STARTTLS_IMAP, "a1 LOGIN u p\r\n", STARTTLS_PLAIN, 0),
	ROW("POP3", STARTTLS_POP3, "CAPA\r\nSTLS\r\n" HELLO, STARTTLS_TLS, 12),
	ROW("POP3, a user", STARTTLS_POP3, "USER u\r\n", STARTTLS_PLAIN, 0),
	ROW("FTP", STARTTLS_FTP, "AUTH TLS\r\n" HELLO, STARTTLS_TLS, 10),
	ROW("FTP, a user", STARTTLS_FTP, "USER u\r\n", STARTTLS_PLAIN, 0),
	ROW("XMPP", STARTTLS_XMPP,
		"<?xml version='1.0'?><stream:stream to='x'><starttls xmlns='y'/>" HELLO,
		STARTTLS_TLS, 64),
	ROW("XMPP, auth", STARTTLS_XMPP, "<stream:stream to='x'><auth>", STARTTLS_PLAIN, 22),
	ROW("XMPP, none", STARTTLS_XMPP, "x<stream:stream \x16", STARTTLS_PLAIN, 0),
	ROW("LDAP", STARTTLS_LDAP,
		"\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
		"1.3.6.1.4.1.1466.20037" HELLO,
		STARTTLS_TLS, 31),
	ROW("LDAP, a bind", STARTTLS_LDAP,
		"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00", STARTTLS_PLAIN, 0),
	ROW("PostgreSQL", STARTTLS_POSTGRES, "\0\0\0\x08\x04\xd2\x16\x2f" HELLO, STARTTLS_TLS, 8),
	ROW("PostgreSQL, GSS first", STARTTLS_POSTGRES,
		"\0\0\0\x08\x04\xd2\x16\x30\0\0\0\x08\x04\xd2\x16\x2f", STARTTLS_WAIT, 16),
	ROW("PostgreSQL, and more behind it", STARTTLS_POSTGRES,
		"\0\0\0\x0a\x04\xd2\x16\x2fxy" HELLO, STARTTLS_TLS, 10),
	ROW("PostgreSQL, plain", STARTTLS_POSTGRES, "\0\0\0\x20\0\x03\0\0user", STARTTLS_PLAIN, 0),
	ROW("MySQL", STARTTLS_MYSQL, "\x20\0\0\x01\0\x08\0\0aaaabbbbbbbbbbbbbbbbbbbbbbbb" HELLO,
		STARTTLS_TLS, 36),
	ROW("MySQL, and more behind it", STARTTLS_MYSQL,
		"\x24\0\0\x01\0\x08\0\0aaaabbbbbbbbbbbbbbbbbbbbbbbbmore" HELLO, STARTTLS_TLS, 40),
	ROW("MySQL, a login", STARTTLS_MYSQL, "\x40\0\0\x01\0\x00\0\0aaaa", STARTTLS_PLAIN, 0),
	ROW("RDP", STARTTLS_RDP, "\x03\0\0\x0b\x06\xe0\0\0\0\0\0" HELLO, STARTTLS_TLS, 11),
	ROW("RDP, data", STARTTLS_RDP, "\x03\0\0\x0b\x06\xf0\0\0\0\0\0", STARTTLS_PLAIN, 0),
	ROW("another port", STARTTLS_ANY_LINES, "EHLO me\r\nSTARTTLS\r\n" HELLO, STARTTLS_TLS, 19),
};

static void T26_words_in_front_of_tls(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct row *r = &rows[i];
		size_t used = 99;
		struct starttls t = {.proto = (uint8_t)r->proto};
		enum starttls_step got = starttls_next(&t, slice_of(r->bytes, r->n), &used);

		if (got != r->step || used != r->used)
			fail_msg("%s: step %d used %zu", r->what, got, used);
	}
}

/* Consumed piece by piece, at every cut, it is the same preamble. */
static void T26_cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct row *r = &rows[i];

		for (size_t cut = 0; cut <= r->n; cut++) {
			uint8_t *copy = malloc(cut ? cut : 1); /* a boot guard for the sanitizers */
			struct starttls t = {.proto = (uint8_t)r->proto};
			size_t used, more;
			enum starttls_step step;

			memcpy(copy, r->bytes, cut);
			step = starttls_next(&t, slice_of(copy, cut), &used);
			free(copy);
			assert_true(used <= cut && used <= r->used);
			if (step != STARTTLS_WAIT) {
				assert_int_equal(step, r->step);
				continue;
			}
			step = starttls_next(&t, slice_of(r->bytes + used, r->n - used), &more);
			assert_int_equal(step, r->step);
			assert_int_equal(used + more, r->used);
		}
	}
}

/* Plain words are told once, and the watch goes on: the server may say "500 what?" and agree to TLS all the same. */
static const struct late_row {
	const char *what;
	enum starttls_proto proto;
	const char *bytes;
	size_t n, tls; /* tls 0: none */
} late[] = {
#define LATE(what, proto, bytes, tls)                                                              \
	{                                                                                          \
		what, proto, bytes, sizeof(bytes) - 1, tls                                         \
	}
	LATE("SMTP, an unknown word", STARTTLS_SMTP, "XYZZY\r\nEHLO a\r\nSTARTTLS\r\n" HELLO, 25),
	LATE("SMTP, half a line thrown away", STARTTLS_SMTP, "MAIL\r\nSTARTTLS\r\nx" HELLO, 17),
	LATE("SMTP, a mail with such bytes", STARTTLS_SMTP, "MAIL FROM:<a>\r\nDATA\r\n" HELLO, 0),
	LATE("SMTP, TLS behind such bytes", STARTTLS_SMTP, "MAIL\r\n" HELLO "TLS\r\n", 0),
	LATE("IMAP, a login that failed", STARTTLS_IMAP, "1 LOGIN a b\r\n2 STARTTLS\r\n" HELLO, 25),
	LATE("POP3, a user", STARTTLS_POP3, "USER u\r\nSTLS\r\n" HELLO, 14),
	LATE("FTP, telnet's commands between", STARTTLS_FTP, "USER u\r\nAUTH T\xff\xf1LS\r\n" HELLO,
		20),
	LATE("XMPP, auth that failed", STARTTLS_XMPP,
		"<stream:stream to='x'><auth>x</auth><starttls/>" HELLO, 47),
	LATE("LDAP, a bind first", STARTTLS_LDAP,
		"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"
		"\x30\x81\x1d\x02\x01\x01\x77\x18\x80\x16"
		"1.3.6.1.4.1.1466.20037" HELLO,
		46),
	LATE("LDAP, no message", STARTTLS_LDAP, "\x30\x80\x02\x01\x01" HELLO, 0),
};

static void T26_the_watch_goes_on_behind_plain_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof late / sizeof *late; i++) {
		const struct late_row *r = &late[i];

		for (size_t step = 1; step <= r->n; step++) {
			struct starttls t = {.proto = (uint8_t)r->proto};
			enum starttls_step got = STARTTLS_WAIT;
			size_t pos = 0, plain = 0, used;

			for (size_t end = 0; end < r->n && got != STARTTLS_TLS;) {
				end = end + step < r->n ? end + step : r->n;
				do {
					got = starttls_next(
						&t, slice_of(r->bytes + pos, end - pos), &used);
					pos += used;
					plain += got == STARTTLS_PLAIN;
					used = t.skip < end - pos ? (size_t)t.skip : end - pos;
					pos += used; /* of an LDAP message */
					t.skip -= t.skip == UINT64_MAX ? 0 : used;
				} while (got == STARTTLS_PLAIN || used);
			}
			if (plain != 1 || (got == STARTTLS_TLS) != (r->tls != 0) ||
				(r->tls && pos != r->tls))
				fail_msg("%s by %zu: step %d at %zu, plain %zu", r->what, step, got,
					pos, plain);
		}
	}
}

static void T26_ports_know_their_words(void **state)
{
	(void)state;
	assert_int_equal(starttls_of_port(25), STARTTLS_SMTP);
	assert_int_equal(starttls_of_port(5432), STARTTLS_POSTGRES);
	assert_int_equal(starttls_of_port(9999), STARTTLS_ANY_LINES);
}

static void T26_the_facade_goes_on_behind_the_preamble(void **state)
{
	static const char plain[] = "EHLO me\r\nMAIL FROM:<a>\r\n",
			  http[] = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
	static uint8_t scratch[TLS_SCRATCH];
	struct stream_ident s;
	struct identify_result r;

	(void)state;
	stream_ident_init(&s, IDENTIFY_LIMIT, &first);
	stream_ident_expect_preamble(&s, STARTTLS_SMTP);
	assert_int_equal(stream_ident_next(&s, 0, slice_of(plain, 9), scratch, &r), IDENTIFY_WAIT);
	assert_int_equal(s.pos, 9);
	assert_int_equal(stream_ident_next(&s, 0, slice_of(plain, sizeof plain - 1), scratch, &r),
		IDENTIFY_RESULT);
	assert_int_equal(r.ident.kind, IDENT_NOT_PROTO);
	assert_true(r.goes_on);
	/* where lines are spoken a request is one of them, else anything is read by its content at the start */
	stream_ident_init(&s, IDENTIFY_LIMIT, &first);
	stream_ident_expect_preamble(&s, STARTTLS_SMTP);
	assert_int_equal(stream_ident_next(&s, 0, slice_of(http, sizeof http - 1), scratch, &r),
		IDENTIFY_RESULT);
	assert_int_equal(r.ident.kind, IDENT_NOT_PROTO);
	stream_ident_init(&s, IDENTIFY_LIMIT, &first);
	stream_ident_expect_preamble(&s, STARTTLS_LDAP);
	assert_int_equal(stream_ident_next(&s, 0, slice_of(http, sizeof http - 1), scratch, &r),
		IDENTIFY_RESULT);
	assert_int_equal(r.ident.kind, IDENT_NAME);
	assert_string_equal(r.ident.name, "a.test");
}

static enum identify_step next(struct stream_ident *s, struct wire *w, struct identify_result *r)
{
	static uint8_t scratch[TLS_SCRATCH];

	return stream_ident_next(
		s, s->pos, slice_of(w->b + s->pos, w->n - (size_t)s->pos), scratch, r);
}

static void put_tls(struct wire *w, const char *name)
{
	struct wire *m = wire_new();

	put_hello_for(m, name);
	put_records(w, TLS_HANDSHAKE, wire_slice(m), 1000);
	free(m);
}

/* Words behind a hello: it may have been one more word to the server. */
static void T26_a_hello_and_words_behind_it_are_evasive(void **state)
{
	struct wire *w = wire_new();
	struct stream_ident s;
	struct identify_result r;

	(void)state;
	stream_ident_init(&s, IDENTIFY_LIMIT, &first);
	stream_ident_expect_preamble(&s, STARTTLS_SMTP);
	put_str(w, "EHLO me\r\n");
	put_tls(w, "fine.example");
	w->n -= 20;
	assert_int_equal(next(&s, w, &r), IDENTIFY_WAIT);
	assert_true(stream_ident_reads_hello(&s));
	w->n += 20;
	assert_int_equal(next(&s, w, &r), IDENTIFY_RESULT);
	assert_string_equal(r.ident.name, "fine.example");
	assert_false(stream_ident_reads_hello(&s));
	put_str(w, "\r\nSTARTTLS\r\n");
	assert_int_equal(next(&s, w, &r), IDENTIFY_RESULT);
	assert_int_equal(r.ident.kind, IDENT_EVASIVE);
	free(w);
}

/* Results of a stream fed in pieces: kinds, one digit each. */
static void feed(struct slice in, size_t size, enum starttls_proto proto, char said[32])
{
	static uint8_t scratch[TLS_SCRATCH];
	struct stream_ident s;
	struct identify_result r;
	size_t n = 0;

	stream_ident_init(&s, IDENTIFY_LIMIT, &first);
	stream_ident_expect_preamble(&s, proto);
	for (size_t have = 0; have < in.n;) {
		have = have + size < in.n ? have + size : in.n;
		while (stream_ident_next(&s, 0, slice_of(in.p, have), scratch, &r) ==
				IDENTIFY_RESULT &&
			n < 30)
			said[n++] = (char)('0' + r.ident.kind);
	}
	said[n] = '\0';
}

static void expect_kinds(
	const char *what, struct slice in, enum starttls_proto proto, const char *want)
{
	static const size_t sizes[] = {1, 2, 7, 100, 100000};
	char said[32];

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		feed(in, sizes[i], proto, said);
		if (strcmp(said, want) != 0)
			fail_msg("%s in pieces of %zu: %s, not %s", what, sizes[i], said, want);
	}
}

static void T26_pieces_change_nothing(void **state)
{
	struct wire *w = wire_new();
	char said[32];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct slice in = slice_of(rows[i].bytes, rows[i].n);

		feed(in, in.n, rows[i].proto, said);
		expect_kinds(rows[i].what, in, rows[i].proto, said);
	}
	for (size_t i = 0; i < sizeof late / sizeof *late; i++) {
		struct slice in = slice_of(late[i].bytes, late[i].n);

		feed(in, in.n, late[i].proto, said);
		expect_kinds(late[i].what, in, late[i].proto, said);
	}
	/* a preamble without end is EVASIVE (4), whatever comes behind it; plain words (5) have no end */
	while (w->n <= STARTTLS_LIMIT)
		put_str(w, "NOOP\r\n");
	put_str(w, "MAIL\r\n");
	expect_kinds("a long preamble", wire_slice(w), STARTTLS_SMTP, "4");
	memcpy(w->b, "MOOP", 4);
	put_str(w, "STARTTLS\r\n");
	put_tls(w, "fine.example");
	expect_kinds("long plain words", wire_slice(w), STARTTLS_SMTP, "51");
	/* no line, no tag is longer than this */
	w->n = 0;
	put_str(w, "<?xml ");
	while (w->n <= STARTTLS_UNIT)
		put_str(w, "NOOP");
	expect_kinds("a long tag", wire_slice(w), STARTTLS_XMPP, "5");
	expect_kinds("a long line", wire_slice(w), STARTTLS_SMTP, "5");
	put_str(w, ">\n");
	expect_kinds("a long tag that ends", wire_slice(w), STARTTLS_XMPP, "5");
	expect_kinds("a long line that ends", wire_slice(w), STARTTLS_SMTP, "5");
	/* a record, yet no hello: the server might take it for a line */
	expect_kinds("no hello", slice_of("\026\003\001\002\000\000", 6), STARTTLS_SMTP, "4");
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(T26_words_in_front_of_tls),
		cmocka_unit_test(T26_cut_anywhere),
		cmocka_unit_test(T26_the_watch_goes_on_behind_plain_words),
		cmocka_unit_test(T26_ports_know_their_words),
		cmocka_unit_test(T26_the_facade_goes_on_behind_the_preamble),
		cmocka_unit_test(T26_a_hello_and_words_behind_it_are_evasive),
		cmocka_unit_test(T26_pieces_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
