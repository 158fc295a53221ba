/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_tls.c - ClientHellos, good and odd: the name found, over any records, at any cut.
 */
#include <stdio.h>

#include "identify/wire.h"

#include "identify/tls_hello.h"
#include "identify/tls_record.h"

static uint8_t scratch[TLS_SCRATCH];

/* One hello a row: its extensions, and what it should be judged as. */
struct row {
	const char *what;
	void (*ext)(struct wire *w); /* NULL: no extensions block */
	enum ident_kind kind;
	enum anomaly anomaly;
	const char *name;
	const char *alpn;
};

static void sni_of(struct wire *w, const char *name)
{
	put_sni(w, slice_str(name));
}

/* ServerNameList entries as they come, its length and the extension's right */
static void sni_list(struct wire *w, struct slice entries)
{
	put_n(w, 0, 2);
	put_n(w, entries.n + 2, 2);
	put_n(w, entries.n, 2);
	put(w, entries.p, entries.n);
}

static void nothing(struct wire *w)
{
	(void)w;
}
static void plain(struct wire *w)
{
	sni_of(w, "www.allowed.example");
}
static void mixed_case(struct wire *w)
{
	sni_of(w, "WwW.AlloweD.Example");
}
static void final_dot(struct wire *w)
{
	sni_of(w, "allowed.example.");
}
static void two_dots(struct wire *w)
{
	sni_of(w, "allowed.example..");
}
static void underscore(struct wire *w)
{
	sni_of(w, "-a_b-.example");
}
static void a_label(struct wire *w)
{
	sni_of(w, "xn--bcher-kva.example");
}
static void a_label_of_nothing(struct wire *w)
{
	sni_of(w, "XN--A-.Blocked.example");
}
static void a_label_of_a_symbol(struct wire *w)
{
	sni_of(w, "xn--n3h.blocked.example");
}
static void a_label_of_no_ascii(struct wire *w)
{
	sni_of(w, "xn--a\xff.blocked.example");
}
static void u_label(struct wire *w)
{
	sni_of(w, "b\xc3\xbc"
		  "cher.example");
}
static void ipv4(struct wire *w)
{
	sni_of(w, "192.0.2.1");
}
static void ipv6(struct wire *w)
{
	sni_of(w, "[2001:db8::1]");
}
static void nul_inside(struct wire *w)
{
	put_sni(w, slice_of("allowed.example\0.blocked.example", 32));
}
static void space_inside(struct wire *w)
{
	sni_of(w, "a b.example");
}
static void star(struct wire *w)
{
	sni_of(w, "*.example");
}
static void long_label(struct wire *w)
{
	sni_of(w, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example");
}
static void empty_name(struct wire *w)
{
	sni_of(w, "");
}
static void two_names(struct wire *w)
{
	sni_list(w, slice_of("\0\0\1a\0\0\1b", 8));
}
static void other_type_first(struct wire *w)
{
	sni_list(w, slice_of("\7\0\2zz\0\0\5b.tes", 13));
}
static void other_type_only(struct wire *w)
{
	sni_list(w, slice_of("\7\0\2zz", 5));
}
static void empty_list(struct wire *w)
{
	sni_list(w, slice_of("", 0));
}
static void empty_extension(struct wire *w)
{
	put_ext(w, 0, slice_of("", 0));
}
static void list_too_short(struct wire *w)
{
	put_ext(w, 0, slice_of("\0\3\0\0\1a", 6));
}
static void list_too_long(struct wire *w)
{
	put_ext(w, 0, slice_of("\0\5\0\0\1a", 6));
}
static void name_too_long(struct wire *w)
{
	put_ext(w, 0, slice_of("\0\4\0\0\2a", 6));
}
static void twice(struct wire *w)
{
	plain(w);
	plain(w);
}
static void cut_extension(struct wire *w)
{
	plain(w);
	put_n(w, 0x002b00, 3);
}
static void extension_past_end(struct wire *w)
{
	plain(w);
	put_n(w, 0x002b, 2);
	put_n(w, 9, 2);
	put_n(w, 1, 1);
}
static void with_alpn(struct wire *w)
{
	put_ext(w, 0x0a0a, slice_of("", 0)); /* grease */
	put_ext(w, 16, slice_of("\0\xc\2h2\x8http/1.1", 14));
	plain(w);
	put_ext(w, 43, slice_of("\2\3\4", 3));
}
static void odd_alpn(struct wire *w)
{
	put_ext(w, 16, slice_of("\0\7\2\xa\xa\3,,x", 9));
	plain(w);
}
static void long_alpn(struct wire *w)
{
	put_ext(w, 16,
		slice_of("\0\x2a\x8http/1.1\x1f"
			 "0123456789012345678901234567890\0",
			44));
	plain(w);
}
static void alpn_lies(struct wire *w)
{
	put_ext(w, 16, slice_of("\0\3\3h2", 5));
	plain(w);
}
static void ech(struct wire *w)
{
	put_ext(w, 0xfe0d, slice_of("\0\0\1", 3));
	plain(w);
}
static void esni_only(struct wire *w)
{
	put_ext(w, 0xffce, slice_of("\x13\1", 2));
}
static void esni_and_sni(struct wire *w)
{
	esni_only(w);
	plain(w);
}
/* key shares of today's browsers: X25519MLKEM768 (or its draft), 1216 bytes, and X25519 */
static void put_share(struct wire *w, uint16_t group)
{
	static const uint8_t key[1216];
	struct wire *s = wire_new();

	put_n(s, 4 + sizeof(key) + 4 + 32, 2);
	put_n(s, group, 2);
	put_n(s, sizeof(key), 2);
	put(s, key, sizeof(key));
	put_n(s, 0x001d, 2);
	put_n(s, 32, 2);
	put(s, key, 32);
	put_ext(w, 51, wire_slice(s));
	free(s);
}
static void post_quantum(struct wire *w)
{
	put_share(w, 0x11ec);
	plain(w);
}
static void post_quantum_draft(struct wire *w)
{
	put_share(w, 0x6399);
	plain(w);
}
static void huge(struct wire *w)
{
	static const uint8_t zeros[40000];

	put_ext(w, 21, slice_of(zeros, sizeof(zeros)));
	plain(w);
}

static const struct row rows[] = {
	{"one name", plain, IDENT_NAME, ANOMALY_NOTHING, "www.allowed.example", ""},
	{"T17 mixed case", mixed_case, IDENT_NAME, ANOMALY_NOTHING, "www.allowed.example", ""},
	{"T16 a final dot", final_dot, IDENT_NAME, ANOMALY_NOTHING, "allowed.example", ""},
	{"T16 two final dots", two_dots, IDENT_EVASIVE, ANOMALY_BAD_NAME, "", ""},
	{"T19 underscore and hyphens", underscore, IDENT_NAME, ANOMALY_NOTHING, "-a_b-.example",
		""},
	{"T18 an A-label", a_label, IDENT_NAME, ANOMALY_NOTHING, "xn--bcher-kva.example", ""},
	{"T49 an A-label that stands for nothing", a_label_of_nothing, IDENT_NAME, ANOMALY_NOTHING,
		"xn--a-.blocked.example", ""},
	{"T49 an A-label that stands for a symbol", a_label_of_a_symbol, IDENT_NAME,
		ANOMALY_NOTHING, "xn--n3h.blocked.example", ""},
	{"T49 an A-label with an invalid byte", a_label_of_no_ascii, IDENT_EVASIVE,
		ANOMALY_BAD_NAME, "", ""},
	{"T18 raw UTF-8", u_label, IDENT_EVASIVE, ANOMALY_BAD_NAME, "", ""},
	{"T15 an IPv4 literal", ipv4, IDENT_NONE, ANOMALY_IP_LITERAL, "192.0.2.1", ""},
	{"T15 an IPv6 literal", ipv6, IDENT_NONE, ANOMALY_IP_LITERAL, "2001:db8::1", ""},
	{"T19 a NUL in the name", nul_inside, IDENT_EVASIVE, ANOMALY_BAD_NAME, "", ""},
	{"T19 a space in the name", space_inside, IDENT_EVASIVE, ANOMALY_BAD_NAME, "", ""},
	{"T19 a star", star, IDENT_EVASIVE, ANOMALY_BAD_NAME, "", ""},
	{"T19 a label of 64", long_label, IDENT_EVASIVE, ANOMALY_BAD_NAME, "", ""},
	{"T19 an empty name", empty_name, IDENT_EVASIVE, ANOMALY_BAD_NAME, "", ""},
	{"T20 two names", two_names, IDENT_EVASIVE, ANOMALY_TWO_NAMES, "a", ""},
	{"T20 another type first", other_type_first, IDENT_NAME, ANOMALY_NOTHING, "b.tes", ""},
	{"T20 another type only", other_type_only, IDENT_NONE, ANOMALY_NO_SNI, "", ""},
	{"T22 an empty list", empty_list, IDENT_EVASIVE, ANOMALY_BAD_LENGTH, "", ""},
	{"T22 an empty extension", empty_extension, IDENT_EVASIVE, ANOMALY_BAD_LENGTH, "", ""},
	{"T22 a list shorter than its extension", list_too_short, IDENT_EVASIVE, ANOMALY_BAD_LENGTH,
		"", ""},
	{"T22 a list longer than its extension", list_too_long, IDENT_EVASIVE, ANOMALY_BAD_LENGTH,
		"", ""},
	{"T22 a name longer than its list", name_too_long, IDENT_EVASIVE, ANOMALY_BAD_LENGTH, "",
		""},
	{"T21 the extension twice", twice, IDENT_EVASIVE, ANOMALY_DUPLICATE_EXTENSION, "", ""},
	{"T22 half an extension at the end", cut_extension, IDENT_EVASIVE, ANOMALY_BAD_LENGTH, "",
		""},
	{"T22 an extension past the hello", extension_past_end, IDENT_EVASIVE, ANOMALY_BAD_LENGTH,
		"", ""},
	{"T14 no extensions block", NULL, IDENT_NONE, ANOMALY_NO_SNI, "", ""},
	{"T14 an empty extensions block", nothing, IDENT_NONE, ANOMALY_NO_SNI, "", ""},
	{"T13 T44 ALPN and grease", with_alpn, IDENT_NAME, ANOMALY_NOTHING, "www.allowed.example",
		"h2,http/1.1"},
	{"T44 ALPN of odd bytes", odd_alpn, IDENT_NAME, ANOMALY_NOTHING, "www.allowed.example",
		"\\x0a\\x0a,\\x2c\\x2cx"},
	{"T44 ALPN that is too long to show", long_alpn, IDENT_NAME, ANOMALY_NOTHING,
		"www.allowed.example", "http/1.1"},
	{"T22 ALPN whose lengths lie", alpn_lies, IDENT_EVASIVE, ANOMALY_BAD_LENGTH, "", ""},
	{"T31 ECH", ech, IDENT_NAME, ANOMALY_NOTHING, "www.allowed.example", ""},
	{"T34 ESNI without SNI", esni_only, IDENT_OPAQUE, ANOMALY_ESNI, "", ""},
	{"T34 ESNI with SNI", esni_and_sni, IDENT_NAME, ANOMALY_NOTHING, "www.allowed.example", ""},
	{"T01 a post-quantum key share", post_quantum, IDENT_NAME, ANOMALY_NOTHING,
		"www.allowed.example", ""},
	{"T01 a post-quantum key share, the draft's", post_quantum_draft, IDENT_NAME,
		ANOMALY_NOTHING, "www.allowed.example", ""},
	{"T12 40 kB of padding", huge, IDENT_NAME, ANOMALY_NOTHING, "www.allowed.example", ""},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static struct wire *message_of(const struct row *r)
{
	struct wire *ext = wire_new(), *w = wire_new();

	if (r->ext)
		r->ext(ext);
	put_hello(w, r->ext ? wire_slice(ext) : slice_of(NULL, 0));
	free(ext);
	return w;
}

static void check_row(const struct row *r, struct slice message)
{
	struct tls_hello h;
	struct ident id;
	enum parse status = tls_hello_parse(guarded(message), &h);

	tls_hello_ident(status, &h, APP_TLS, SOURCE_SNI, &id);
	if (id.kind != r->kind || id.anomaly != r->anomaly ||
		(r->kind != IDENT_EVASIVE && strcmp(id.name, r->name) != 0) ||
		strcmp(id.alpn, r->alpn) != 0)
		fail_msg("%s: %s/%s \"%s\" alpn \"%s\"", r->what, ident_kind_key(id.kind),
			anomaly_key(id.anomaly), id.name, id.alpn);
	assert_int_equal(id.name_len, strlen(id.name));
}

static void a_hello_is_judged_as_its_row_says(void **state)
{
	const struct row *r = *state;
	struct wire *w = message_of(r);

	check_row(r, wire_slice(w));
	free(w);
}

static void every_proper_prefix_of_a_message_needs_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		struct wire *w = message_of(&rows[i]);
		size_t step = w->n > 4000 ? 997 : 1;
		struct tls_hello h;

		for (size_t n = 0; n < w->n; n += step)
			assert_int_equal(
				tls_hello_parse(guarded(slice_of(w->b, n)), &h), PARSE_NEED_MORE);
		free(w);
	}
}

