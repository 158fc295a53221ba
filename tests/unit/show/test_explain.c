/* SPDX-License-Identifier: GPL-3.0-or-later
 * The rules of durward-policy(5), each as questions with the line that answers them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "decide/policy_text.h"
#include "show/explain.h"
#include "show/json.h"

/* a question states few of its fields */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/* 2026-11-23 is a Monday. Berlin is at +01:00 then. */
#define AT(t) .at = "2026-11-" t ":00+01:00"

struct want {
	struct explain_ask ask;
	const char *verdict;
	int line;	  /* of the file; 0 = rule is null */
	const char *list; /* "NAME LINE" or NULL */
	int watch;	  /* watch line or 0 */
};

static void check(const struct image *img, const struct want *w)
{
	struct explain_answer a;
	char list[64] = "";
	int rc = explain_answer(img, &w->ask, NULL, 1795431600, &a);
	if (rc != 0)
		fail_msg("%s -> %s%s: %s", w->ask.who, w->ask.name ? w->ask.name : "",
			w->ask.addr ? w->ask.addr : "", a.why);
	struct json *o = jr_parse(slice_str(a.json));
	const struct json *l = jr_get(o, "list");
	if (!jr_is_null(l))
		snprintf(list, sizeof list, "%s %d", jr_get_text(l, "name"),
			(int)jr_number(jr_get(l, "line"), 0));
	int line = (int)jr_number(jr_get(jr_get(o, "rule"), "line"), 0);
	int watch = (int)jr_number(jr_get(jr_get(o, "watch"), "line"), 0);
	if (strcmp(jr_get_text(o, "verdict"), w->verdict) != 0 || line != w->line ||
		watch != w->watch || strcmp(list, w->list ? w->list : "") != 0)
		fail_msg("wanted %s by %d (list %s, watch %d): %s", w->verdict, w->line,
			w->list ? w->list : "none", w->watch, a.json);
	assert_int_equal(a.blocked, strcmp(w->verdict, "block") == 0);
	jr_free(o);
	explain_fini(&a);
}

#define CHECK(text, lists, ...)                                                                    \
	do {                                                                                       \
		struct policy_text p;                                                              \
		const struct want wants[] = {__VA_ARGS__};                                         \
		policy_text_open(&p, text, lists);                                                 \
		for (size_t k = 0; k < sizeof wants / sizeof wants[0]; k++)                        \
			check(p.image, &wants[k]);                                                 \
		free(p.bytes);                                                                     \
	} while (0)

#define WHO                                                                                        \
	"device phone mac a4:83:e7:10:22:31\n"		  /* 1 */                                  \
	"device pc mac 3c:22:fb:aa:01:07\n"		  /* 2 */                                  \
	"device printer ip 192.0.2.40 2001:db8:1::40\n"	  /* 3 */                                  \
	"person mia owns phone pc\n"			  /* 4 */                                  \
	"group kids mia\n"				  /* 5 */                                  \
	"group office net 192.0.2.0/25 2001:db8:1::/64\n" /* 6 */                                  \
	"group all kids office\n"			  /* 7 */

