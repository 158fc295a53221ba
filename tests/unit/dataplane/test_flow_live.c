/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_flow_live.c - what was allowed is judged again by another policy and at another hour; what is refused then is cut, what
 * is not goes on.
 *
 * The kernel's table is ours here: one connection, with a mark. And what somebody cuts; and what a dataplane finds that an earlier
 * one left.
 */
#include "dataplane/flow_help.h"

#include <unistd.h>

#include "../../../src/dataplane/flow_int.h"
#include "intercept/conns.h"

enum { ASKED = MARK_HELD | MARK_REFUSED, CUT = MARK_TENTATIVE | MARK_REFUSED };

static struct conns_entry entry;
static int entries, changes;
static bool refuses; /* the kernel refuses changes */

int conns_read_begin(struct conns *c)
{
	(void)c;
	return 0;
}

int conns_read(struct conns *c, uint32_t budget_us,
	void (*each)(void *user, const struct conns_entry *e), void *user)
{
	(void)c;
	(void)budget_us;
	for (int i = 0; i < entries; i++)
		each(user, &entry);
	return 0;
}

void conns_mark(struct conns *c, const struct conns_entry *e, uint32_t bits, uint32_t mask)
{
	(void)c;
	assert_int_equal(mask, 0xf0u << MASK_SHIFT); /* no bit of others */
	if (!refuses)
		entry.mark = (e->mark & ~mask) | bits;
	changes++;
}

uint64_t conns_failed(const struct conns *c)
{
	(void)c;
	return 0;
}

static const char NOW[] =
	"fail closed\nfor everyone\nblock taken.example\nblock port tcp/2200\nblock port udp/2200\n"
	"otherwise allow\n";

static void open_live(struct home *h, uint8_t proto, uint16_t port, uint8_t conn)
{
	static int something;

	open_home(h, POLICY);
	h->w.conns = (struct conns *)&something;
	entry = (struct conns_entry){.mark = 0x123456 | (uint32_t)conn << MASK_SHIFT};
	entry.flow = (struct flow){.sport = PORT, .dport = port, .proto = proto};
	entry.flow.src = addr_v4((uint8_t[]){192, 0, 2, 2});
	entry.flow.dst = addr_v4((uint8_t[]){198, 51, 100, 2});
	entries = 1;
	changes = 0;
}

static void change(struct home *h, const char *policy)
{
	free(h->policy.bytes);
	policy_text_open(&h->policy, policy, NULL);
	h->w.image = h->policy.image;
	h->w.generation++;
	dataplane_sweep(&h->w);
}

static uint8_t kernel(void)
{
	return (uint8_t)(entry.mark >> MASK_SHIFT);
}

static void allow_tls(struct home *h, const char *name)
{
	struct wire *hello = hello_for(name);

	syn_at(h, ISN, false);
	assert_int_equal(tcp(h, MARK_HELD, 0, part(hello, 0, hello->n)), MARK_TENTATIVE);
	free(hello);
	last_event(h);
}

static void a_change_that_fails_is_tried_until_it_works(void **state)
{
	struct home h;

	(void)state;
	open_live(&h, IPPROTO_TCP, 443, MARK_ALLOWED);
	allow_tls(&h, "www.taken.example");
	seen.flushed = true; /* the reading has ended */
	refuses = true;
	change(&h, NOW);
	for (int i = 0; i < 8; i++) {
		h.w.now_ms += 1000;
		h.w.wall_ms += 1000;
		dataplane_sweep(&h.w);
	}
	refuses = false;
	for (int i = 0; i < 8; i++) {
		h.w.now_ms += 1000;
		h.w.wall_ms += 1000;
		dataplane_sweep(&h.w);
	}
	assert_int_equal(kernel(), CUT);
	close_home(&h);
}

