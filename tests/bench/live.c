/* SPDX-License-Identifier: GPL-3.0-or-later
 * live.c - what 50,000 live flows cost a worker: read from the kernel's table, judged again, cut. `make bench-live`, as root.
 *
 * A network namespace of its own, connections made by ctnetlink, one real worker and its loop. The longest piece of work is
 * what a new connection waits at most. Not part of `make check`: figures of a machine, and no test.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/ring.h"
#include "decide/policy_text.h"
#include "flow_int.h"
#include "intercept/conns.h"
#include "intercept/synlog.h"

enum { FLOWS = 50000, CLIENTS = 50, NAMES = 2000, LISTED = 200000, MASK_SHIFT = 24 };

static const char ALLOWS[] =
	"fail closed\nlist many many format domains\nfor everyone\nblock many\notherwise allow\n";
static const char BLOCKS[] =
	"fail closed\nlist many many format domains\nfor everyone\nblock many\nblock live.example\n"
	"otherwise allow\n";

static struct dataplane_worker w;
static struct dataplane_settings settings;
static struct ring *events;
static struct policy_text policy;
static uint32_t cut_of[CLIENTS], cut_n;
static double half_least, half_most;

static struct flow flow_of(uint32_t i)
{
	uint32_t client = i % CLIENTS;
	struct flow f = {.sport = (uint16_t)(10000 + i / CLIENTS),
		.dport = 443,
		.proto = IPPROTO_TCP,
		.path = PATH_INSPECT};

	f.src = addr_v4((uint8_t[]){192, 0, 2, (uint8_t)(client + 1)});
	f.dst = addr_v4((uint8_t[]){198, 51, 100, (uint8_t)(i % 200 + 1)});
	return f;
}

/* --- the kernel's table --- */