static void blocks_apply_in_file_order(void **state) /* 1, 2, 14, 22 */
{
	CHECK(WHO "for all\n"			      /* 8 */
		  "  allow one.example\n"	      /* 9 */
		  "for kids\n"			      /* 10 */
		  "  block one.example two.example\n" /* 11 */
		  "for phone printer\n"		      /* 12 */
		  "block three.example\n"	      /* 13 */
		  "for unknown-devices\n"	      /* 14 */
		  "block four.example\n"	      /* 15 */
		  "for mia\n"			      /* 16 */
		  "block five.example\n"	      /* 17 */
		  "for everyone\n"		      /* 18 */
		  "block six.example\n"		      /* 19 */
		  "otherwise allow\n",		      /* 20 */
		NULL, {{"phone", "one.example"}, "allow", 9}, {{"pc", "two.example"}, "block", 11},
		{{"pc", "three.example"}, "allow", 20}, {{"phone", "three.example"}, "block", 13},
		{{"printer", "three.example"}, "block", 13},
		{{"printer", "one.example"}, "allow", 9},
		{{"192.0.2.9", "one.example"}, "allow", 9},
		{{"192.0.2.9", "four.example"}, "block", 15},
		{{"192.0.2.40", "four.example"}, "allow", 20},
		{{"2001:db8:1::40", "three.example"}, "block", 13},
		{{"2001:db8:1::41", "three.example"}, "allow", 20},
		{{"2001:db8:1::41", "one.example"}, "allow", 9},
		{{"2001:db8:2::41", "one.example"}, "allow", 20},
		{{"A4-83-E7-10-22-31", "five.example"}, "block", 17},
		{{"02:00:00:00:00:01", "four.example"}, "block", 15},
		{{"PHONE", "five.example"}, "block", 17},
		{{"printer", "five.example"}, "allow", 20},
		{{"unknown-devices", "six.example"}, "block", 19});
}

static void whats_are_alternatives(void **state) /* 3, 4, 5, 11, 20 */
{
	CHECK("app video video.example *.tube.example =exact.example\n" /* 1 */
	      "app video more.example\n"				/* 2 */
	      "for everyone\n"						/* 3 */
	      "block video port tcp/8080 net 203.0.113.0/24\n"		/* 4 */
	      "block port tcp/25,465\n"					/* 5 */
	      "block port udp/6000-6999\n"				/* 6 */
	      "block port icmp\n"					/* 7 */
	      "block local-networks\n"					/* 8 */
	      "block *.zip b\xc3\xbc"
	      "cher.example\n"				 /* 9 */
	      "block net 2001:db8::/64 192.0.2.128/25\n" /* 10 */
	      "otherwise allow\n",			 /* 11 */
		NULL, {{"192.0.2.1", "video.example"}, "block", 4},
		{{"192.0.2.1", "WWW.Video.Example."}, "block", 4},
		{{"192.0.2.1", "avideo.example"}, "allow", 11},
		{{"192.0.2.1", "tube.example"}, "allow", 11},
		{{"192.0.2.1", "a.b.tube.example"}, "block", 4},
		{{"192.0.2.1", "exact.example"}, "block", 4},
		{{"192.0.2.1", "a.exact.example"}, "allow", 11},
		{{"192.0.2.1", "more.example"}, "block", 4}, {{"192.0.2.1", "x.zip"}, "block", 9},
		{{"192.0.2.1", "www.xn--bcher-kva.example"}, "block", 9},
		{{"192.0.2.1", "www.B\xc3\x9c"
			       "CHER.example"},
			"block", 9},
		{{"192.0.2.1", "r3--sn-4g5e.example"}, "allow", 11},
		{{"192.0.2.1", "_dns.example"}, "allow", 11},
		/* compared as the ASCII they are: those that stand for nothing, or for a symbol, too */
		{{"192.0.2.1", "xn--a.video.example"}, "block", 4},
		{{"192.0.2.1", "XN--ZZZZZZ.video.example.", .proto = "quic"}, "block", 4},
		{{"192.0.2.1", "xn--a-.video.example", .proto = "http"}, "block", 4},
		{{"192.0.2.1", "xn--n3h.video.example"}, "block", 4},
		{{"192.0.2.1", "xn--n3h.avideo.example"}, "allow", 11},
		{{"192.0.2.1", "x.example", .to = "203.0.113.7"}, "block", 4},
		{{"192.0.2.1", "x.example"}, "allow", 11},
		{{"192.0.2.1", .addr = "198.51.100.1", .port = "tcp/8080"}, "block", 4},
		{{"192.0.2.1", .addr = "198.51.100.1", .port = "465"}, "block", 5},
		{{"192.0.2.1", .addr = "198.51.100.1", .port = "udp/465"}, "allow", 11},
		{{"192.0.2.1", .addr = "198.51.100.1", .port = "udp/6000"}, "block", 6},
		{{"192.0.2.1", .addr = "198.51.100.1", .port = "udp/7000"}, "allow", 11},
		{{"192.0.2.1", .addr = "198.51.100.1", .proto = "icmp"}, "block", 7},
		{{"192.0.2.1", .addr = "2001:db8:9::1", .proto = "icmpv6"}, "block", 7},
		{{"192.0.2.1", .addr = "198.51.100.1", .proto = "esp"}, "allow", 11},
		{{"192.0.2.1", .addr = "10.1.2.3", .port = "tcp/22"}, "block", 8},
		{{"192.0.2.1", .addr = "172.32.0.1", .port = "tcp/22"}, "allow", 11},
		{{"192.0.2.1", .addr = "fd00::1", .port = "tcp/22"}, "block", 8},
		{{"192.0.2.1", .addr = "169.254.1.1", .port = "tcp/22"}, "block", 8},
		{{"192.0.2.1", .addr = "fe80::1", .port = "tcp/22"}, "block", 8},
		{{"192.0.2.1", .addr = "198.19.255.255", .port = "tcp/22"}, "block", 8},
		{{"192.0.2.1", .addr = "2001:db8::9", .port = "tcp/22"}, "block", 10},
		{{"192.0.2.1", .addr = "2001:db8:0:1::9", .port = "tcp/22"}, "allow", 11},
		{{"192.0.2.1", .addr = "192.0.2.200"}, "block", 10});
}

