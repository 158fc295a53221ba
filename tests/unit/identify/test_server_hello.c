/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_server_hello.c - the server's first bytes: go on, once more, no, or something else.
 */
#include "identify/wire.h"

#include "identify/server_hello.h"
#include "identify/tls_record.h"

static const char retry[] = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91"
			    "\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c";

static void put_server(struct wire *w, const char *random, size_t record)
{
	struct wire *m = wire_new();

	put_n(m, 2, 1);
	put_n(m, 60, 3);
	put_n(m, 0x0303, 2);
	put(m, random, 32);
	put_n(m, 0, 8);
	put_records(w, TLS_HANDSHAKE, wire_slice(m), record);
	free(m);
}

static void T28_hello_and_retry_are_told_apart(void **state)
{
	static const size_t sizes[] = {1, 3, 5, 7, 100};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct wire *w = wire_new();
		char random[33];

		put_server(w, retry, sizes[i]);
		assert_int_equal(server_hello_look(guarded(wire_slice(w))), SERVER_RETRY);
		if (sizes[i] == 100)
			for (size_t n = 0; n < 5 + 38; n++)
				assert_int_equal(server_hello_look(guarded(slice_of(w->b, n))),
					SERVER_PENDING);
		for (int at = 0; at < 32; at++) {
			memcpy(random, retry, 33);
			random[at] ^= 1;
			w->n = 0;
			put_server(w, random, sizes[i]);
			assert_int_equal(server_hello_look(guarded(wire_slice(w))), SERVER_HELLO);
		}
		free(w);
	}
}

static void alerts_and_strangers(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum server_says says;
	} t[] = {
		{"\x15\3\3\0\2\2\x28", 7, SERVER_ALERT},
		{"\x15\3\3\0\2\2", 6, SERVER_ALERT},
		{"\x15\3\3\0\2\1\x70", 7, SERVER_PENDING}, /* a warning */
		{"\x15\3\3\0\2\1\x70\x16\3\3\0\1\2", 13, SERVER_PENDING},
		{"\x15\3\3\0\2\1\x70\x16\3\3\0\1\4", 13, SERVER_OTHER},
		{"\x16\3\3\0\1\1", 6, SERVER_OTHER},
		{"\x16\4", 2, SERVER_OTHER},
		{"\x16\3\3\0\0\1", 6, SERVER_OTHER},
		{"220 smtp", 8, SERVER_OTHER},
		{"\x17\3\3", 3, SERVER_OTHER},
		{"\x16\3\3\0\1\2\x16\4\0\0\1\2", 12, SERVER_OTHER},
		{"", 0, SERVER_PENDING},
		{"\x15", 1, SERVER_PENDING},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (server_hello_look(guarded(slice_of(t[i].bytes, t[i].n))) != t[i].says)
			fail_msg("row %zu", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(T28_hello_and_retry_are_told_apart),
		cmocka_unit_test(alerts_and_strangers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
