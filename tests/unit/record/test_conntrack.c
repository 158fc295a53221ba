/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_conntrack.c - DESTROY messages built by hand are read; cut and wild ones are survived.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>

#include "record/conntrack.h"

static _Alignas(struct nlmsghdr) unsigned char buf[4096];
static struct conntrack_end got;
static int n_got;

static void collect(void *user, const struct conntrack_end *e)
{
	got = *e;
	n_got++;
}

static void put_tuple(struct nlmsghdr *h, uint16_t type, const char *src, const char *dst,
	uint16_t sport, uint16_t dport)
{
	struct nlattr *tuple = mnl_attr_nest_start(h, type), *ip, *proto;

	ip = mnl_attr_nest_start(h, CTA_TUPLE_IP);
	mnl_attr_put_u32(h, CTA_IP_V4_SRC, inet_addr(src));
	mnl_attr_put_u32(h, CTA_IP_V4_DST, inet_addr(dst));
	mnl_attr_nest_end(h, ip);
	proto = mnl_attr_nest_start(h, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(h, CTA_PROTO_NUM, 6);
	mnl_attr_put_u16(h, CTA_PROTO_SRC_PORT, htons(sport));
	mnl_attr_put_u16(h, CTA_PROTO_DST_PORT, htons(dport));
	mnl_attr_nest_end(h, proto);
	mnl_attr_nest_end(h, tuple);
}

static void put_u64(struct nlmsghdr *h, uint16_t nest, uint16_t type, uint64_t v)
{
	struct nlattr *n = mnl_attr_nest_start(h, nest);

	mnl_attr_put_u64(h, type, htobe64(v));
	mnl_attr_nest_end(h, n);
}

/* A masqueraded flow with DNAT: the reply comes from the server that really answered. */
static size_t build(void)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g;

	h->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE;
	g = mnl_nlmsg_put_extra_header(h, sizeof *g);
	g->nfgen_family = AF_INET;
	put_tuple(h, CTA_TUPLE_ORIG, "192.0.2.2", "203.0.113.1", 40000, 443);
	put_tuple(h, CTA_TUPLE_REPLY, "198.51.100.2", "198.51.100.1", 8443, 41000);
	put_u64(h, CTA_COUNTERS_ORIG, CTA_COUNTERS_BYTES, 1000);
	put_u64(h, CTA_COUNTERS_REPLY, CTA_COUNTERS_BYTES, 123456789012u);
	return h->nlmsg_len;
}

static void the_flow_is_named_by_its_client_and_real_server(void **state)
{
	char text[ADDR_TEXT];

	n_got = 0;
	assert_int_equal(conntrack_parse(slice_of(buf, build()), collect, NULL), 1);
	assert_int_equal(n_got, 1);
	assert_string_equal(addr_format(&got.src, text), "192.0.2.2");
	assert_string_equal(addr_format(&got.dst, text), "198.51.100.2");
	assert_int_equal(got.sport, 40000);
	assert_int_equal(got.dport, 8443);
	assert_int_equal(got.proto, 6);
	assert_true(got.has_bytes);
	assert_int_equal(got.bytes_up, 1000);
	assert_int_equal(got.bytes_down, 123456789012u);
}

static void no_cut_and_no_wild_byte_does_harm(void **state)
{
	size_t n = build();
	unsigned char whole[4096];

	memcpy(whole, buf, n);
	for (size_t cut = 0; cut < n; cut++) {
		void *exact = malloc(cut ? cut : 1);
		memcpy(exact, whole, cut);
		conntrack_parse(slice_of(exact, cut), collect, NULL);
		free(exact);
	}
	for (size_t at = 16; at < n; at++)
		for (int v = 0; v < 256; v += 51) {
			void *exact = malloc(n);
			memcpy(exact, whole, n);
			((unsigned char *)exact)[at] = (unsigned char)v;
			conntrack_parse(slice_of(exact, n), collect, NULL);
			free(exact);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_flow_is_named_by_its_client_and_real_server),
		cmocka_unit_test(no_cut_and_no_wild_byte_does_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