static void everything_and_odd_names(void **state) /* 6, 20 */
{
	CHECK("for everyone\nallow good.example\nblock everything because \"No\"\notherwise "
	      "allow\n",
		NULL, {{"192.0.2.1", "good.example"}, "allow", 2},
		{{"192.0.2.1", "xn--a.good.example"}, "allow", 2},
		{{"192.0.2.1", "other.example"}, "block", 3},
		{{"192.0.2.1", .addr = "198.51.100.1", .proto = "esp"}, "block", 3},
		{{"192.0.2.1", .addr = "198.51.100.1", .port = "udp/51820"}, "block", 3},
		{{"192.0.2.1", .addr = "198.51.100.1", .kind = "evasive"}, "block", 3});
}

/* An app, a set or a list is what its names are, not a host of that name. */
static void words_for_names_are_answered_by_their_names(void **state)
{
	struct policy_text p;
	const struct ask_word {
		const char *word, *piece, *words;
	} asks[] = {
		{"tube",
			"\"parts\":[{\"verdict\":\"block\",\"names\":[\"tube.example\",\"*.cdn."
			"example\"],"
			"\"rule\":{\"line\":7,\"id\":\"ec5f2f71\",",
			"partly blocked  tube, an app of 3 names"},
		{"TUBE", "\"names\":[\"=api.example\"],\"rule\":{\"line\":6,", "=api.example\n"},
		{"tube", "\"verdict\":\"block\",\"who\"",
			"line 7: block tube adult (rule ec5f2f71)\n           tube"},
		{"tube", "\"mixed\":true", "allow    line 6: allow api.example"},
		{"chat",
			"\"what\":{\"word\":\"chat\",\"kind\":\"app\",\"names\":1,\"not_asked\":0},"
			"\"mixed\":false",
			"allow  chat, an app of 1 name"},
		{"adult", "\"what\":{\"word\":\"adult\",\"kind\":\"list\",\"names\":2",
			"block  adult, a list of 2 names"},
		{"adult", "\"list\":{\"name\":\"adult\",\"line\":null}", "  list     adult\n"},
		{"adult", "a name of adult that no other list",
			"by       line 7: block tube adult"},
		{"ech-public-names", "\"kind\":\"set\",\"names\":4,",
			"allow  ech-public-names, a set"},
		{"tube.example", "\"name\":\"tube.example\"", "block  tube.example"},
		{"router", "\"name\":\"router\"", "allow  router"},
	};

	policy_text_open(&p,
		"list adult adult.txt format domains\n"		     /* 1 */
		"app tube tube.example *.cdn.example =api.example\n" /* 2 */
		"app chat chat.example\n"			     /* 3 */
		"device phone mac a4:83:e7:10:22:31\n"		     /* 4 */
		"for phone\n"					     /* 5 */
		"allow api.example\n"				     /* 6 */
		"block tube adult\n"				     /* 7 */
		"otherwise allow\n",
		(const char *[]){"x.example\ny.example\n"});
	for (size_t k = 0; k < sizeof asks / sizeof *asks; k++) {
		struct explain_ask ask = {.who = "phone", .name = asks[k].word};
		struct explain_answer a;
		struct strbuf words = {0};
		assert_int_equal(explain_answer(p.image, &ask, NULL, 1795431600, &a), 0);
		assert_true(explain_words(a.json, &words));
		if (!strstr(a.json, asks[k].piece) || !strstr(strbuf_text(&words), asks[k].words))
			fail_msg("%s: %s\n%s", asks[k].word, a.json, strbuf_text(&words));
		assert_int_equal(a.blocked, strstr(a.json, "\"verdict\":\"block\"") != NULL);
		strbuf_fini(&words);
		explain_fini(&a);
	}
	for (const char *const *w =
			(const char *const[]){"everything", "VPN", "local-networks", "port", NULL};
		*w; w++) {
		struct explain_ask ask = {.who = "phone", .name = *w};
		struct explain_answer a;
		assert_int_equal(explain_answer(p.image, &ask, NULL, 1795431600, &a), -EINVAL);
		assert_non_null(strstr(a.why, "is a word of the policy, not a site"));
	}
	free(p.bytes);
}

