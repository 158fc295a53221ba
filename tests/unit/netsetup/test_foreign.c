/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_foreign.c - rules of others as iptables-save and nft print them: what is found, and the line that fixes it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "netsetup/foreign.h"

enum { FOUND = 32, TEXT = 512 };

static struct found {
	enum foreign_kind kind;
	char rule[TEXT], fix[TEXT];
} found[FOUND];
static size_t n_found;
static uint32_t used;

static void take(void *user, const struct foreign *f)
{
	assert_true(n_found < FOUND);
	found[n_found].kind = f->kind;
	snprintf(found[n_found].rule, TEXT, "%s", f->rule);
	snprintf(found[n_found].fix, TEXT, "%s", f->fix);
	n_found++;
}

static void scan(void (*with)(struct foreign_in *), const char *text)
{
	struct foreign_in in = {
		.text = slice_str(text), .tool = "iptables", .ours = 0xff000000, .tell = take};

	n_found = 0;
	with(&in);
	used = in.used;
}

/* One rule: the kind and the line that fixes it; kind -1: nothing is found. */
struct one {
	const char *rule;
	int kind;
	const char *fix;
};

static void marks_in_iptables(void **state)
{
	static const struct one cases[] = {
		{"-A PREROUTING -j CONNMARK --set-xmark 0x1/0xffffffff", FOREIGN_CONNMARK,
			"iptables -t mangle -R PREROUTING 2 -j CONNMARK --set-xmark 0x1/0xffffff"},
		{"-A PREROUTING -i lan -j CONNMARK --set-xmark 0x1/0xff", -1, ""},
		{"-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff",
			FOREIGN_MARK_EARLY,
			"iptables -t mangle -R PREROUTING 2 -j CONNMARK --restore-mark --nfmask "
			"0xffffff "
			"--ctmask 0xffffff"},
		{"-A POSTROUTING -o wan -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask "
		 "0xffffffff",
			FOREIGN_CONNMARK,
			"iptables -t mangle -R POSTROUTING 1 -o wan -j CONNMARK --save-mark "
			"--nfmask "
			"0xffffff --ctmask 0xffffff"},
		{"-A POSTROUTING -j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff", -1, ""},
		{"-A POSTROUTING -j CONNMARK --save-mark", FOREIGN_CONNMARK,
			"iptables -t mangle -R POSTROUTING 1 -j CONNMARK --save-mark --nfmask "
			"0xffffff "
			"--ctmask 0xffffff"},
		{"-A POSTROUTING -j CONNMARK --save-mark --mask 0xf0", -1, ""},
		{"-A FORWARD -m comment --comment \"my \\\"qos\\\" -j mark\" -j MARK --set-xmark "
		 "0xa/0xffffffff",
			FOREIGN_MARK,
			"iptables -t mangle -R FORWARD 1 -m comment --comment \"my \\\"qos\\\" -j "
			"mark\" -j "
			"MARK --set-xmark 0xa/0xffffff"},
		/* the value itself lies in our bits: only other bits help */
		{"-A FORWARD -j MARK --set-xmark 0x80000000/0x80000000", FOREIGN_MARK, ""},
		{"-A FORWARD -j MARK --set-xmark 0x0/0xf0000000", FOREIGN_MARK,
			"iptables -t mangle -R FORWARD 1 -j MARK --set-xmark 0x0/0x0"},
		{"-A FORWARD -j MARK --set-xmark 0xfffffff/0x0", FOREIGN_MARK, ""},
		{"-A FORWARD -j MARK --set-xmark 0xffffff/0x0", -1, ""},
		{"-A FORWARD -p tcp -j HMARK --hmark-mod 10", FOREIGN_MARK,
			"iptables -t mangle -D FORWARD 1"},
		{"-A QOS -j CONNMARK --set-xmark 0x1/0xffffffff", FOREIGN_CONNMARK,
			"iptables -t mangle -R QOS 1 -j CONNMARK --set-xmark 0x1/0xffffff"},
		{"-A DURWARD-POST -j CONNMARK --save-mark --nfmask 0xf0000000 --ctmask 0xf0000000",
			-1, ""},
		{"-A FORWARD -m connmark --mark 0x1/0xffffffff -j ACCEPT", -1, ""},
	};
	char text[1024];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(text, sizeof text,
			"*mangle\n:PREROUTING ACCEPT [0:0]\n:QOS - [0:0]\n-A PREROUTING -p icmp -j "
			"QOS\n%s\nCOMMIT\n",
			cases[i].rule);
		scan(foreign_iptables, text);
		if (n_found != (cases[i].kind >= 0))
			fail_msg("%s: %zu findings", cases[i].rule, n_found);
		if (!n_found)
			continue;
		assert_int_equal(found[0].kind, cases[i].kind);
		assert_string_equal(found[0].fix, cases[i].fix);
		assert_non_null(strstr(found[0].rule, cases[i].rule));
	}
}

