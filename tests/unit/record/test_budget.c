/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_budget.c - a client's rows are bounded, what is above is counted to the last one, and nobody takes another's rows.
 */
#include "record/folder.h"

#include "../../../src/record/budget_int.h"

static const uint64_t start = 1000000;
static struct row sums[2048];
static size_t n_sums;

/* A decision of a stranger's, by address. */
static struct row of(uint32_t address, const char *name, enum action action)
{
	struct row r = row_of(0, name, action);

	r.device[0] = 0;
	r.event.flow.src.b[12] = (uint8_t)(address >> 24);
	r.event.flow.src.b[13] = (uint8_t)(address >> 16);
	r.event.flow.src.b[14] = (uint8_t)(address >> 8);
	r.event.flow.src.b[15] = (uint8_t)address;
	return r;
}

static struct row named(const char *device)
{
	struct row r = row_of(0, "a.example", ACTION_ALLOW);

	snprintf(r.device, sizeof r.device, "%s", device);
	return r;
}

static int give(struct budget *b, struct row r, int n, uint64_t now_ms)
{
	int own = 0;

	r.event.wall_ms = 1700000000000u + now_ms;
	for (int i = 0; i < n; i++)
		own += budget_take(b, &r, now_ms);
	return own;
}

/* All sums that are due; how many decisions are in them. */
static uint64_t collect(struct budget *b, uint64_t now_ms, bool all)
{
	uint64_t count = 0;

	for (n_sums = 0; budget_due(b, now_ms, all, &sums[n_sums]); n_sums++) {
		assert_true(n_sums < 2047);
		count += sums[n_sums].count ? sums[n_sums].count : 1;
	}
	return count;
}

static void a_client_gets_so_many_rows_and_no_decision_is_lost(void **state)
{
	struct budget *b = budget_new();

	assert_int_equal(give(b, named("phone"), 5000, start), BUDGET_FIRST);
	assert_int_equal(give(b, named("phone"), 5000, start + 60000), BUDGET_MINUTE);
	assert_int_equal(give(b, named("tv"), 5000, start + 60000), BUDGET_FIRST);
	assert_int_equal(collect(b, start + 60000, true), 15000 - 2 * BUDGET_FIRST - BUDGET_MINUTE);
	assert_int_equal(n_sums, 2);
	assert_int_equal(sums[0].count, 10000 - BUDGET_FIRST - BUDGET_MINUTE);
	assert_string_equal(sums[0].device, "phone");
	assert_string_equal(sums[0].event.ident.name, "a.example");
	assert_int_equal(sums[0].event.wall_ms, 1700000000000u + start);
	assert_int_equal(sums[0].last_ms, 1700000000000u + start + 60000);
	budget_free(b);
}

static void a_sum_becomes_a_row_in_time(void **state)
{
	struct budget *b = budget_new();

	give(b, named("phone"), BUDGET_FIRST + 1, start);
	assert_int_equal(collect(b, start + BUDGET_SUM_MS - 1, false), 0);
	assert_int_equal(collect(b, start + BUDGET_SUM_MS, false), 1);
	assert_int_equal(sums[0].count, 0); /* one decision: a row like any other */
	assert_int_equal(sums[0].last_ms, 0);
	assert_int_equal(collect(b, start + BUDGET_SUM_MS, true), 0);
	budget_free(b);
}

static void what_differs_is_empty_and_the_verdict_never_differs(void **state)
{
	struct budget *b = budget_new();
	struct row r = of(1, "a.example", ACTION_BLOCK);

	give(b, r, BUDGET_FIRST, start);
	give(b, r, 3, start);
	r = of(1, "b.example", ACTION_BLOCK);
	r.event.flow.dst.b[15]++;
	r.event.flow.dport = 8443;
	give(b, r, 4, start);
	give(b, of(1, "c.example", ACTION_ALLOW), 5, start);
	assert_int_equal(collect(b, start, true), 12);
	assert_int_equal(n_sums, 2);
	assert_int_equal(sums[0].count, 7);
	assert_int_equal(sums[0].event.verdict.action, ACTION_BLOCK);
	assert_string_equal(sums[0].event.ident.name, "");
	assert_true(addr_is_zero(&sums[0].event.flow.dst));
	assert_int_equal(sums[0].event.flow.dport, 0);
	assert_int_equal(sums[0].event.flow.src.b[15], 1);
	assert_string_equal(sums[0].rule, "block ads");
	assert_int_equal(sums[1].count, 5);
	assert_int_equal(sums[1].event.verdict.action, ACTION_ALLOW);
	assert_string_equal(sums[1].event.ident.name, "c.example");
	budget_free(b);
}