static void watch_never_stops_the_walk(void **state) /* 8 */
{
	CHECK("for everyone\n"			  /* 1 */
	      "watch allow a.example\n"		  /* 2 */
	      "watch block a.example b.example\n" /* 3 */
	      "block a.example\n"		  /* 4 */
	      "watch block a.example\n"		  /* 5 */
	      "otherwise allow\n",		  /* 6 */
		NULL, {{"192.0.2.1", "a.example"}, "block", 4, NULL, 2},
		{{"192.0.2.1", "b.example"}, "allow", 6, NULL, 3},
		{{"192.0.2.1", "c.example"}, "allow", 6, NULL, 0});
}

static void lists_report_their_lines(void **state) /* 10, 11, 21, 22 */
{
	static const char *const lists[] = {
		"# comment\nsite.example\nwww.site.example # twice\nsite.example\n*.below.example\n"
		"=only.example\n",
		"0.0.0.0 ads.example tracker.example\n127.0.0.1 site.example\n"};
	CHECK("list adult adult.txt format domains\nlist ads ads.txt format hosts\n"
	      "for everyone\n"	   /* 3 */
	      "block ads adult\n"  /* 4 */
	      "otherwise allow\n", /* 5 */
		lists, {{"192.0.2.1", "site.example"}, "block", 4, "ads 2"},
		{{"192.0.2.1", "a.site.example"}, "block", 4, "adult 2"},
		{{"192.0.2.1", "www.site.example"}, "block", 4, "adult 3"},
		{{"192.0.2.1", "x.www.site.example"}, "block", 4, "adult 3"},
		{{"192.0.2.1", "below.example"}, "allow", 5},
		{{"192.0.2.1", "x.below.example"}, "block", 4, "adult 5"},
		{{"192.0.2.1", "only.example"}, "block", 4, "adult 6"},
		{{"192.0.2.1", "x.only.example"}, "allow", 5},
		{{"192.0.2.1", "tracker.example"}, "block", 4, "ads 1"},
		{{"192.0.2.1", "x.tracker.example"}, "allow", 5});
}