static void a_tls_flow_is_cut_and_told_once(void **state)
{
	struct home h;
	struct event e;

	(void)state;
	open_live(&h, IPPROTO_TCP, 443, MARK_ALLOWED);
	allow_tls(&h, "www.taken.example");
	change(&h, NOW);
	assert_int_equal(kernel(), CUT);
	e = last_event(&h);
	assert_string_equal(e.ident.name, "www.taken.example");
	assert_int_equal(e.verdict.action, ACTION_BLOCK);
	assert_int_equal(e.verdict.rule_line, 3);
	assert_int_equal(answer(&h, CUT, 5000, 300, slice_str("more")), DROPPED);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT], 1);
	assert_int_equal(seen.packet[INJECT_TO_CLIENT].seq, SERVER + 1 + 5000);
	assert_int_equal(seen.injected[INJECT_TO_SERVER], 1);
	assert_int_equal(seen.packet[INJECT_TO_SERVER].seq, ISN + 1 + 300);
	/* what was queued before has its earlier mark */
	assert_int_equal(answer(&h, MARK_ALLOWED, 5004, 300, slice_str("more")), DROPPED);
	assert_int_equal(last_event(&h).id, 0);
	assert_int_equal(h.w.counters.live_cut, 1);
	close_home(&h);
}

/* The table forgets decided flows; the record is there still. */
static void an_idle_flow_is_cut_by_its_next_packet(void **state)
{
	struct home h;

	(void)state;
	open_live(&h, IPPROTO_TCP, 443, MARK_ALLOWED);
	allow_tls(&h, "www.taken.example");
	for (int i = 0; i < 200; i++, h.w.now_ms += 1000)
		dataplane_sweep(&h.w);
	assert_int_equal(flowtab_count(h.w.flows), 0);
	change(&h, NOW);
	assert_int_equal(tcp(&h, CUT, 900, slice_str("hello?")), DROPPED);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT] + seen.injected[INJECT_TO_SERVER], 2);
	close_home(&h);
}

/* Half a second later it lies still: it is asked where it stands, once, and its empty answer is enough. */
static void an_idle_client_is_asked_where_it_stands(void **state)
{
	struct home h;

	(void)state;
	open_live(&h, IPPROTO_TCP, 443, MARK_ALLOWED);
	allow_tls(&h, "www.taken.example");
	change(&h, NOW);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT], 0);
	nfq_flush(NULL);
	for (int i = 0; i < 100; i++, h.w.now_ms += 100)
		dataplane_sweep(&h.w);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT], 1);
	assert_int_equal(seen.injected[INJECT_TO_SERVER], 0);
	assert_int_equal(seen.packet[INJECT_TO_CLIENT].flags, PACKET_ACK | PACKET_PSH);
	assert_int_equal(seen.packet[INJECT_TO_CLIENT].payload.n, 0);
	assert_int_equal(tcp(&h, CUT, 900, slice_str("")), DROPPED);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT], 2);
	assert_true(seen.packet[INJECT_TO_CLIENT].flags & PACKET_RST);
	assert_int_equal(seen.packet[INJECT_TO_CLIENT].seq, SERVER + 1);
	assert_int_equal(seen.injected[INJECT_TO_SERVER], 1);
	assert_int_equal(seen.packet[INJECT_TO_SERVER].seq, ISN + 1 + 900);
	close_home(&h);
}

static void what_is_still_allowed_goes_on(void **state)
{
	struct home h;

	(void)state;
	open_live(&h, IPPROTO_TCP, 443, MARK_ALLOWED);
	allow_tls(&h, "fine.example");
	change(&h, NOW);
	assert_int_equal(changes, 0);
	assert_int_equal(last_event(&h).id, 0);
	assert_int_equal(h.w.counters.live_judged, 1);
	close_home(&h);
}

/* What has ended is neither told of nor marked, nor is another connection by its ports. */
static void the_dead_are_left_in_peace(void **state)
{
	struct home h;

	(void)state;
	open_live(&h, IPPROTO_TCP, 443, MARK_HELD);
	allow_tls(&h, "www.taken.example");
	change(&h, NOW);
	assert_int_equal(changes, 0);
	assert_int_equal(last_event(&h).id, 0);
	close_home(&h);

	open_live(&h, IPPROTO_TCP, 443, MARK_ALLOWED);
	entry.ended = true;
	allow_tls(&h, "www.taken.example");
	change(&h, NOW);
	assert_int_equal(changes, 0);
	assert_int_equal(last_event(&h).id, 0);
	close_home(&h);
}

