/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_flowtab.c - the flow table keeps its bounds, and gives way in the right order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/flowtab.h"

enum { FLOWS = 64, MEMORY = 64000 };

static unsigned evicted, freed;

static void on_free(void *user, struct flow_rec *r)
{
	(void)user;
	(void)r;
	freed++;
}

static void on_evict(void *user, struct flow_rec *r)
{
	(void)user;
	(void)r;
	evicted++;
}

static struct flowtab *table(void)
{
	struct flowtab_limits l = {
		.flows = FLOWS, .memory = MEMORY, .on_free = on_free, .on_evict = on_evict};
	struct flowtab *t;

	evicted = freed = 0;
	assert_int_equal(flowtab_new(&t, &l), 0);
	return t;
}

static struct flow flow_of(uint8_t client, uint16_t port)
{
	struct flow f = {.sport = port, .dport = 443, .proto = 6};

	f.src = addr_v4((uint8_t[]){192, 0, 2, client});
	f.dst = addr_v4((uint8_t[]){198, 51, 100, 2});
	return f;
}

static struct flow_rec *add(struct flowtab *t, uint8_t client, uint16_t port)
{
	struct flow f = flow_of(client, port);

	return flowtab_add(t, &f, 1);
}

static struct flow_rec *find(struct flowtab *t, uint8_t client, uint16_t port)
{
	struct flow f = flow_of(client, port);

	return flowtab_find(t, &f);
}

static void a_flow_is_found_until_it_is_removed(void **state)
{
	struct flowtab *t = table();
	struct flow_rec *r = add(t, 1, 1);

	assert_ptr_equal(find(t, 1, 1), r);
	assert_null(find(t, 1, 2));
	assert_null(find(t, 2, 1));
	flowtab_remove(t, r);
	assert_null(find(t, 1, 1));
	assert_int_equal(freed, 1);
	flowtab_free(t);
}

static void P36_a_client_has_a_quarter_for_undecided_flows(void **state)
{
	struct flowtab *t = table();

	for (uint16_t i = 0; i < FLOWS / 4; i++)
		assert_non_null(add(t, 1, i));
	assert_null(add(t, 1, 1000));
	assert_non_null(add(t, 2, 1000));
	flowtab_use(t, find(t, 1, 0), LIST_DECIDED, 2); /* a decided one counts no more */
	assert_non_null(add(t, 1, 1000));
	assert_null(add(t, 1, 1001));
	flowtab_free(t);
	assert_int_equal(freed, FLOWS / 4 + 2);
}

/* Two stations (a router with a network behind it, say), each with addresses of its own. */
static struct flow_rec *add_from(struct flowtab *t, uint8_t station, uint8_t client, uint16_t port)
{
	struct flow f = flow_of(client, port);

	f.has_mac = true;
	f.mac.b[5] = station;
	return flowtab_add(t, &f, 1);
}

static void P36_a_share_is_an_address_s_and_twice_that_a_hardware_address_s(void **state)
{
	struct flowtab *t = table();

	for (uint16_t i = 0; i < FLOWS / 4; i++)
		assert_non_null(add_from(t, 1, 10, i));
	assert_null(add_from(t, 1, 10, 1000));
	assert_null(add_from(t, 2, 10, 1000)); /* a forged hardware address is of no use */
	for (uint16_t i = 0; i < FLOWS / 4; i++)
		assert_non_null(
			add_from(t, 1, (uint8_t)(11 + i), i)); /* its neighbours have room */
	assert_null(add_from(t, 1, 99, 1000)); /* so many addresses as it likes: half the table */
	assert_non_null(add_from(t, 2, 100, 1000));
	flowtab_free(t);
}

/* Decided relays count too: addresses are as many as one likes, and a device takes half of the table at most. */
static void P36_all_that_hold_an_account_are_bounded_by_both(void **state)
{
	struct hash_key key = {0};
	struct quota *a[FLOWS][QUOTAS];
	struct quotas *t;
	uint16_t n = 0;

	assert_int_equal(quotas_new(&t, FLOWS, &key), 0);
	for (; n < FLOWS; n++) {
		struct flow f = flow_of((uint8_t)n, n);

		f.has_mac = true;
		assert_true(quota_get(t, &f, a[n]));
		if (!quota_holds_below(a[n], FLOWS / 4 + 1))
			break;
	}
	assert_int_equal(n, FLOWS / 2 + 1);
	do
		quota_put(t, a[n]);
	while (n-- > 0);
	quotas_free(t);
}