static void hours_are_the_wall_clock_s(void **state) /* 13 */
{
	CHECK("timezone Europe/Berlin\n"				 /* 1 */
	      "hours bedtime sun-thu 20:30-07:00, fri-sat 22:00-08:00\n" /* 2 */
	      "hours work mon-fri 08:00-12:00 13:00-17:00\n"		 /* 3 */
	      "hours monday mon 00:00-24:00\n"				 /* 4 */
	      "hours wrap fri-mon 18:00-19:00\n"			 /* 5 */
	      "hours two 02:00-03:00\n"					 /* 6 */
	      "for everyone\n"						 /* 7 */
	      "block bed.example hours bedtime\n"			 /* 8 */
	      "block work.example hours work\n"				 /* 9 */
	      "block monday.example hours monday\n"			 /* 10 */
	      "block wrap.example hours wrap\n"				 /* 11 */
	      "block two.example hours two\n"				 /* 12 */
	      "otherwise allow\n",					 /* 13 */
		NULL, {{"192.0.2.1", "bed.example", AT("23T20:29")}, "allow", 13},
		{{"192.0.2.1", "bed.example", AT("23T20:30")}, "block", 8},
		{{"192.0.2.1", "bed.example", AT("24T06:59")}, "block", 8},
		{{"192.0.2.1", "bed.example", AT("24T07:00")}, "allow", 13},
		{{"192.0.2.1", "bed.example", AT("27T21:00")}, "allow", 13}, /* Friday */
		{{"192.0.2.1", "bed.example", AT("28T07:30")}, "block", 8},
		{{"192.0.2.1", "bed.example", AT("29T20:45")}, "block", 8}, /* Sunday */
		{{"192.0.2.1", "work.example", AT("23T08:00")}, "block", 9},
		{{"192.0.2.1", "work.example", AT("23T12:00")}, "allow", 13},
		{{"192.0.2.1", "work.example", AT("23T16:59")}, "block", 9},
		{{"192.0.2.1", "work.example", AT("28T10:00")}, "allow", 13},
		{{"192.0.2.1", "monday.example", AT("23T00:00")}, "block", 10},
		{{"192.0.2.1", "monday.example", AT("23T23:59")}, "block", 10},
		{{"192.0.2.1", "monday.example", AT("24T00:00")}, "allow", 13},
		{{"192.0.2.1", "wrap.example", AT("22T18:30")}, "block", 11},
		{{"192.0.2.1", "wrap.example", AT("24T18:30")}, "allow", 13},
		/* 02:30 twice on 2026-10-25, never on 2026-03-29 */
		{{"192.0.2.1", "two.example", .at = "2026-10-25T00:30:00Z"}, "block", 12},
		{{"192.0.2.1", "two.example", .at = "2026-10-25T01:30:00Z"}, "block", 12},
		{{"192.0.2.1", "two.example", .at = "2026-10-25T02:30:00Z"}, "allow", 13},
		{{"192.0.2.1", "two.example", .at = "2026-03-29T00:30:00Z"}, "allow", 13},
		{{"192.0.2.1", "two.example", .at = "2026-03-29T01:30:00Z"}, "allow", 13});
}

#define TLS  .addr = "198.51.100.1", .port = "tcp/443"
#define QUIC .addr = "198.51.100.1", .port = "udp/443"

