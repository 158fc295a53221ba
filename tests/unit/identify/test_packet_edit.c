/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_packet_edit.c - a packet that goes on changed is as right, or as wrong, as it was.
 */
#include "identify/wire.h"

#include <netinet/in.h>

#include "identify/packet_edit.h"

enum { V4 = 24 /* with an option */, V6 = 48 /* with destination options */, TCP = 32 };

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint32_t sum_of(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static uint32_t pseudo(const uint8_t *ip, bool v6, size_t l4)
{
	return sum_of(ip + (v6 ? 8 : 12), v6 ? 32 : 8) + IPPROTO_TCP + (uint32_t)l4;
}

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* A SYN with n bytes and a right checksum, or a partial one. */
static size_t make(uint8_t *ip, bool v6, size_t n, bool partial)
{
	size_t head = v6 ? V6 : V4, l4 = TCP + n;
	uint8_t *tcp = ip + head;

	for (size_t i = 0; i < head + l4; i++)
		ip[i] = (uint8_t)rand();
	ip[0] = v6 ? 0x60 : 0x46;
	if (v6) {
		put16(ip + 4, 8 + l4);
		ip[6] = IPPROTO_DSTOPTS;
		memcpy(ip + 40, "\6\0\1\4\0\0\0", 8);
	} else {
		put16(ip + 2, head + l4);
		put16(ip + 6, 0x4000);
		ip[9] = IPPROTO_TCP;
		memset(ip + 20, 1, 4);
		put16(ip + 10, 0);
		put16(ip + 10, (uint16_t)~fold(sum_of(ip, head)));
	}
	tcp[12] = TCP / 4 << 4;
	tcp[13] = PACKET_SYN;
	memcpy(tcp + 20, "\2\4\5\xb4\4\2\x08\x0a\1\2\3\4\5\6\7\x08", 12);
	memcpy(tcp + 28, "\1\1\1", 4);
	put16(tcp + 16, 0);
	if (partial)
		put16(tcp + 16, fold(pseudo(ip, v6, l4)));
	else
		put16(tcp + 16, (uint16_t)~fold(pseudo(ip, v6, l4) + sum_of(tcp, l4)));
	return head + l4;
}

/* By how much the checksum is wrong: 0xffff is right. */
static uint16_t tcp_sum(const uint8_t *ip, bool v6, size_t n)
{
	size_t head = v6 ? V6 : V4;

	return fold(pseudo(ip, v6, n - head) + sum_of(ip + head, n - head));
}

static void read_whole(const uint8_t *ip, size_t n, struct packet *k)
{
	assert_int_equal(packet_parse(slice_of(ip, n), k), PARSE_OK);
	assert_false(k->truncated);
	assert_int_equal(k->ip_len + k->l4_len + k->payload.n, n);
	if (ip[0] >> 4 == 4)
		assert_int_equal(fold(sum_of(ip, k->ip_len)), 0xffff);
}

static void a_syn_goes_on_without_its_data(void **state)
{
	uint8_t ip[2048], before[TCP];
	struct packet k;

	(void)state;
	srand(1);
	for (int i = 0; i < 4000; i++) {
		bool v6 = i & 1, partial = i & 2, wrong = i & 4;
		size_t n = make(ip, v6, 1 + (size_t)rand() % 1400, partial), head = v6 ? V6 : V4;

		read_whole(ip, n, &k);
		if (wrong && !partial)
			ip[head + 17] ^= 0x10;
		memcpy(before, ip + head, TCP);
		n = packet_edit_trim(ip, &k, partial);
		read_whole(ip, n, &k);
		assert_int_equal(k.payload.n, 0);
		assert_memory_equal(ip + head, before, 16);
		assert_memory_equal(ip + head + 18, before + 18, TCP - 18);
		assert_true((tcp_sum(ip, v6, n) == 0xffff) == (partial || !wrong));
	}
}

static void bytes_are_put_in_place_of_others(void **state)
{
	static uint8_t ip[66000], copy[66000];
	struct packet k;

	(void)state;
	srand(2);
	for (int i = 0; i < 2000; i++) {
		bool v6 = i & 1, partial = i & 2, wrong = i & 4;
		size_t most = i % 100 ? 1400 : 65000;
		size_t n = make(ip, v6, 1 + (size_t)rand() % most, partial), head = v6 ? V6 : V4;

		if (wrong && !partial)
			ip[head + 17] ^= 0x10;
		read_whole(ip, n, &k);
		for (int j = 0; j < 5; j++) {
			size_t at = (size_t)rand() % k.payload.n;

			memcpy(copy, ip, n);
			packet_edit_put(ip, &k, at, (uint8_t)rand(), partial);
			copy[head + TCP + at] = ip[head + TCP + at];
			memcpy(copy + head + 16, ip + head + 16, 2);
			assert_memory_equal(ip, copy, n);
		}
		if (partial)
			packet_edit_sum(ip, &k);
		assert_true((tcp_sum(ip, v6, n) == 0xffff) == (partial || !wrong));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_syn_goes_on_without_its_data),
		cmocka_unit_test(bytes_are_put_in_place_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