static void T06_T07_any_records_give_the_same_message(void **state)
{
	static const size_t sizes[] = {1, 2, 3, 5, 50, 51, 16384};

	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		struct wire *w = message_of(&rows[i]);

		for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
			struct wire *stream = wire_new();
			struct tls_message m;

			if (w->n + w->n / sizes[k] * 5 < sizeof(stream->b) - 1000) {
				put_records(stream, TLS_HANDSHAKE, wire_slice(w), sizes[k]);
				put_str(stream, "\x17\x03\x03"); /* early data begins */
				assert_int_equal(
					tls_record_join(guarded(wire_slice(stream)), scratch, &m),
					PARSE_OK);
				assert_true(slice_eq(m.bytes, wire_slice(w)));
				assert_int_equal(m.used, stream->n - 3);
				assert_int_equal(m.records, (w->n + sizes[k] - 1) / sizes[k]);
			}
			free(stream);
		}
		free(w);
	}
}

static void T07_every_proper_prefix_of_records_needs_more_and_says_how_much(void **state)
{
	(void)state;
	for (size_t size = 1; size < 60; size++) {
		struct wire *w = wire_new(), *stream = wire_new();
		struct tls_message m;

		put_hello_for(w, "a.example");
		put_records(stream, TLS_HANDSHAKE, wire_slice(w), size);
		for (size_t n = 0; n < stream->n; n++) {
			assert_int_equal(
				tls_record_join(guarded(slice_of(stream->b, n)), scratch, &m),
				PARSE_NEED_MORE);
			assert_in_range(m.need, n + 1, stream->n);
		}
		free(w);
		free(stream);
	}
}