static void put_tuple(struct nlmsghdr *h, uint16_t type, const struct flow *f, bool back)
{
	struct nlattr *t = mnl_attr_nest_start(h, type),
		      *part = mnl_attr_nest_start(h, CTA_TUPLE_IP);

	mnl_attr_put(h, CTA_IP_V4_SRC, 4, (back ? f->dst : f->src).b + 12);
	mnl_attr_put(h, CTA_IP_V4_DST, 4, (back ? f->src : f->dst).b + 12);
	mnl_attr_nest_end(h, part);
	part = mnl_attr_nest_start(h, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(h, CTA_PROTO_NUM, IPPROTO_TCP);
	mnl_attr_put_u16(h, CTA_PROTO_SRC_PORT, htons(back ? f->dport : f->sport));
	mnl_attr_put_u16(h, CTA_PROTO_DST_PORT, htons(back ? f->sport : f->dport));
	mnl_attr_nest_end(h, part);
	mnl_attr_nest_end(h, t);
}

static void make_one(int fd, const struct flow *f)
{
	_Alignas(8) uint8_t buf[512] = {0};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g;
	struct nlattr *a, *b;

	h->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
	g = mnl_nlmsg_put_extra_header(h, sizeof *g);
	g->nfgen_family = AF_INET;
	put_tuple(h, CTA_TUPLE_ORIG | NLA_F_NESTED, f, false);
	put_tuple(h, CTA_TUPLE_REPLY | NLA_F_NESTED, f, true);
	mnl_attr_put_u32(h, CTA_STATUS, htonl(IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED));
	mnl_attr_put_u32(h, CTA_TIMEOUT, htonl(3600));
	mnl_attr_put_u32(h, CTA_MARK, htonl((uint32_t)MARK_ALLOWED << MASK_SHIFT));
	a = mnl_attr_nest_start(h, CTA_PROTOINFO);
	b = mnl_attr_nest_start(h, CTA_PROTOINFO_TCP);
	mnl_attr_put_u8(h, CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
	mnl_attr_nest_end(h, b);
	mnl_attr_nest_end(h, a);
	if (send(fd, buf, h->nlmsg_len, 0) < 0)
		fail_msg("a connection cannot be made: %s", strerror(errno));
}

static void fill(void)
{
	struct livetab *t = w.own->live.flows;
	int fd;

	assert_int_equal(conns_open(&fd), 0);
	for (uint32_t i = 0; i < FLOWS; i++) {
		struct flow f = flow_of(i);
		struct ident n = {.kind = IDENT_NAME, .source = SOURCE_SNI, .app = APP_TLS};
		struct live *l;

		n.name_len =
			(uint8_t)snprintf(n.name, sizeof n.name, "n%u.live.example", i % NAMES);
		l = livetab_note(t, &f, &n);
		assert_non_null(l);
		l->since_ms = 1;
		make_one(fd, &f);
	}
	close(fd);
}

/* --- the worker --- */

static void take_events(void)
{
	struct event e;

	while (ring_pop(events, &e)) {
		cut_of[e.flow.src.b[15] - 1]++;
		if (++cut_n != FLOWS / 2)
			continue;
		half_least = half_most = cut_of[0];
		for (int i = 1; i < CLIENTS; i++) {
			half_least = cut_of[i] < half_least ? cut_of[i] : half_least;
			half_most = cut_of[i] > half_most ? cut_of[i] : half_most;
		}
	}
}

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* By the processor's clock, ms: what others took of the machine meanwhile is not ours. */
static double longest;

static void turns(bool (*done)(void))
{
	for (;;) {
		double from = cpu_ms(), took;

		w.now_ms = clock_mono_ms();
		w.wall_ms = clock_wall_ms();
		loop_turn(w.loop, 0);
		took = cpu_ms() - from;
		longest = took > longest ? took : longest;
		take_events();
		if (done())
			return;
	}
}

static uint64_t rounds_wanted;
static bool is_round(void)
{
	return w.counters.live_rounds >= rounds_wanted && !w.own->live.ageing;
}
static bool is_judged(void)
{
	return w.counters.live_judged >= FLOWS && !w.own->live.judging;
}
static bool is_cut(void)
{
	return cut_n >= FLOWS;
}

static void use(const char *text, const char *list)
{
	free(policy.bytes);
	policy_text_open(&policy, text, (const char *const[]){list});
	w.image = policy.image;
	w.generation++;
}

static void start(const char *list)
{
	int fd;

	settings = (struct dataplane_settings){.mark_mask = 0xffu << MASK_SHIFT,
		.inspect_tcp = {.r = {{443, 443}}, .n = 1},
		.flows_max = 65536};
	hash_key_set(&settings.hash_key, (const uint8_t *)"a bench's own key");
	w.settings = &settings;
	w.now_ms = clock_mono_ms();
	w.wall_ms = clock_wall_ms();
	use(ALLOWS, list);
	assert_int_equal(loop_new(&w.loop), 0);
	assert_int_equal(conns_open(&fd), 0);
	assert_int_equal(conns_adopt(fd, &w.conns), 0);
	assert_int_equal(synlog_adopt(-1, &settings.hash_key, &w.syns), 0);
	assert_int_equal(ring_create(sizeof(struct event), EVENT_RING_ITEMS, &fd), 0);
	assert_int_equal(ring_map(fd, sizeof(struct event), EVENT_RING_ITEMS, &w.ring), 0);
	assert_int_equal(ring_map(fd, sizeof(struct event), EVENT_RING_ITEMS, &events), 0);
	assert_int_equal(dataplane_worker_init(&w), 0);
}

static char *make_list(void)
{
	char *list = malloc(LISTED * 32ul), *at = list;

	for (uint32_t i = 0; i < LISTED; i++)
		at += sprintf(at, "x%u.many.example\n", i);
	return list;
}

int main(void)
{
	char *list = make_list();
	uint64_t us, from, judged;
	double cpu;

	log_init("bench", LOG_ERROR_);
	if (unshare(CLONE_NEWNET) != 0) {
		fprintf(stderr, "bench-live: a network namespace needs root: %s\n",
			strerror(errno));
		return 1;
	}
	start(list);
	fill();
	printf("live flows %u, of %d clients, %d names; a record %zu bytes; a list of %d names\n",
		livetab_count(w.own->live.flows), CLIENTS, NAMES, sizeof(struct live), LISTED);
	for (int i = 0; i < 3; i++) {
		longest = 0;
		cpu = cpu_ms();
		from = w.counters.live_rounds;
		us = clock_mono_us();
		rounds_wanted = from + 1;
		w.own->live.look_again = true;
		turns(is_round);
		printf("read    %6.1f ms of a core, longest piece %4.2f ms, %.0f ms in all\n",
			cpu_ms() - cpu, longest, (double)(clock_mono_us() - us) / 1e3);
	}
	assert_int_equal(livetab_count(w.own->live.flows), FLOWS);
	for (int i = 0; i < 3; i++) {
		use(ALLOWS, list);
		longest = w.counters.live_judged = 0;
		cpu = cpu_ms();
		turns(is_judged);
		printf("judged  %6.1f ms of a core, longest piece %4.2f ms\n", cpu_ms() - cpu,
			longest);
	}
	use(BLOCKS, list);
	longest = w.counters.live_judged = 0;
	from = clock_mono_us();
	turns(is_judged);
	judged = clock_mono_us();
	turns(is_cut);
	us = clock_mono_us();
	printf("cut     %.0f ms after the rule, the last; %.0f a second; longest piece %4.2f ms\n",
		(double)(us - from) / 1e3, FLOWS / ((double)(us - judged) / 1e6), longest);
	printf("by client  when half were cut, %.0f to %.0f of each one's %d\n", half_least,
		half_most, FLOWS / CLIENTS);
	free(list);
	return 0;
}