static void used_bits_and_free_ones(void **state)
{
	scan(foreign_iptables,
		"*mangle\n-A FORWARD -j MARK --set-xmark 0xff000001/0xff0000ff\n"
		"-A FORWARD -j MARK --set-xmark 0x10/0xffffffff\n"
		"-A POSTROUTING -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask "
		"0xffffffff\nCOMMIT\n");
	assert_int_equal(used, 0xff0000ff);
	assert_int_equal(foreign_free_mask(used), 0x00ff0000);
	assert_int_equal(foreign_free_mask(0), 0xff000000);
	assert_int_equal(foreign_free_mask(0x80000000), 0x00ff0000);
	assert_int_equal(foreign_free_mask(0x80808080 | 0x007f0000), 0);
	assert_int_equal(foreign_free_mask(0xf00f0ff0), 0x0ff00000);
	assert_int_equal(foreign_free_mask(0x01010101), 0);
	assert_int_equal(foreign_free_mask(0xffffff00), 0xff);
}

static void what_stands_in_front_of_us(void **state)
{
	scan(foreign_iptables,
		"*mangle\n-A PREROUTING -i lan -j ACCEPT\n-A PREROUTING -j DURWARD-PRE\n-A FORWARD "
		"-j "
		"ACCEPT\n-A FORWARD -j DURWARD-FWD\nCOMMIT\n*security\n:IDS - [0:0]\n"
		"-A FORWARD -s 192.0.2.9/32 -j DROP\n-A FORWARD -m mark --mark 0x5 -j IDS\n-A "
		"FORWARD -p "
		"udp -j ACCEPT\n-A FORWARD -j DURWARD-FWD\n-A FORWARD -j ACCEPT\n-A IDS -j "
		"ACCEPT\nCOMMIT\n");
	/* the queue stands in security there: mangle FORWARD does not matter */
	assert_int_equal(n_found, 3);
	for (size_t i = 0; i < n_found; i++)
		assert_int_equal(found[i].kind, FOREIGN_IN_FRONT);
	assert_string_equal(found[0].fix, "iptables -t security -D FORWARD 2 && iptables -t "
					  "security -A FORWARD -m mark --mark 0x5 -j "
					  "IDS");
	assert_string_equal(found[1].fix, "iptables -t security -D FORWARD 3 && iptables -t "
					  "security -A FORWARD -p udp -j ACCEPT");
	assert_non_null(strstr(found[2].rule, "PREROUTING -i lan -j ACCEPT"));
	/* in a kernel without it, it does */
	scan(foreign_iptables,
		"*mangle\n-A FORWARD -j RETURN\n-A FORWARD -j DURWARD-FWD\nCOMMIT\n");
	assert_int_equal(n_found, 1);
	/* and nothing is in front of what is not there */
	scan(foreign_iptables, "*mangle\n-A FORWARD -j ACCEPT\nCOMMIT\n");
	assert_int_equal(n_found, 0);
}