static void settings_answer_for_flows_without_a_name(void **state) /* "A flow without...", 23 */
{
	CHECK(WHO "for all\n"				/* 8 */
		  "no-name block\n"			/* 9 */
		  "allow net 198.51.100.9\n"		/* 10 */
		  "block name.example\n"		/* 11 */
		  "for kids\n"				/* 12 */
		  "hidden-names block\n"		/* 13 */
		  "no-name allow\n"			/* 14 */
		  "for everyone\n"			/* 15 */
		  "no-name tcp\n"			/* 16 */
		  "evasive no-name\n"			/* 17 */
		  "otherwise allow because \"Last\"\n", /* 18 */
		NULL, {{"phone", TLS, .kind = "no-name"}, "block", 9}, {{"phone", TLS}, "block", 9},
		{{"phone", TLS, .kind = "evasive"}, "block", 9},
		{{"phone", TLS, .kind = "hidden"}, "block", 13},
		{{"printer", TLS, .kind = "hidden"}, "allow", 18},
		{{"phone", .addr = "198.51.100.9", .kind = "evasive"}, "allow", 10},
		{{"phone", .addr = "198.51.100.1", .port = "tcp/22"}, "allow", 18},
		{{"phone", QUIC}, "allow", 18}, /* UDP that is not QUIC */
		{{"phone", QUIC, .kind = "no-name"}, "block", 9},
		{{"10.9.9.9", TLS, .kind = "no-name"}, "allow", 18},
		{{"10.9.9.9", TLS, .kind = "evasive"}, "allow", 18},
		{{"10.9.9.9", QUIC, .kind = "no-name"}, "block", 16},
		{{"10.9.9.9", QUIC, .kind = "evasive"}, "block", 16},
		{{"10.9.9.9", QUIC}, "allow", 18}, {{"10.9.9.9", "192.0.2.1"}, "allow", 18});
	CHECK("for everyone\nallow net 192.0.2.9\notherwise block\n", NULL,
		{{"10.9.9.9", TLS, .kind = "no-name"}, "block", 3},
		{{"10.9.9.9", TLS, .kind = "hidden"}, "block", 3},
		{{"10.9.9.9", TLS, .kind = "evasive"}, "block", 0},
		{{"10.9.9.9", .addr = "192.0.2.9", .kind = "evasive"}, "allow", 2},
		{{"10.9.9.9", .addr = "192.0.2.1", .proto = "icmp"}, "block", 3});
	CHECK("for everyone\nevasive block\nhidden-names allow\notherwise block\n", NULL,
		{{"10.9.9.9", TLS, .kind = "evasive"}, "block", 2},
		{{"10.9.9.9", TLS, .kind = "hidden"}, "allow", 3});
}

static void a_group_is_answered_device_by_device(void **state) /* 24 */
{
	struct policy_text p;
	struct explain_answer a;
	policy_text_open(&p, WHO "for phone\nblock x.example\notherwise allow\n", NULL);
	struct explain_ask ask = {.who = "kids", .name = "x.example"};
	assert_int_equal(explain_answer(p.image, &ask, NULL, 0, &a), 0);
	assert_int_equal(a.n, 2);
	assert_true(a.blocked);
	struct json *o = jr_parse(slice_str(a.json));
	assert_int_equal(jr_count(o), 2);
	assert_string_equal(jr_get_text(jr_at(o, 0), "verdict"), "block");
	assert_string_equal(jr_get_text(jr_at(o, 1), "verdict"), "allow");
	assert_string_equal(jr_get_text(jr_at(o, 1), "device"), "pc");
	jr_free(o);
	explain_fini(&a);
	ask.who = "office"; /* its printer, and any other machine of the net */
	assert_int_equal(explain_answer(p.image, &ask, NULL, 0, &a), 0);
	assert_int_equal(a.n, 2);
	explain_fini(&a);
	free(p.bytes);
}

static bool seen_mac(void *user, const struct addr *a, struct mac *out)
{
	return mac_parse(slice_str("a4:83:e7:10:22:31"), out);
}

static size_t seen_addrs(void *user, const struct mac *m, struct addr *out, size_t max)
{
	return addr_parse(slice_str("2001:db8:1::77"), out);
}