static void T05_feeding_byte_by_byte_takes_few_tries(void **state)
{
	struct wire *ext = wire_new(), *w = wire_new(), *stream = wire_new();
	unsigned tries = 0;
	struct tls_message m = {0};

	(void)state;
	put_ext(ext, 21, slice_of(stream->b, 15000));
	put_hello(w, wire_slice(ext));
	put_records(stream, TLS_HANDSHAKE, wire_slice(w), 1);
	for (size_t n = 1; n <= stream->n; n++)
		if (n >= m.need) {
			tries++;
			tls_record_join(slice_of(stream->b, n), scratch, &m);
		}
	assert_in_range(tries, 1, 80);
	free(ext);
	free(w);
	free(stream);
}

struct bad {
	const char *what;
	const char *bytes;
	size_t n;
	enum anomaly anomaly;
};

static const struct bad bads[] = {
	{"T08 an empty record first", "\x16\3\1\0\0", 5, ANOMALY_BAD_RECORD},
	{"T08 an empty record between", "\x16\3\1\0\1\1\x16\3\1\0\0", 11, ANOMALY_BAD_RECORD},
	{"T09 a change of cipher inside", "\x16\3\1\0\1\1\x14\3\1\0\1\1", 12, ANOMALY_INTERLEAVED},
	{"T09 an alert inside", "\x16\3\1\0\1\1\x15", 7, ANOMALY_INTERLEAVED},
	{"T09 data inside", "\x16\3\1\0\1\1\x17", 7, ANOMALY_INTERLEAVED},
	{"T11 a record longer than allowed", "\x16\3\1\x48\1", 5, ANOMALY_BAD_RECORD},
	{"T10 another major version inside", "\x16\3\1\0\1\1\x16\x10", 8, ANOMALY_BAD_RECORD},
	{"a change of cipher first", "\x14\3\1\0\1\1", 6, ANOMALY_BAD_RECORD},
	{"an alert first", "\x15\3\1\0\2\1\0", 7, ANOMALY_BAD_RECORD},
	{"another protocol with 22 first", "\x16\x10", 2, ANOMALY_NOT_KNOWN},
	{"T25 a request", "GET / HTTP/1.1", 14, ANOMALY_NOT_KNOWN},
	{"data of an older connection", "\x17\3\3\0\1\1", 6, ANOMALY_NOT_KNOWN},
	{"a server's hello", "\x16\3\3\0\1\2", 6, ANOMALY_NOT_KNOWN},
	{"T12 a hello too large", "\x16\3\1\0\5\1\1\0\0\0", 10, ANOMALY_TOO_LARGE},
	{"T22 something behind the hello in its record", "\x16\3\1\0\6\1\0\0\1\0\0", 11,
		ANOMALY_BAD_LENGTH},
};