/* After an edit the line of one rule is another rule's: their decisions are not one sum. */
static void two_rules_of_one_line_are_two_sums(void **state)
{
	struct budget *b = budget_new();
	struct row r = of(1, "a.example", ACTION_BLOCK);

	give(b, r, BUDGET_FIRST, start);
	row_text_set(r.rule_id, sizeof r.rule_id, "games");
	give(b, r, 3, start);
	row_text_set(r.rule_id, sizeof r.rule_id, "homework");
	give(b, r, 4, start);
	assert_int_equal(collect(b, start, true), 7);
	assert_int_equal(n_sums, 2);
	assert_string_equal(sums[0].rule_id, "games");
	assert_string_equal(sums[1].rule_id, "homework");
	assert_int_equal(sums[1].count, 4);
	budget_free(b);
}

/* Lines and anomalies are what the sums are by; a client that hits all of them still has eight. */
static void one_clients_sums_are_bounded(void **state)
{
	struct budget *b = budget_new();
	struct row r = of(1, "a.example", ACTION_BLOCK);
	uint64_t blocked = 0;

	give(b, r, BUDGET_FIRST, start);
	for (uint32_t i = 0; i < 3000; i++) {
		r.event.verdict.rule_line = i;
		r.event.ident.anomaly = (uint8_t)(i % ANOMALIES);
		r.event.verdict.action = i % 3 ? ACTION_BLOCK : ACTION_ALLOW;
		give(b, r, 1, start);
	}
	assert_int_equal(collect(b, start, true), 3000);
	assert_true(n_sums <= BUDGET_CLIENT_SUMS);
	for (size_t i = 0; i < n_sums; i++)
		if (sums[i].event.verdict.action == ACTION_BLOCK)
			blocked += sums[i].count ? sums[i].count : 1;
	assert_int_equal(blocked, 2000);
	budget_free(b);
}

static void many_addresses_are_bounded_together_and_take_nothing_from_named_devices(void **state)
{
	struct budget *b = budget_new();
	int own = 0;

	for (uint32_t i = 1; i <= 200000; i++) /* a spoofer: each packet another source */
		own += give(b, of(i, "a.example", ACTION_BLOCK), 1, start);
	assert_int_equal(own, BUDGET_STRANGERS_FIRST);
	assert_int_equal(give(b, named("phone"), 100, start), 100);
	assert_int_equal(collect(b, start, true), 200000 - BUDGET_STRANGERS_FIRST);
	assert_true(n_sums < 140);
	assert_true(addr_is_zero(&sums[n_sums - 1].event.flow.src)); /* several clients */
	budget_free(b);
}

/* All addresses of a /64 are one client, as are all of one MAC; the neighbour's are another. */
static void an_ipv6_network_is_one_client(void **state)
{
	struct budget *b = budget_new();
	struct row r = of(1, "a.example", ACTION_BLOCK);
	int own = 0;

	for (uint32_t i = 0; i < 3000; i++) {
		memset(r.event.flow.src.b, 0x20, 8);
		memcpy(r.event.flow.src.b + 8, "\1\2\3\4", 4);
		memcpy(r.event.flow.src.b + 12, &i, 4);
		own += give(b, r, 1, start);
	}
	assert_int_equal(own, BUDGET_FIRST);
	r.event.flow.src.b[7]++;
	assert_int_equal(give(b, r, 10, start), 10);
	own = 0;
	for (uint32_t i = 0; i < 3000; i++) {
		r = of(i, "a.example", ACTION_BLOCK);
		r.event.flow.has_mac = true;
		r.event.flow.mac = (struct mac){{2, 0, 0, 0, 0, 9}};
		own += give(b, r, 1, start);
	}
	assert_int_equal(own, BUDGET_FIRST);
	budget_free(b);
}

static void very_many_named_devices_are_counted_all_the_same(void **state)
{
	struct budget *b = budget_new();
	uint64_t own = 0;

	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 3000; i++) {
			char name[20];

			snprintf(name, sizeof name, "device-%d", i);
			own += (uint64_t)give(b, named(name), 10, start);
		}
	assert_int_equal(own + collect(b, start, true), 90000);
	budget_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_gets_so_many_rows_and_no_decision_is_lost),
		cmocka_unit_test(a_sum_becomes_a_row_in_time),
		cmocka_unit_test(what_differs_is_empty_and_the_verdict_never_differs),
		cmocka_unit_test(two_rules_of_one_line_are_two_sums),
		cmocka_unit_test(one_clients_sums_are_bounded),
		cmocka_unit_test(
			many_addresses_are_bounded_together_and_take_nothing_from_named_devices),
		cmocka_unit_test(an_ipv6_network_is_one_client),
		cmocka_unit_test(very_many_named_devices_are_counted_all_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