static void what_the_daemon_has_seen_counts(void **state) /* 14, 22 */
{
	struct policy_text p;
	struct explain_answer a;
	const struct explain_seen seen = {seen_mac, seen_addrs, NULL};
	policy_text_open(&p, WHO "for office\nblock x.example\notherwise allow\n", NULL);
	struct explain_ask ask = {.who = "203.0.113.5", .name = "x.example"};
	assert_int_equal(explain_answer(p.image, &ask, NULL, 0, &a), 0);
	assert_false(a.blocked);
	explain_fini(&a);
	assert_int_equal(explain_answer(p.image, &ask, &seen, 0, &a), 0);
	assert_true(a.blocked);
	assert_non_null(strstr(a.json, "[\"phone\",\"mia\",\"kids\",\"office\",\"all\"]"));
	explain_fini(&a);
	ask.who = "phone";
	assert_int_equal(explain_answer(p.image, &ask, &seen, 0, &a), 0);
	assert_true(a.blocked);
	explain_fini(&a);
	free(p.bytes);
}

static void the_daemon_knows_which_ports_are_inspected(void **state)
{
	struct settings settings = {.inspect_tcp = {.r = {{8443, 8443}}, .n = 1},
		.starttls_tcp = {.r = {{25, 25}}, .n = 1},
		.inspect_udp = {.r = {{1, 65535}}, .n = 1},
		.proxy_tcp = {.r = {{8080, 8090}}, .n = 1}};
	static const struct {
		const char *port;
		bool here, by_default; /* blocked: that is, inspected or proxied */
	} cases[] = {{"tcp/443", false, true}, {"tcp/80", false, true}, {"tcp/8443", true, false},
		{"tcp/25", true, false}, {"tcp/8085", true, false}, {"tcp/22", false, false},
		{"udp/5000", false, false}, {"icmp", false, false}};
	const struct explain_seen seen = {.settings = &settings};
	struct policy_text p;
	policy_text_open(&p, "for everyone\nno-name block\notherwise allow\n", NULL);
	for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
		struct explain_ask ask = {
			.who = "192.0.2.2", .addr = "192.0.2.1", .port = cases[k].port};
		struct explain_answer a;
		assert_int_equal(explain_answer(p.image, &ask, &seen, 0, &a), 0);
		assert_int_equal(a.blocked, cases[k].here);
		explain_fini(&a);
		assert_int_equal(explain_answer(p.image, &ask, NULL, 0, &a), 0);
		assert_int_equal(a.blocked, cases[k].by_default);
		explain_fini(&a);
	}
	free(p.bytes);
}

static void the_trace_tells_the_walk(void **state)
{
	struct policy_text p;
	struct explain_answer a;
	struct strbuf words = {0};
	policy_text_open(&p,
		"timezone Europe/Berlin\nhours night 20:00-06:00\nfor unknown-devices\n"
		"block net 192.0.2.0/24\nblock a.example hours night\nallow a.example\n"
		"otherwise block because \"<b>\"\n",
		NULL);
	struct explain_ask ask = {.who = "192.0.2.1", .name = "a.example", AT("23T12:00")};
	assert_int_equal(explain_answer(p.image, &ask, NULL, 0, &a), 0);
	assert_non_null(strstr(a.json, "{\"step\":\"no-address\",\"line\":4"));
	assert_non_null(strstr(a.json, "{\"step\":\"no-hours\",\"line\":5"));
	assert_non_null(strstr(a.json, "{\"step\":\"decides\",\"line\":6"));
	assert_non_null(strstr(a.json, "\"at\":\"2026-11-23T12:00:00+01:00\""));
	assert_true(explain_words(a.json, &words));
	assert_non_null(strstr(strbuf_text(&words), "by       line 6: allow a.example"));
	explain_fini(&a);
	strbuf_fini(&words);
	ask = (struct explain_ask){.who = "192.0.2.1", .name = "b.example"};
	assert_int_equal(explain_answer(p.image, &ask, NULL, 0, &a), 0);
	struct json *o = jr_parse(slice_str(a.json));
	assert_string_equal(jr_get_text(o, "because"), "<b>");
	jr_free(o);
	explain_fini(&a);
	free(p.bytes);
}