static void a_record_that_no_client_sends_has_its_anomaly(void **state)
{
	const struct bad *b = *state;
	struct tls_message m;
	enum parse status = tls_record_join(guarded(slice_of(b->bytes, b->n)), scratch, &m);

	if (status != PARSE_INVALID || m.anomaly != b->anomaly)
		fail_msg("%s: %d %s", b->what, status, anomaly_key(m.anomaly));
}

static void T10_odd_record_versions_are_ignored(void **state)
{
	struct wire *w = wire_new(), *stream = wire_new();
	struct tls_message m;

	(void)state;
	put_hello_for(w, "a.example");
	put_records(stream, TLS_HANDSHAKE, wire_slice(w), 40);
	for (unsigned minor = 0; minor < 256; minor++) {
		stream->b[1] = (uint8_t)(minor % TLS_MAJOR_END);
		stream->b[2] = (uint8_t)minor;
		assert_int_equal(tls_record_join(wire_slice(stream), scratch, &m), PARSE_OK);
	}
	free(w);
	free(stream);
}

/* version, random, then: session id, ciphers, compression */
static void T23_structure_errors_are_bad_length(void **state)
{
	static const struct {
		const char *tail;
		size_t n;
		enum parse status;
	} t[] = {
		{"\0\0\2\x13\1\1\0", 7, PARSE_OK},
		{"\x21\0\2\x13\1\1\0", 7, PARSE_INVALID},
		{"\0\0\3\x13\1\1\1\0", 8, PARSE_INVALID},
		{"\0\0\0\1\0", 5, PARSE_INVALID},
		{"\0\0\2\x13\1\0", 6, PARSE_INVALID},
		{"\0\0\2\x13\1\1\0\0", 8, PARSE_INVALID},
		{"\0\0\2\x13\1\1\0\0\0\0", 10, PARSE_INVALID},
		{"\0\0\2", 3, PARSE_INVALID},
		{"", 0, PARSE_INVALID},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct wire *w = wire_new();
		struct tls_hello h;

		put_n(w, 1, 1);
		put_n(w, 34 + t[i].n, 3);
		put_n(w, 0x0303, 2);
		put_n(w, 0, 32);
		put(w, t[i].tail, t[i].n);
		assert_int_equal(tls_hello_parse(guarded(wire_slice(w)), &h), t[i].status);
		assert_int_equal(
			h.anomaly, t[i].status == PARSE_OK ? ANOMALY_NOTHING : ANOMALY_BAD_LENGTH);
		free(w);
	}
}

