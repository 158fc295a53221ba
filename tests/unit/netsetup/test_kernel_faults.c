/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_kernel_faults.c - versions in the words of distributions, and the ends of every range.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "netsetup/kernel_faults.h"

static void versions_of_distributions(void **state)
{
	static const struct {
		const char *release, *version, *signature;
		struct kernel_version want;
	} cases[] = {
		{"6.1.0-40-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.153-1 (2025-09-20)", "",
			{6, 1, 153}},
		{"6.12.48+deb13-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.12.48-1 (2025-09-20)", "",
			{6, 12, 48}},
		{"5.15.0-91-generic", "#101-Ubuntu SMP Tue Nov 14 13:30:08 UTC 2023",
			"Ubuntu 5.15.0-91.101-generic 5.15.131\n", {5, 15, 131}},
		{"6.18.14", "#1 SMP", "", {6, 18, 14}},
		{"6.19-rc1", "#1 SMP", "", {6, 19, 0}},
		{"6.8.12-1-pve", "#1 SMP PREEMPT_DYNAMIC PMX 6.8.12-1 (2024-08-05T16:17Z)", "",
			{6, 8, 12}},
		{"6.12.10", "#1 SMP Debian unknown", "", {6, 12, 10}},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct kernel_version v = {0};
		assert_true(
			kernel_version(cases[i].release, cases[i].version, cases[i].signature, &v));
		assert_int_equal(v.major, cases[i].want.major);
		assert_int_equal(v.minor, cases[i].want.minor);
		assert_int_equal(v.patch, cases[i].want.patch);
	}
	struct kernel_version v;
	assert_false(kernel_version("linux", "#1", "", &v));
}

static size_t bad_of(unsigned minor, unsigned patch, bool bad)
{
	struct kernel_version v = {6, minor, patch};
	struct kernel_fault f[8];
	size_t n = kernel_faults(&v, f, 8), found = 0;

	for (size_t i = 0; i < n; i++) {
		assert_true(strlen(f[i].words) > 20);
		found += f[i].bad == bad;
	}
	return found;
}

static void ranges_end_where_they_end(void **state)
{
	static const unsigned hash[][3] = {{12, 75, 82}, {18, 14, 23}, {19, 4, 13}};

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(bad_of(hash[i][0], hash[i][1] - 1, true), 0);
		assert_int_equal(bad_of(hash[i][0], hash[i][1], true), 1);
		assert_int_equal(bad_of(hash[i][0], hash[i][2], true), 1);
		assert_int_equal(bad_of(hash[i][0], hash[i][2] + 1, true), 0);
	}
	assert_int_equal(bad_of(1, 106, false), 0);
	assert_int_equal(bad_of(1, 107, false), 1);
	assert_int_equal(bad_of(1, 153, false), 1);
	assert_int_equal(bad_of(12, 74, false), 1);
	assert_int_equal(bad_of(12, 75, false), 0);
	assert_int_equal(bad_of(18, 13, false), 1);
	assert_int_equal(bad_of(18, 44, false) + bad_of(18, 44, true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_of_distributions),
		cmocka_unit_test(ranges_end_where_they_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