static void a_question_that_makes_no_sense_is_said(void **state)
{
	static const struct {
		struct explain_ask ask;
		int rc;
		const char *why;
	} cases[] = {
		{{"x", "a.example"}, -ENOENT, "nobody is called"},
		{{"192.0.2.1"}, -EINVAL, "neither"},
		{{NULL, "a.example"}, -EINVAL, "nobody is named"},
		{{"192.0.2.1", "a..example"}, -EINVAL, "no host name"},
		{{"192.0.2.1", "a.example", .proto = "ssh"}, -EINVAL, "not read over"},
		{{"192.0.2.1", "a.example", .to = "b"}, -EINVAL, "no address"},
		{{"192.0.2.1", "a.example", .at = "today"}, -EINVAL, "no time"},
		{{"192.0.2.1", "a.example", .at = "2026-11-23T12:00:00"}, -EINVAL, "no time"},
		{{"192.0.2.1", .addr = "192.0.2.2", .port = "tcp/70000"}, -EINVAL, "no port"},
		{{"192.0.2.1", .addr = "192.0.2.2", .port = "xyz/7"}, -EINVAL, "no protocol"},
		{{"192.0.2.1", .addr = "192.0.2.2", .kind = "odd"}, -EINVAL, "no kind"},
		{{"192.0.2.1", "a.example", .addr = "192.0.2.2"}, -EINVAL, "both"},
		{{"192.0.2.1", "a.example", .kind = "hidden"}, -EINVAL, "is not \"hidden\""},
	};
	struct policy_text p;
	policy_text_open(&p, "for everyone\nblock z.example\notherwise allow\n", NULL);
	for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
		struct explain_answer a;
		assert_int_equal(explain_answer(p.image, &cases[k].ask, NULL, 0, &a), cases[k].rc);
		if (!strstr(a.why, cases[k].why))
			fail_msg("\"%s\" in \"%s\"", cases[k].why, a.why);
		assert_null(a.json);
	}
	free(p.bytes);
}

static void a_question_is_read_from_json(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		const char *port;
	} cases[] = {
		{"{\"who\":\"mia\",\"name\":\"a.example\",\"proto\":\"tls\",\"at\":null}", true,
			NULL},
		{"{\"who\":\"mia\",\"addr\":\"192.0.2.1\",\"port\":25,\"proto\":\"tcp\"}", true,
			"25"},
		{"{\"who\":\"mia\",\"addr\":\"192.0.2.1\",\"port\":\"tcp/25\"}", true, "tcp/25"},
		{"{\"who\":\"mia\",\"name\":7}", false, NULL},
		{"{\"who\":\"mia\",\"port\":-1}", false, NULL},
		{"[1]", false, NULL},
		{"\"who\"", false, NULL},
		{"{", false, NULL},
		{"", false, NULL},
	};
	for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
		struct explain_ask ask;
		struct explain_hold hold;
		char why[256] = "";
		assert_int_equal(
			explain_ask_read(slice_str(cases[k].text), &ask, &hold, why), cases[k].ok);
		assert_true(cases[k].ok || why[0]);
		if (cases[k].port)
			assert_string_equal(ask.port, cases[k].port);
		explain_ask_fini(&hold);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_apply_in_file_order),
		cmocka_unit_test(whats_are_alternatives),
		cmocka_unit_test(everything_and_odd_names),
		cmocka_unit_test(words_for_names_are_answered_by_their_names),
		cmocka_unit_test(watch_never_stops_the_walk),
		cmocka_unit_test(lists_report_their_lines),
		cmocka_unit_test(hours_are_the_wall_clock_s),
		cmocka_unit_test(settings_answer_for_flows_without_a_name),
		cmocka_unit_test(a_group_is_answered_device_by_device),
		cmocka_unit_test(what_the_daemon_has_seen_counts),
		cmocka_unit_test(the_daemon_knows_which_ports_are_inspected),
		cmocka_unit_test(the_trace_tells_the_walk),
		cmocka_unit_test(a_question_that_makes_no_sense_is_said),
		cmocka_unit_test(a_question_is_read_from_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