static void P36_preambles_count_too(void **state)
{
	struct flowtab *t = table();

	for (uint16_t i = 0; i < FLOWS / 4; i++)
		flowtab_use(t, add(t, 1, i), LIST_PREAMBLE, 2);
	assert_null(add(t, 1, 1000));
	flowtab_use(t, find(t, 1, 0), LIST_PENDING, 3);
	assert_null(add(t, 1, 1000));
	flowtab_use(t, find(t, 1, 1), LIST_DECIDED, 3);
	assert_non_null(add(t, 1, 1000));
	flowtab_free(t);
}

static void P36_the_share_is_a_setting(void **state)
{
	struct flowtab_limits l = {.flows = FLOWS, .memory = MEMORY, .share = 5};
	struct flowtab *t;

	assert_int_equal(flowtab_new(&t, &l), 0);
	for (uint16_t i = 0; i < 3; i++)
		assert_non_null(add(t, 1, i));
	assert_null(add(t, 1, 1000));
	assert_true(flowtab_charge(t, find(t, 1, 0), MEMORY / 20));
	assert_false(flowtab_charge(t, find(t, 1, 0), MEMORY / 20 + 1));
	flowtab_free(t);
}

static void a_full_table_lets_go_of_decided_flows_first(void **state)
{
	struct flowtab *t = table();

	for (uint16_t i = 0; i < FLOWS; i++)
		assert_non_null(add(t, (uint8_t)(i % 8), i));
	flowtab_use(t, find(t, 4, 20), LIST_DECIDED, 3);
	flowtab_use(t, find(t, 5, 21), LIST_OTHER, 4);
	assert_non_null(add(t, 100, 1));
	assert_null(find(t, 5, 21));
	assert_non_null(add(t, 100, 2));
	assert_null(find(t, 4, 20));
	assert_non_null(add(t, 100, 3)); /* then the oldest undecided one */
	assert_null(find(t, 0, 0));
	assert_int_equal(flowtab_count(t), FLOWS);
	assert_int_equal(evicted, 3);
	flowtab_free(t);
}

static void P36_memory_is_bounded_and_shared_out(void **state)
{
	struct flowtab *t = table();
	struct flow_rec *mine = add(t, 1, 1), *yours = add(t, 2, 1), *old = add(t, 3, 1);

	assert_true(flowtab_charge(t, mine, MEMORY / 4));
	assert_false(flowtab_charge(t, mine, MEMORY / 4 + 1)); /* over the client's quota */
	assert_true(flowtab_charge(t, mine, 100));
	flowtab_use(t, old, LIST_DECIDED, 2);
	flowtab_charge(t, old, MEMORY);
	assert_int_equal(flowtab_memory(t), MEMORY + 100);
	assert_true(flowtab_charge(t, yours, 100)); /* the decided one went */
	assert_null(find(t, 3, 1));
	assert_int_equal(flowtab_memory(t), 200);
	flowtab_free(t);
}

static void lists_are_in_the_order_of_use(void **state)
{
	struct flowtab *t = table();

	for (uint16_t i = 0; i < 3; i++)
		flowtab_use(t, add(t, 1, i), LIST_DECIDED, i);
	assert_int_equal(flowtab_oldest(t, LIST_DECIDED)->flow.sport, 0);
	flowtab_use(t, find(t, 1, 0), LIST_DECIDED, 9);
	assert_int_equal(flowtab_oldest(t, LIST_DECIDED)->flow.sport, 1);
	assert_int_equal(flowtab_count(t), 3);
	assert_null(flowtab_oldest(t, LIST_PENDING));
	flowtab_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flow_is_found_until_it_is_removed),
		cmocka_unit_test(P36_a_client_has_a_quarter_for_undecided_flows),
		cmocka_unit_test(P36_a_share_is_an_address_s_and_twice_that_a_hardware_address_s),
		cmocka_unit_test(P36_all_that_hold_an_account_are_bounded_by_both),
		cmocka_unit_test(P36_preambles_count_too),
		cmocka_unit_test(P36_the_share_is_a_setting),
		cmocka_unit_test(a_full_table_lets_go_of_decided_flows_first),
		cmocka_unit_test(P36_memory_is_bounded_and_shared_out),
		cmocka_unit_test(lists_are_in_the_order_of_use),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