static void roads_of_others(void **state)
{
	static const struct one cases[] = {
		{"-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128",
			FOREIGN_TAKES_WEB, ""},
		{"-A PREROUTING -p tcp -m multiport --dports 8000:8080,440:450 -j DNAT "
		 "--to-destination "
		 "192.0.2.5",
			FOREIGN_TAKES_WEB, ""},
		{"-A PREROUTING -p tcp -m tcp --dport 8080 -j REDIRECT --to-ports 3128", -1, ""},
		{"-A POSTROUTING -o wan -j MASQUERADE", FOREIGN_NAT, ""},
		{"-A FORWARD -j NFQUEUE --queue-num 0", FOREIGN_QUEUE, ""},
		{"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j FLOWOFFLOAD",
			FOREIGN_OFFLOAD, "iptables -t filter -D FORWARD 1"},
		{"-A FORWARD -j DURWARD-FAILED", -1, ""},
		{"-A FORWARD", -1, ""},
	};
	char text[1024];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(text, sizeof text, "*filter\n%s\nCOMMIT\n", cases[i].rule);
		scan(foreign_iptables, text);
		if (n_found != (cases[i].kind >= 0))
			fail_msg("%s: %zu findings", cases[i].rule, n_found);
		assert_true(!n_found || (int)found[0].kind == cases[i].kind);
		assert_true(!n_found || strcmp(found[0].fix, cases[i].fix) == 0);
	}
}

static void docker_drops_what_no_rule_accepts(void **state)
{
	static const char head[] = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n";
	char text[1024];

	scan(foreign_iptables, head);
	assert_int_equal(n_found, 0); /* an owner's own firewall */
	snprintf(text, sizeof text,
		"%s:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n-A FORWARD -i docker0 -j "
		"ACCEPT\n-A DOCKER-USER -j RETURN\nCOMMIT\n",
		head);
	scan(foreign_iptables, text);
	assert_int_equal(n_found, 1);
	assert_int_equal(found[0].kind, FOREIGN_DOCKER);
	assert_string_equal(found[0].fix, "iptables -I DOCKER-USER -i LAN -j ACCEPT");
	snprintf(text, sizeof text,
		"%s:DOCKER-USER - [0:0]\n-A DOCKER-USER -i lan -j ACCEPT\nCOMMIT\n", head);
	scan(foreign_iptables, text);
	assert_int_equal(n_found, 0);
}

static void rules_of_nft(void **state)
{
	static const struct {
		const char *hook;
		struct one one;
	} cases[] = {
		{"forward", {"ct state established accept", -1, ""}},
		{"forward", {"iifname \"lan\" ct mark set 0x00000005 accept", FOREIGN_CONNMARK,
				    "nft 'replace rule inet fw c handle 8 iifname \"lan\" ct mark "
				    "set ct mark & "
				    "0xff000000 | 0x00000005 accept'"}},
		{"prerouting",
			{"meta mark set ct mark & 0x000000ff", FOREIGN_MARK_ROUTE,
				"nft delete rule inet fw c handle 8 && iptables -t mangle -A "
				"PREROUTING "
				"-j CONNMARK --restore-mark --mask 0xff && ip6tables -t mangle -A "
				"PREROUTING -j CONNMARK --restore-mark --mask 0xff"}},
		{"forward", {"meta mark set meta mark & 0x00ffffff | 0x00000001", FOREIGN_MARK,
				    "nft 'replace rule inet fw c handle 8 meta mark set meta mark "
				    "& 0xffffffff "
				    "| 0x00000001'"}},
		{"forward", {"meta mark set meta mark | 0x00000100", -1, ""}},
		{"postrouting",
			{"ct mark set meta mark", FOREIGN_CONNMARK,
				"nft delete rule inet fw c handle 8 && iptables -t mangle -A "
				"POSTROUTING "
				"-j CONNMARK --save-mark --mask 0xffffff && ip6tables -t mangle -A "
				"POSTROUTING -j CONNMARK --save-mark --mask 0xffffff"}},
		{"postrouting", {"ct mark set ct mark & 0xffffff07 | 0x00000007", -1, ""}},
		{"postrouting",
			{"meta mark set ip dscp map { lephb : 0x00000002 }", FOREIGN_MARK, ""}},
		{"forward", {"meta mark set 0x80000000", FOREIGN_MARK, ""}},
		{"forward",
			{"tcp dport 22 accept comment \"ct mark set 0x5 is not said\"", -1, ""}},
		{"forward", {"ct state established flow add @ft", FOREIGN_OFFLOAD,
				    "nft delete rule inet fw c handle 8"}},
		{"forward", {"queue flags bypass to 3", FOREIGN_QUEUE, ""}},
		{"prerouting",
			{"tcp dport { 80, 8080 } dnat ip to 192.0.2.5:80", FOREIGN_TAKES_WEB, ""}},
		{"prerouting", {"tcp dport 8080 redirect to :80", -1, ""}},
		{"postrouting", {"oifname \"wan\" masquerade", FOREIGN_NAT, ""}},
	};
	char text[1024];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct one *c = &cases[i].one;
		snprintf(text, sizeof text,
			"table inet fw { # handle 1\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = "
			"{ "
			"192.0.2.1 }\n\t}\n\n\tchain c { # handle 2\n\t\ttype filter hook %s "
			"priority "
			"filter; policy accept;\n\t\t%s # handle 8\n\t}\n}\n",
			cases[i].hook, c->rule);
		scan(foreign_nft, text);
		if (n_found != (c->kind >= 0))
			fail_msg("%s: %zu findings", c->rule, n_found);
		if (!n_found)
			continue;
		if ((int)found[0].kind != c->kind)
			fail_msg("%s: kind %d", c->rule, found[0].kind);
		assert_string_equal(found[0].fix, c->fix);
	}
}