static void new_connection_by_the_ports_of_a_cut_one(void **state)
{
	struct wire *fine = hello_for("fine.example");
	struct home h;

	(void)state;
	open_live(&h, IPPROTO_TCP, 443, MARK_ALLOWED);
	allow_tls(&h, "www.taken.example");
	change(&h, NOW);
	syn_at(&h, ISN + 300, false);
	assert_int_equal(tcp(&h, MARK_HELD, 300, part(fine, 0, fine->n)), MARK_TENTATIVE);
	close_home(&h);
	free(fine);
}

static void allow_http(struct home *h, const char *request)
{
	syn_at(h, ISN, false);
	assert_int_equal(tcp(h, MARK_HELD, 0, slice_str(request)), REQUESTS);
	last_event(h);
}

static void an_answer_on_its_way_is_cut(void **state)
{
	static const char get[] = "GET / HTTP/1.1\r\nHost: www.taken.example\r\n\r\n";
	struct home h;

	(void)state;
	open_live(&h, IPPROTO_TCP, 443, REQUESTS);
	allow_http(&h, get);
	change(&h, NOW);
	assert_int_equal(kernel(), ASKED);
	assert_int_equal(last_event(&h).id, 0); /* it may lie still */
	assert_int_equal(answer(&h, ASKED, 100, sizeof get - 1, slice_str("")), ASKED);
	assert_int_equal(answer(&h, ASKED, 100, sizeof get - 1, slice_str("body")), DROPPED);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT] + seen.injected[INJECT_TO_SERVER], 2);
	assert_string_equal(last_event(&h).ident.name, "www.taken.example");
	close_home(&h);
}

static void the_next_request_is_judged_for_itself(void **state)
{
	static const char get[] = "GET / HTTP/1.1\r\nHost: www.taken.example\r\n\r\n",
			  other[] = "GET / HTTP/1.1\r\nHost: fine.example\r\n\r\n";
	struct home h;

	(void)state;
	open_live(&h, IPPROTO_TCP, 443, REQUESTS);
	allow_http(&h, get);
	change(&h, NOW);
	assert_int_equal(tcp(&h, ASKED, sizeof get - 1, slice_of(other, 20)), ASKED);
	assert_int_equal(
		tcp(&h, ASKED, sizeof get + 19, slice_of(other + 20, sizeof other - 21)), REQUESTS);
	assert_int_equal(answer(&h, REQUESTS, 100, 0, slice_str("body")), REQUESTS);
	assert_int_equal(tcp(&h, REQUESTS, sizeof get + sizeof other - 2, slice_str(get)), DROPPED);
	assert_string_equal(last_event(&h).ident.name, "www.taken.example");
	close_home(&h);
}

static void an_upload_is_cut(void **state)
{
	static const char post[] =
		"POST / HTTP/1.1\r\nHost: www.taken.example\r\nContent-Length: 5000\r\n\r\nbegin";
	struct home h;

	(void)state;
	open_live(&h, IPPROTO_TCP, 443, REQUESTS);
	allow_http(&h, post);
	change(&h, NOW);
	assert_int_equal(kernel(), CUT);
	assert_int_equal(tcp(&h, CUT, sizeof post - 1, slice_str("more")), DROPPED);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT] + seen.injected[INJECT_TO_SERVER], 2);
	close_home(&h);
}

static int udp(struct home *h, uint8_t conn)
{
	uint8_t out[2048];
	struct shape s = {.proto = IPPROTO_UDP, .dport = 2200, .payload = slice_str("words")};

	return give(h, packet_of(&s, out), conn, false);
}

static void a_udp_flow_is_cut_and_allowed_again(void **state)
{
	struct home h;

	(void)state;
	open_live(&h, IPPROTO_UDP, 2200, MARK_ALLOWED);
	assert_int_equal(udp(&h, 0), MARK_ALLOWED);
	last_event(&h);
	change(&h, NOW);
	assert_int_equal(kernel(), ASKED);
	assert_int_equal(last_event(&h).verdict.action, ACTION_BLOCK);
	assert_int_equal(udp(&h, ASKED), DROPPED);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT], 1);
	change(&h, POLICY);
	assert_int_equal(udp(&h, ASKED), MARK_ALLOWED);
	close_home(&h);
}