static void another_message_is_no_hello(void **state)
{
	struct tls_hello h;
	struct ident id;

	(void)state;
	assert_int_equal(tls_hello_parse(slice_of("\2", 1), &h), PARSE_INVALID);
	tls_hello_ident(PARSE_INVALID, &h, APP_TLS, SOURCE_SNI, &id);
	assert_int_equal(id.kind, IDENT_NOT_PROTO);
	assert_int_equal(tls_hello_parse(slice_of(NULL, 0), &h), PARSE_NEED_MORE);
	tls_hello_ident(PARSE_NEED_MORE, &h, APP_TLS, SOURCE_SNI, &id);
	assert_int_equal(id.kind, IDENT_PENDING);
}

static void T41_a_dtls_body_has_a_cookie(void **state)
{
	struct wire *w = wire_new();
	struct tls_hello h;

	(void)state;
	put_n(w, 0xfefd, 2);
	put_n(w, 0, 32);
	put(w, "\0\3abc\0\2\x13\1\1\0", 11);
	put_n(w, 10, 2);
	put_sni(w, slice_str("x"));
	assert_int_equal(tls_hello_parse_body(guarded(wire_slice(w)), true, &h), PARSE_OK);
	assert_true(slice_eq(h.name, slice_str("x")));
	assert_int_equal(tls_hello_parse_body(guarded(wire_slice(w)), false, &h), PARSE_INVALID);
	free(w);
}