static void base_chains_of_nft(void **state)
{
	scan(foreign_nft,
		"table ip filter { # handle 1\n\tchain INPUT { # handle 1\n\t\ttype filter hook "
		"input "
		"priority filter; policy drop;\n\t}\n}\ntable inet durward { # handle 2\n\tchain c "
		"{ # handle "
		"1\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n"
		"table inet fw { # handle 3\n\tchain input { # handle 1\n\t\ttype filter hook "
		"input priority "
		"filter; policy drop;\n\t\tiif \"lo\" accept # handle 4\n\t}\n\tchain output { # "
		"handle "
		"2\n\t\ttype filter hook output priority filter; policy drop;\n\t}\n\tchain "
		"forward { # "
		"handle 3\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n}\n");
	assert_int_equal(n_found, 2);
	assert_int_equal(found[0].kind, FOREIGN_DROP);
	assert_string_equal(
		found[0].fix, "nft 'insert rule inet fw input meta mark & 0x08000000 != 0 accept'");
	assert_string_equal(found[1].fix,
		"nft 'insert rule inet fw output meta mark & 0x0a000000 != 0 accept'");
}

static void odd_text_is_passed_over(void **state)
{
	static const char *const odd[] = {"", "\n\n", "*", "-A", "-A X -j",
		"*mangle\n-A X -j CONNMARK", "-A X -j MARK --set-xmark",
		"-A X -j MARK --set-xmark 0x1/", "-A X -j MARK --set-xmark 99999999999", "\"",
		"-A \"", "-A X -j \"\\", "table", "chain {", "ct mark set", "\t\tmeta mark set 5 &",
		"{", "}"};
	char longest[4096] = "-A X";

	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		scan(foreign_iptables, odd[i]);
		assert_int_equal(n_found, 0);
		scan(foreign_nft, odd[i]);
		assert_int_equal(n_found, 0);
	}
	for (size_t i = 4; i + 3 < sizeof longest; i += 2)
		memcpy(longest + i, " a", 3);
	scan(foreign_iptables, longest);
	assert_int_equal(n_found, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_in_iptables),
		cmocka_unit_test(used_bits_and_free_ones),
		cmocka_unit_test(what_stands_in_front_of_us),
		cmocka_unit_test(roads_of_others),
		cmocka_unit_test(docker_drops_what_no_rule_accepts),
		cmocka_unit_test(rules_of_nft),
		cmocka_unit_test(base_chains_of_nft),
		cmocka_unit_test(odd_text_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