/* The clock alone: 1700000000 is Tuesday 23:13:20 in Berlin. */
static void an_hour_begins(void **state)
{
	struct home h;

	(void)state;
	open_live(&h, IPPROTO_TCP, 443, MARK_ALLOWED);
	allow_tls(&h, "www.taken.example");
	change(&h, "timezone Europe/Berlin\nfail closed\nhours late 23:15-23:50\nfor "
		   "everyone\nblock taken.example hours late\notherwise allow\n");
	for (int i = 0; i < 99; i++, h.w.wall_ms += 1000)
		dataplane_sweep(&h.w);
	assert_int_equal(changes, 0);
	assert_int_equal(h.w.counters.live_judged, 1);
	for (int i = 0; i < 3; i++, h.w.wall_ms += 1000)
		dataplane_sweep(&h.w);
	assert_int_equal(kernel(), CUT);
	assert_int_equal(h.w.counters.live_judged, 2);
	close_home(&h);
}

static void what_the_kernel_no_longer_has_is_forgotten(void **state)
{
	struct home h;

	(void)state;
	open_live(&h, IPPROTO_TCP, 443, MARK_ALLOWED);
	allow_tls(&h, "www.taken.example");
	entries = 0;
	for (int i = 0; i < 200; i++, h.w.now_ms += 1000)
		dataplane_sweep(&h.w);
	change(&h, NOW);
	assert_int_equal(h.w.counters.live_judged, 0);
	close_home(&h);
}

/* A rule of the kernel's may decide it at the very moment; much later it is another flow by the same ports. */
static void decided_just_then_is_cut_again(void **state)
{
	struct home h;

	(void)state;
	open_live(&h, IPPROTO_TCP, 443, MARK_TENTATIVE);
	allow_tls(&h, "www.taken.example");
	seen.flushed = true; /* the reading has ended */
	change(&h, NOW);
	assert_int_equal(kernel(), CUT);
	entry.mark = 0x123456 | (uint32_t)MARK_ALLOWED << MASK_SHIFT;
	h.w.now_ms += 1000;
	dataplane_sweep(&h.w);
	assert_int_equal(kernel(), CUT);
	for (int i = 0; i < 200; i++, h.w.now_ms += 1000)
		dataplane_sweep(&h.w);
	entry.mark = 0x123456 | (uint32_t)MARK_ALLOWED << MASK_SHIFT;
	for (int i = 0; i < 200; i++, h.w.now_ms += 1000)
		dataplane_sweep(&h.w);
	assert_int_equal(kernel(), MARK_ALLOWED);
	close_home(&h);
}

/* An earlier dataplane cut it: this one does not let it go on, `fail open` or not. */
static void a_new_dataplane_keeps_what_is_cut(void **state)
{
	struct home h;

	(void)state;
	open_home(&h, "fail open\notherwise allow\n");
	assert_int_equal(answer(&h, CUT, 0, 0, slice_str("body")), DROPPED);
	h.w.now_ms += 40000;
	dataplane_sweep(&h.w);
	assert_int_equal(tcp(&h, CUT, 0, slice_str("words")), DROPPED);
	close_home(&h);
}

/* The n-th record's number, as the API says it. */
static uint64_t id_of(const struct home *h, uint32_t n)
{
	const struct live *l = livetab_at(h->w.own->live.flows, n);

	assert_non_null(l);
	return live_id(h->w.index, n, l->born);
}

static void what_it_carried_is_counted(void **state)
{
	const struct live *l;
	struct home h;

	(void)state;
	open_live(&h, IPPROTO_TCP, 443, MARK_ALLOWED);
	allow_tls(&h, "fine.example");
	l = livetab_at(h.w.own->live.flows, 0);
	assert_int_equal(l->since_ms, h.w.wall_ms);
	assert_int_equal(l->rule_line, 6);
	entry.counted = true;
	entry.bytes[0] = 1ull << 40;
	entry.bytes[1] = 77;
	entry.packets[0] = 1ull << 40;
	entry.packets[1] = 7;
	for (int i = 0; i < 6; i++, h.w.now_ms += 1000)
		dataplane_sweep(&h.w);
	assert_true(l->bytes[0] == 1ull << 40 && l->bytes[1] == 77);
	assert_true(l->packets[0] == UINT32_MAX && l->packets[1] == 7);
	close_home(&h);
}