static void T31_ech_and_versions_are_seen(void **state)
{
	struct wire *ext = wire_new(), *w = wire_new();
	struct tls_hello h;

	(void)state;
	ech(ext);
	with_alpn(ext);
	ext->n -= 7; /* supported_versions */
	put_hello(w, wire_slice(ext));
	assert_int_equal(tls_hello_parse(wire_slice(w), &h), PARSE_INVALID); /* SNI twice */
	ext->n = w->n = 0;
	with_alpn(ext);
	put_ext(ext, 0xfe0d, slice_of("\0", 1));
	put_hello(w, wire_slice(ext));
	put_str(w, "next");
	assert_int_equal(tls_hello_parse(wire_slice(w), &h), PARSE_OK);
	assert_true(h.ech && h.tls13 && h.has_sni && !h.esni);
	assert_int_equal(h.version, 0x0303);
	assert_int_equal(h.used, w->n - 4);
	free(ext);
	free(w);
}

static void T24_sslv2_hellos_are_known(void **state)
{
	static const uint8_t hello[] = {0x80, 0x1c, 1, 3, 1, 0, 3, 0, 0, 0, 16, 1, 0, 0x80, 1, 2, 3,
		4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
	static const struct {
		size_t at;
		uint8_t value;
	} spoils[] = {{0, 0x16}, {1, 0x1d}, {2, 2}, {3, 1}, {4, 9}, {6, 4}, {8, 33}, {10, 15}};
	size_t used;

	(void)state;
	for (size_t n = 0; n < sizeof(hello); n++)
		assert_int_equal(
			tls_sslv2_parse(guarded(slice_of(hello, n)), &used), PARSE_NEED_MORE);
	assert_int_equal(tls_sslv2_parse(guarded(slice_of(hello, sizeof(hello))), &used), PARSE_OK);
	assert_int_equal(used, sizeof(hello));
	for (size_t i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
		uint8_t copy[sizeof(hello)];

		memcpy(copy, hello, sizeof(copy));
		copy[spoils[i].at] = spoils[i].value;
		if (spoils[i].at == 4) /* 3.9 is a version like any other */
			assert_int_equal(
				tls_sslv2_parse(slice_of(copy, sizeof(copy)), &used), PARSE_OK);
		else
			assert_int_equal(tls_sslv2_parse(slice_of(copy, sizeof(copy)), &used),
				PARSE_INVALID);
	}
}

int main(void)
{
	static const struct CMUnitTest laws[] = {
		cmocka_unit_test(every_proper_prefix_of_a_message_needs_more),
		cmocka_unit_test(T06_T07_any_records_give_the_same_message),
		cmocka_unit_test(T07_every_proper_prefix_of_records_needs_more_and_says_how_much),
		cmocka_unit_test(T05_feeding_byte_by_byte_takes_few_tries),
		cmocka_unit_test(T10_odd_record_versions_are_ignored),
		cmocka_unit_test(T23_structure_errors_are_bad_length),
		cmocka_unit_test(another_message_is_no_hello),
		cmocka_unit_test(T41_a_dtls_body_has_a_cookie),
		cmocka_unit_test(T31_ech_and_versions_are_seen),
		cmocka_unit_test(T24_sslv2_hellos_are_known),
	};
	struct unit_tests all = {0};

	UNIT_ROWS(&all, rows, a_hello_is_judged_as_its_row_says);
	UNIT_ROWS(&all, bads, a_record_that_no_client_sends_has_its_anomaly);
	return unit_run(&all, laws, sizeof(laws) / sizeof(laws[0]));
}