static void somebody_cuts_it_and_no_policy_takes_that_back(void **state)
{
	struct home h;
	struct event e;
	uint64_t id;

	(void)state;
	open_live(&h, IPPROTO_TCP, 443, MARK_ALLOWED);
	allow_tls(&h, "fine.example");
	id = id_of(&h, 0);
	assert_false(dataplane_live_cut(&h.w, id + 1));
	assert_false(dataplane_live_cut(&h.w, id + (1ull << 32)));
	assert_false(dataplane_live_cut(&h.w, id + (1ull << 24)));
	assert_false(dataplane_live_cut(&h.w, UINT64_MAX));
	assert_int_equal(changes, 0);
	assert_true(dataplane_live_cut(&h.w, id));
	dataplane_sweep(&h.w);
	assert_int_equal(kernel(), CUT);
	e = last_event(&h);
	assert_int_equal(e.verdict.action, ACTION_BLOCK);
	assert_int_equal(e.verdict.by, BY_HAND);
	assert_string_equal(e.ident.name, "fine.example");
	change(&h, NOW);
	change(&h, POLICY);
	assert_int_equal(kernel(), CUT);
	assert_int_equal(tcp(&h, CUT, 900, slice_str("words")), DROPPED);
	assert_int_equal(seen.injected[INJECT_TO_CLIENT] + seen.injected[INJECT_TO_SERVER], 2);
	assert_int_equal(last_event(&h).id, 0);
	/* that connection, and no other by its ports */
	entry.mark = 0x123456 | (uint32_t)MARK_HELD << MASK_SHIFT;
	allow_tls(&h, "fine.example");
	assert_int_equal(livetab_at(h.w.own->live.flows, 0)->by_hand, false);
	close_home(&h);
}

/* HTTP that waits for a request is not left for it: whoever cuts it, means now. */
static void somebody_cuts_what_waits(void **state)
{
	static const char get[] = "GET / HTTP/1.1\r\nHost: fine.example\r\n\r\n";
	struct home h;

	(void)state;
	open_live(&h, IPPROTO_TCP, 443, REQUESTS);
	allow_http(&h, get);
	assert_true(dataplane_live_cut(&h.w, id_of(&h, 0)));
	dataplane_sweep(&h.w);
	assert_int_equal(kernel(), CUT);
	assert_int_equal(tcp(&h, CUT, sizeof get - 1, slice_str(get)), DROPPED);
	close_home(&h);
}

/* A dataplane allowed it, and died. */
static void allowed_by_an_earlier_dataplane(const char *name)
{
	static int fd = -1, reader;
	struct home h;

	if (fd >= 0) {
		close(fd);
		close(reader);
		live_unmap(&shared_map);
	}
	assert_int_equal(live_create(256, &fd, &reader), 0);
	assert_int_equal(live_map(fd, true, 0, &shared_map), 0);
	open_live(&h, IPPROTO_TCP, 443, MARK_ALLOWED);
	allow_tls(&h, name);
	close_home(&h);
}

static void seconds(struct home *h, int n)
{
	nfq_flush(NULL); /* nothing was let through yet */
	for (int i = 0; i < 10 * n; i++, h->w.now_ms += 100)
		dataplane_sweep(&h->w);
}

static void the_next_dataplane_cuts_what_is_refused_now(void **state)
{
	struct home h;

	(void)state;
	allowed_by_an_earlier_dataplane("www.taken.example");
	open_live(&h, IPPROTO_TCP, 443, MARK_ALLOWED);
	seconds(&h, 3);
	assert_int_equal(kernel(), MARK_ALLOWED);
	assert_int_equal(h.w.counters.live_judged, 1);
	change(&h, NOW);
	assert_int_equal(kernel(), CUT);
	assert_string_equal(last_event(&h).ident.name, "www.taken.example");
	close_home(&h);
	/* what was cut is cut, whoever comes next */
	entry.mark = 0x123456 | (uint32_t)MARK_ALLOWED << MASK_SHIFT;
	open_home(&h, NOW);
	h.w.conns = (struct conns *)&entry;
	seconds(&h, 3);
	assert_int_equal(kernel(), CUT);
	assert_int_equal(last_event(&h).id, 0); /* it was told of */
	close_home(&h);
	shared_map.head = NULL;
}

static void the_rule_came_while_no_dataplane_was_there(void **state)
{
	struct home h;

	(void)state;
	shared_map.head = NULL;
	allowed_by_an_earlier_dataplane("www.taken.example");
	open_home(&h, NOW);
	h.w.conns = (struct conns *)&entry;
	seconds(&h, 3);
	assert_int_equal(kernel(), CUT);
	assert_string_equal(last_event(&h).ident.name, "www.taken.example");
	close_home(&h);
	shared_map.head = NULL;
}

/* A dataplane that dies before it has read the kernel's table may have died of its own; three are too many. An empty one is no
 * reason. */
static void dataplanes_that_die_soon(void **state)
{
	struct home h;

	(void)state;
	for (int full = 0; full < 2; full++) {
		shared_map.head = NULL;
		allowed_by_an_earlier_dataplane("fine.example");
		entries = 0;
		open_home(&h, POLICY);
		h.w.conns = (struct conns *)&entry;
		if (!full)
			seconds(&h, 3);
		close_home(&h);
		for (int i = 0; i < 3; i++) {
			open_home(&h, POLICY);
			assert_int_equal(livetab_count(h.w.own->live.flows), full && i < 2);
			close_home(&h);
		}
	}
	shared_map.head = NULL;
}

static void what_ended_meanwhile_is_nobodys(void **state)
{
	struct home h;

	(void)state;
	for (int how = 0; how < 2; how++) {
		shared_map.head = NULL;
		allowed_by_an_earlier_dataplane("www.taken.example");
		open_live(&h, IPPROTO_TCP, 443, how ? MARK_HELD : MARK_ALLOWED);
		entries = how; /* gone; or another one by its ports that is not decided yet */
		seconds(&h, 3);
		assert_int_equal(livetab_count(h.w.own->live.flows), 0);
		change(&h, NOW);
		assert_int_equal(changes, 0);
		assert_int_equal(last_event(&h).id, 0);
		close_home(&h);
	}
	shared_map.head = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_that_fails_is_tried_until_it_works),
		cmocka_unit_test(a_tls_flow_is_cut_and_told_once),
		cmocka_unit_test(an_idle_flow_is_cut_by_its_next_packet),
		cmocka_unit_test(an_idle_client_is_asked_where_it_stands),
		cmocka_unit_test(what_is_still_allowed_goes_on),
		cmocka_unit_test(the_dead_are_left_in_peace),
		cmocka_unit_test(new_connection_by_the_ports_of_a_cut_one),
		cmocka_unit_test(an_answer_on_its_way_is_cut),
		cmocka_unit_test(the_next_request_is_judged_for_itself),
		cmocka_unit_test(an_upload_is_cut),
		cmocka_unit_test(a_udp_flow_is_cut_and_allowed_again),
		cmocka_unit_test(an_hour_begins),
		cmocka_unit_test(what_the_kernel_no_longer_has_is_forgotten),
		cmocka_unit_test(decided_just_then_is_cut_again),
		cmocka_unit_test(a_new_dataplane_keeps_what_is_cut),
		cmocka_unit_test(what_it_carried_is_counted),
		cmocka_unit_test(somebody_cuts_it_and_no_policy_takes_that_back),
		cmocka_unit_test(somebody_cuts_what_waits),
		cmocka_unit_test(the_next_dataplane_cuts_what_is_refused_now),
		cmocka_unit_test(the_rule_came_while_no_dataplane_was_there),
		cmocka_unit_test(dataplanes_that_die_soon),
		cmocka_unit_test(what_ended_meanwhile_is_nobodys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
