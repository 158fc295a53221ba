/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_conf.c - policy texts: what each rule of the language makes of them, and every error at its place.
 *
 * See: durward-policy(5).
 */
#include "conf/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"

/* Everything the cases lean on; a case's own lines follow. 9 lines. */
#define HEAD                                                                                       \
	"timezone Europe/Berlin\n"                                                                 \
	"fail open\n"                                                                              \
	"device phone mac a4:83:e7:10:22:31\n"                                                     \
	"person mia owns phone\n"                                                                  \
	"group kids mia\n"                                                                         \
	"app youtube youtube.com ytimg.com\n"                                                      \
	"list ads ads.txt format hosts\n"                                                          \
	"hours bedtime 20:30-07:00\n"                                                              \
	"for kids\n"
#define END	"otherwise allow\n"
#define RULE(x) HEAD x "\n" END
#define DEF(x)	HEAD END x "\n"

struct want {
	const char *text;
	const char *
		diag; /* of FILE:LINE:COLUMN: text lines: a piece each, parted by '|'; "" = none at all */
};

static const struct want cases[] = {
	/* 2: order, blocks, duplicates */
	{RULE("block youtube"), ""},
	{"otherwise block\n", ":1:1: warning: `fail`"},
	{"", ":1:1: the last word is missing"},
	{"fail open\nfor everyone\nblock a.example", ":3:1: the last word is missing"},
	{HEAD END END, ":11:1: `otherwise` stands once; it stands on line 10"},
	{HEAD "for everyone\n" END "for kids\n", ":12:1: `for` after the last word"},
	{"fail open\nblock a.example\n" END, ":2:1: `block` stands outside a block"},
	{"fail open\nno-name tcp\n" END, ":2:1: `no-name` stands outside a block"},
	{RULE("device tv ip 192.0.2.9\nblock youtube"), ":11:1: `block` stands outside"},
	{DEF("device phone ip 192.0.2.9"),
		":11:8: 'phone' is defined twice; it is a device since line 3"},
	{DEF("group PHONE mia"), ":11:7: 'PHONE' is defined twice"},
	{DEF("list youtube x.txt format domains"), ":11:6: 'youtube' is defined twice"},
	{DEF("app Youtube youtu.be"), ""},
	{DEF("app mia mia.example"), ""}, /* another name space */
	{DEF("timezone Europe/Paris"), ":11:1: `timezone` stands once; it stands on line 1"},
	{DEF("timezone ../../etc/passwd"), ":11:1:|:11:10: '../../etc/passwd' is no time zone"},
	/* 4, 19: names and keywords */
	{DEF("app everyone a.example"), ":11:5: 'everyone' is a word of the language"},
	{DEF("hours Firm 08:00-09:00"), ":11:7: 'Firm' is a word of the language"},
	{DEF("group open mia"), ""},
	{DEF("app mon mon.example"), ""},
	{DEF("device mia.tv ip 192.0.2.9"), ":11:8: 'mia.tv' cannot be defined"},
	{DEF("app encrypted-dns dns.example"), ""},
	{RULE("block yotube"), ":10:7: 'yotube' is defined nowhere; did you mean 'youtube'?"},
	{RULE("block mia"), ":10:7: 'mia' is a person; who is meant stands after `for`"},
	{RULE("block bedtime"), ":10:7: 'bedtime' are hours; write: hours bedtime"},
	{RULE("block *"), ":10:7: '*' is no WHAT; write: everything"},
	{RULE("block 192.0.2.1"), ":10:7: a bare address; write: net 192.0.2.1"},
	{RULE("block 2001:db8::/32"), ":10:7: a bare address; write: net 2001:db8::/32"},
	{RULE("block tcp/25"), ":10:7: a bare port; write: port tcp/25"},
	{RULE("block *.zip"), ""},
	{RULE("block zip."), ":10:7: 'zip.' is one label only"},
	{RULE("block www.*.example"), ":10:7: 'www.*.example' has a star elsewhere"},
	{RULE("block https://a.example/b"), ":10:7: 'https://a.example/b' is an address of a page"},
	{RULE("block a.example,b.example"), ":10:7: 'a.example,b.example' has a comma"},
	{RULE("block a..example"), ":10:7: 'a..example' is no valid name"},
	{RULE("block 3221225985."), ":10:7: "},
	/* who */
	{HEAD "for kid\n" END, ":10:5: 'kid' is no device, person or group; did you mean 'kids'?"},
	{HEAD "for youtube\n" END, ":10:5: 'youtube' is an app; here stands a device"},
	{HEAD "for Everyone Unknown-Devices PHONE\nallow a.example\n" END, ""},
	{HEAD "for\n" END, ":10:4: `for` needs somebody"},
	{DEF("group g everyone"), ":11:9: 'everyone' stands after `for` only"},
	{DEF("group g net 192.0.2.0/24 2001:db8::/32 mia"), ""},
	{DEF("group g 192.0.2.0/24"), ":11:9: a bare address; write: net 192.0.2.0/24"},
	{DEF("group g net"), ":11:9: `net` needs a network"},
	{DEF("group g net mia"), ":11:13: `net` needs a network"},
	{DEF("group g"), ":11:8: a group needs a member"},
	{DEF("person tom owns kids"), ":11:17: 'kids' is a group; a person owns devices only"},
	{DEF("person tom own phone"), ":11:12: 'own' is unknown here; did you mean 'owns'?"},
	{DEF("person tom phone"), ":11:12: `owns` is missing"},
	{DEF("device tv"), ":11:10: a device needs an address"},
	{DEF("device tv ip 192.0.2.0/24"), ":11:14: '192.0.2.0/24' is a network"},
	{DEF("device tv 192.0.2.7"), ":11:11: a bare address; write `ip` before it"},
	{DEF("device tv mac a4:83:e7:10:22"), ":11:15: 'a4:83:e7:10:22' is no MAC"},
	/* 5: net and port */
	{RULE("block net 192.0.2.0/24 2001:db8::/32 198.51.100.7 youtube"), ""},
	{RULE("block net 192.0.2.5/24"),
		":10:11: '192.0.2.5/24' has bits set beyond its prefix; write 192.0.2.0/24"},
	{RULE("block net 192.0.2.0/33"), ":10:11: '192.0.2.0/33' is no network"},
	{RULE("block port tcp/25,465,6000-6999 port udp/* port icmp port esp"), ""},
	{RULE("block port tcp/0"), ":10:16: '0' is no port"},
	{RULE("block port tcp/25,65536"), ":10:19: '65536' is no port"},
	{RULE("block port tcp/9-8"), ":10:16: '9-8' is no port"},
	{RULE("block port tcp"), ":10:12: 'tcp' needs ports; write for instance tcp/25"},
	{RULE("block port icmp/8"), ":10:12: 'icmp' has no ports"},
	{RULE("block port icmpv6"), ":10:12: 'icmpv6' is part of `port icmp`"},
	{RULE("block port"), ":10:11: `port` needs ports"},
	{RULE("block port firm"), ":10:12: `port` needs ports"},
	/* 8, 16, 19: verbs and options */
	{RULE("watch block youtube"), ""},
	{RULE("watch watch block youtube"), ":10:7: `watch` stands twice"},
	{RULE("watch"), ":10:6: `watch` needs a verb"},
	{RULE("watch no-name tcp"), ":10:7: 'no-name' is no verb"},
	{RULE("block"), ":10:6: `block` needs something"},
	{RULE("block firm"), ":10:7: `block` needs something"},
	{RULE("block youtube firm hours bedtime because \"a \\\"b\\\" \\\\ # c\" refuse drop"), ""},
	{RULE("block youtube firm firm"), ":10:20: `firm` stands twice"},
	{RULE("block youtube firm ads"), ":10:20: 'ads' comes after an option"},
	{RULE("block youtube hours bedtime a.example"),
		":10:29: 'a.example' comes after an option"},
	{RULE("block youtube hours bedtme"),
		":10:21: 'bedtme' is no hours; did you mean 'bedtime'?"},
	{RULE("block youtube hours"), ":10:20: `hours` needs the name"},
	{RULE("block youtube becuase \"x\""),
		":10:15: 'becuase' is no option; did you mean 'because'?"},
	{RULE("block youtube hours bedtime becuase \"x\""),
		":10:29: 'becuase' is no option; did you mean"},
	{RULE("block youtube because Bedtime"), ":10:23: `because` needs a text in quotes"},
	{RULE("block youtube because"), ":10:22: `because` needs a text"},
	{RULE("block youtube \"Bedtime\""), ":10:15: a text stands after `because` only"},
	{RULE("block youtube refuse reject"), ":10:22: `refuse` takes reset, alert, drop or page"},
	{RULE("allow youtube because \"x\""), ":10:15: warning: `because` on an allow"},
	{HEAD "otherwise block because \"x\"\n", ""},
	{HEAD "otherwise block firm\n", ":10:17: `otherwise` takes `because` only"},
	{HEAD "otherwise deny\n", ":10:11: `otherwise` takes allow or block, not 'deny'"},
	{HEAD "otherwise\n", ":10:10: `otherwise` needs a word"},
	{RULE("blok youtube"),
		":10:1: 'blok' is no statement, verb or setting; did you mean 'block'?"},
	/* 26: as */
	{RULE("block youtube firm as games\nwatch allow a.example as try-1"), ""},
	{RULE("block youtube as"), ":10:17: `as` needs a name after it"},
	{RULE("block youtube as games firm"), ":10:24: 'firm' stands after `as`"},
	{RULE("block youtube as games as more"), ":10:24: 'as' stands after `as`"},
	{RULE("block youtube as games\nallow a.example as Games"),
		":11:20: 'games' names two rules; line 10 has it already"},
	{RULE("block youtube as mia"), ""}, /* a name space of its own */
	{RULE("block youtube as block"), ":10:18: 'block' is a word of the language"},
	{RULE("block youtube as otherwise"), ":10:18: 'otherwise' is a word of the language"},
	{RULE("block youtube as \"games\""), ":10:18: a name stands without quotes"},
	{RULE("block youtube as a.b"), ":10:18: 'a.b' cannot be defined"},
	{RULE("block youtube as 12"), ":10:18: '12' reads like a line number or a made-up id"},
	{RULE("block youtube as DeadBeef"), ":10:18: 'DeadBeef' reads like"},
	{RULE("as games"), ":10:1: 'as' is an option"},
	{RULE("no-name tcp as x"), ":10:13: 'as' stands after the end"},
	{HEAD "otherwise allow as x\n", ":10:17: `otherwise` takes `because` only"},
	{DEF("app as a.example"), ":11:5: 'as' is a word of the language"},
	{RULE("a.example"), ":10:1: a verb is missing before 'a.example'"},
	{RULE("because \"x\""), ":10:1: 'because' is an option; it stands on the line of its rule"},
	/* settings, fail */
	{RULE("no-name tcp\nhidden-names block\nevasive no-name"), ""},
	{RULE("hidden-names tcp"), ":10:14: `hidden-names` takes allow or block, not 'tcp'"},
	{RULE("evasive allow"), ":10:9: `evasive` takes block or no-name, not 'allow'"},
	{RULE("no-name tcp\nno-name allow"),
		":11:1: `no-name` is stated twice in this block; line 10"},
	{RULE("no-name tcp firm"), ":10:13: 'firm' stands after the end"},
	{DEF("fail closed"), ":11:1: `fail` stands once; it stands on line 2"},
	{"for everyone\nfail open\n" END, ":2:1: `fail` stands above the first `for`"},
	{"fail half\n" END, ":1:6: `fail` takes open or closed, not 'half'"},
	/* 13: hours */
	{DEF("hours h sun-thu 20:30-07:00, fri-sat 22:00-08:00"), ""},
	{DEF("hours h mon-fri 08:00-12:00 13:00-17:00,sat 09:00-12:00"), ""},
	{DEF("hours h 08:00-08:00"), ":11:9: both ends of '08:00-08:00' are equal"},
	{DEF("hours h 00:00-24:00"), ""},
	{DEF("hours h 24:00-08:00"), ":11:9: a window cannot begin at 24:00"},
	{DEF("hours h 8:00-12:00"), ":11:9: '8:00-12:00' is no window"},
	{DEF("hours h 08:60-12:00"), ":11:9: '08:60-12:00' is no window"},
	{DEF("hours h 08:00-24:01"), ":11:9: '08:00-24:01' is no window"},
	{DEF("hours h mon-fry 08:00-12:00"), ":11:9: 'mon-fry' is no day; write mon-fri"},
	{DEF("hours h daily 08:00-12:00"), ":11:9: 'daily' is no day; write a day or a range"},
	{RULE("limt youtube 60m/day"),
		":10:1: 'limt' is no statement, verb or setting; did you mean 'limit'? (not yet"},
	{RULE("block encrypted-dms"), ":10:7: 'encrypted-dms' is defined nowhere; did you mean "
				      "'encrypted-dns'? (not yet"},
	{RULE("block adult"), ":10:7: 'adult' is defined nowhere; the nearest known word is '"},
	{RULE("block example\xe3\x80\x82jp"), ""},
	{DEF("list l2 x.txt format adblok"), "not 'adblok'; did you mean 'adblock'? (not yet"},
	{DEF("hours h monday 08:00-12:00"), ":11:9: 'monday' is no day; write mon"},
	{DEF("hours h mon tue 08:00-12:00"), ":11:13: a clause has one day or one range"},
	{DEF("hours h mon 08:00-12:00 tue 09:00-10:00"), ":11:25: a comma is missing before 'tue'"},
	{DEF("hours h mon"), ":11:12: these days have no window"},
	{DEF("hours h mon 08:00-12:00,"), ":11:25: an empty clause"},
	{DEF("hours h"), ":11:8: hours need a window"},
	{"fail open\nhours h 08:00-09:00\n" END, ":2:1: `hours` without a time zone"},
	/* 14: cycles */
	{DEF("group a b\ngroup b c\ngroup c a"),
		":13:9: group 'c' contains 'a', which contains it again (line 11)"},
	{DEF("group a a"), ":11:9: group 'a' contains itself"},
	{DEF("group a b c\ngroup b d\ngroup c d\ngroup d mia"), ""},
	/* 17: the text */
	{RULE("block\ta.example#comment"), ""},
	{"\xef\xbb\xbf"
	 "fail open\r\n\r\n# x\r\notherwise allow\r\n",
		""},
	{RULE("block youtube because \"it\\n\""), ":10:26: a backslash"},
	{RULE("block youtube because \"it"), ":10:23: the text has no end"},
	{RULE("block youtube because\"it\""), ":10:22: a space is missing"},
	{RULE("block a\xff.example"), ":10:8: this is not UTF-8"},
	{RULE("block\xc2\xa0youtube"), ":10:6: a no-break space"},
	{RULE("block youtube\x01"), ":10:14: a control character"},
	{"fail open\notherwise allow\n# \xc3\xa4\xc2\xa0", ""},
	/* 18: not yet */
	{RULE("limit youtube 60m/day"), ":10:1: not yet: 'limit'"},
	{RULE("watch limit youtube 60m/day"), ":10:7: not yet: 'limit'"},
	{RULE("allow youtube mismatch verify hours bedtime"), ":10:15: not yet: 'mismatch'"},
	{RULE("mismatch keep"), ":10:1: not yet: 'mismatch'"},
	{RULE("block youtube notify firm"), ":10:15: not yet: 'notify'"},
	{RULE("block youtube on tcp/443 firm"), ":10:15: not yet: 'on'"},
	{RULE("block vpn encrypted-dns captive-checks ech-public-names"),
		":10:7: not yet: 'vpn'|:10:11: not yet: 'encrypted-dns'|:10:25: not yet: "
		"'captive-checks'"},
	{RULE("rate 5"), ":10:1: not yet: 'rate'"},
	{RULE("send youtube via x"), ":10:1: not yet: 'send'"},
	{RULE("safe-search on"), ":10:1: not yet: 'safe-search'"},
	{DEF("site x"), ":11:1: not yet: 'site'"},
	{DEF("pool x"), ":11:1: not yet: 'pool'"},
	{DEF("upstream x"), ":11:1: not yet: 'upstream'"},
	{DEF("group g interface wlan1"), ":11:9: not yet: 'interface'"},
	{DEF("list l https://lists.example/x format hosts every 12h"),
		":11:8: not yet: a list from a URL|:11:45: not yet: 'every'"},
	{DEF("list l x format adblock"), ":11:17: not yet: 'adblock'"},
	{DEF("list l x format rpz"), ":11:17: not yet: 'rpz'"},
	{DEF("list l x format dnsmasq"), ":11:17: not yet: 'dnsmasq'"},
	{DEF("list l x format squidguard"), ":11:17: not yet: 'squidguard'"},
	{DEF("list l x format cidr"), ":11:17: not yet: 'cidr'"},
	{DEF("list l x format hots"),
		":11:17: `format` takes domains or hosts, not 'hots'; did you mean 'hosts'?"},
	{DEF("list l x"), ":11:9: `format` is missing"},
	{DEF("list l"), ":11:7: a file is missing"},
	{DEF("list l \"a b/c.txt\" format domains"), ""},
	{DEF("app a b"), ":11:7: 'b' is no name of a site"},
	{DEF("app a"), ":11:6: an app needs a name"},
	/* 20: names */
	{RULE("block _a.example r1---sn-x.example b\xc3\xbc"
	      "cher.example"),
		""},
	{RULE("block xn--a.example xn--a-.example xn--zzzzzz.example *.xn--n3h.example"), ""},
	{RULE("block \xe2\x98\x83.example"), ""}, /* a symbol */
	{RULE("block .a.example"), ":10:7: '.a.example' begins with a dot; write the name alone"},
	{RULE("block \xd7\x90"
	      "a.example"),
		"is no valid name of a site"}, /* two directions in one label */
	{RULE("block xn--a-.example\nallow www.xn--a-.example"),
		":11:1: warning: this rule can never be reached; line 10"},
	/* warnings */
	{RULE("block everything\nallow a.example"),
		":11:1: warning: this rule can never be reached; line 10"},
	{RULE("block everything\nblock a.example firm"), ""},
	{RULE("block everything firm\nblock a.example firm"),
		":11:1: warning: this rule can never"},
	{RULE("block everything hours bedtime\nallow a.example"), ""},
	{RULE("block everything hours bedtime\nallow a.example hours bedtime"),
		":11:1: warning: this rule"},
	{RULE("watch block everything\nallow a.example"), ""},
	{RULE("allow a.example\nblock x.a.example"),
		":11:1: warning: this rule can never be reached; line 10"},
	{RULE("allow *.a.example\nblock a.example"), ""},
	{RULE("allow =a.example\nblock a.example"), ""},
	{RULE("allow youtube\nblock ytimg.com =www.youtube.com"), ":11:1: warning: this rule"},
	{RULE("allow ytimg.com\nallow youtube.com\nblock youtube"), ""},
	{RULE("allow net 192.0.2.0/24\nblock net 192.0.2.128/25"), ":11:1: warning: this rule"},
	{RULE("allow net 192.0.2.0/25\nblock net 192.0.2.0/24"), ""},
	{RULE("allow port tcp/*\nblock port tcp/25,465"), ":11:1: warning: this rule"},
	{RULE("allow port tcp/25\nblock port udp/25"), ""},
	{RULE("allow youtube\nfor mia\nblock youtube"),
		":12:1: warning: this rule can never be reached; line 10"},
	{HEAD "for everyone\nallow youtube\nfor phone kids\nblock youtube ads\n" END, ""},
	{HEAD "for everyone\nallow youtube ads\nfor phone kids\nblock youtube ads\n" END,
		":13:1: warning: this rule can never be reached; line 11"},
	{HEAD "for kids\nallow youtube\nfor phone\nblock youtube\n" END,
		":13:1: warning: this rule"},
	{HEAD "for phone\nallow youtube\nfor kids\nblock youtube\n" END, ""},
	{HEAD "for everyone\nno-name tcp\nfor kids\nno-name block\n" END,
		":13:1: warning: this `no-name` is never asked"},
	{DEF("device tv ip 192.0.2.9"), ":11:8: warning: device 'tv' is in no group"},
	{DEF("device tv ip 192.0.2.9\ngroup g net 192.0.2.0/24"), ""},
	{DEF("device tv mac A4-83-E7-10-22-31\ngroup g tv"),
		":11:8: warning: a4:83:e7:10:22:31 belongs to device 'phone' too"},
};

static size_t pieces(const char *s)
{
	size_t n = *s ? 1 : 0;

	for (; *s; s++)
		n += *s == '|';
	return n;
}

static bool all_there(const char *want, const char *got)
{
	while (*want) {
		size_t n = strcspn(want, "|");

		if (!memmem(got, strlen(got), want, n))
			return false;
		want += n + (want[n] == '|');
	}
	return true;
}

static void each_text_gives_its_errors(void **state)
{
	size_t bad = 0;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct arena mem = {0};
		struct diag d = {0};
		struct strbuf got = {0};
		struct conf c;
		bool ok = conf_parse(slice_str(cases[i].text), &mem, &c, &d);

		diag_print(&d, "", &got);
		if (ok != (d.errors == 0) || d.n != pieces(cases[i].diag) ||
			!all_there(cases[i].diag, strbuf_text(&got))) {
			print_error("case %zu\n%s\nwant: %s\ngot:\n%s\n", i, cases[i].text,
				cases[i].diag, strbuf_text(&got));
			bad++;
		}
		strbuf_fini(&got);
		diag_fini(&d);
		arena_fini(&mem);
	}
	assert_int_equal(bad, 0);
}

/* A text that ends at any byte is read without a crash, and each error lies inside it. */
static void every_prefix_is_survived(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t n = strlen(cases[i].text), head = strlen(HEAD);

		for (size_t cut = n > head ? head : 0; cut <= n; cut++) {
			uint8_t *exact = malloc(cut + 1);
			struct arena mem = {0};
			struct diag d = {0};
			struct conf c;

			memcpy(exact, cases[i].text, cut);
			conf_parse(slice_of(exact, cut), &mem, &c, &d);
			for (size_t k = 0; k < d.n; k++)
				assert_true(d.entries[k].line >= 1 && d.entries[k].line <= 30);
			diag_fini(&d);
			arena_fini(&mem);
			free(exact);
		}
	}
}

/* With any limit of memory it ends with an error or with the whole truth. */
static void memory_may_run_out_anywhere(void **state)
{
	const char *text =
		RULE("block youtube a.example net 192.0.2.0/24 port tcp/25,26 hours bedtime "
		     "because \"x\"");

	for (size_t limit = 64; limit < 40000; limit += 160) {
		struct arena mem = {.limit = limit};
		struct diag d = {0};
		struct conf c;
		bool ok = conf_parse(slice_str(text), &mem, &c, &d);

		assert_int_equal(ok, d.errors == 0);
		if (ok)
			assert_int_equal(c.n_blocks, 1);
		diag_fini(&d);
		arena_fini(&mem);
	}
}

/* --- what is read --- */

static struct arena mem;
static struct diag diag;
static struct conf conf;

static int setup(void **state)
{
	const char *text = "timezone Europe/Berlin\nfail closed\n"
			   "for Kids  unknown-devices # who\n"
			   "  watch  block =WWW.Example.com. *.B\xc3\x9c"
			   "cher.example  ADS hours work bedtime  # x\n"
			   "  allow net 192.0.2.0/24 port tcp/25,600-699 udp/* port icmp "
			   "local-networks everything firm\n"
			   "  block youtube because \"no \\\"more\\\"\" refuse alert\n"
			   "  block ech-public-names\n"
			   "  no-name tcp\n  hidden-names allow\n"
			   "device phone mac a4:83:e7:10:22:31 3c:22:fb:aa:01:07 ip 192.0.2.7\n"
			   "person mia owns phone\n"
			   "group kids mia net 2001:db8::/32 phone\n"
			   "app youtube youtube.com\nlist ads ads/x.txt format hosts\napp youtube "
			   "*.ytimg.com\n"
			   "hours bedtime sun-thu 20:30-07:00, fri-mon 22:00-24:00\nhours work "
			   "08:00-12:00 13:00-00:00\n"
			   "otherwise block because \"that is all\"\n";

	mem = (struct arena){0};
	diag = (struct diag){0};
	assert_true(conf_parse(slice_str(text), &mem, &conf, &diag));
	return 0;
}

static int teardown(void **state)
{
	diag_fini(&diag);
	arena_fini(&mem);
	return 0;
}

static void definitions_are_read(void **state)
{
	assert_string_equal(conf.timezone, "Europe/Berlin");
	assert_int_equal(conf.fail, FAIL_CLOSED);
	assert_int_equal(conf.n_devices, 1);
	assert_string_equal(conf.devices[0].name, "phone");
	assert_int_equal(conf.devices[0].n_macs, 2);
	assert_int_equal(conf.devices[0].n_addrs, 1);
	assert_int_equal(conf.persons[0].n_owns, 1);
	assert_int_equal(conf.groups[0].n_members, 2);
	assert_int_equal(conf.groups[0].members[0].kind, WHO_PERSON);
	assert_int_equal(conf.groups[0].members[1].kind, WHO_DEVICE);
	assert_int_equal(conf.groups[0].n_nets, 1);
	assert_int_equal(conf.n_apps, 1);
	assert_int_equal(conf.apps[0].n_names, 2);
	assert_string_equal(conf.apps[0].names[1].name, "ytimg.com");
	assert_int_equal(conf.apps[0].names[1].scope, SCOPE_BELOW);
	assert_int_equal(conf.apps[0].names[1].line, 15);
	assert_string_equal(conf.lists[0].path, "ads/x.txt");
	assert_int_equal(conf.lists[0].format, LIST_HOSTS);
	assert_true(conf.otherwise_block);
	assert_int_equal(conf.otherwise_line, 18);
	assert_string_equal(conf.otherwise_because, "that is all");
}

static void hours_are_windows(void **state)
{
	const struct conf_window *w = conf.hours[0].windows;

	assert_int_equal(conf.n_hours, 2);
	assert_int_equal(conf.hours[0].n_windows, 2);
	assert_int_equal(w[0].days, 1 << 6 | 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3);
	assert_int_equal(w[0].start_min, 20 * 60 + 30);
	assert_int_equal(w[0].end_min, 24 * 60 + 7 * 60);
	assert_int_equal(w[1].days, 1 << 4 | 1 << 5 | 1 << 6 | 1 << 0);
	assert_int_equal(w[1].end_min, 24 * 60);
	assert_int_equal(conf.hours[1].windows[1].days, 0x7f);
	assert_int_equal(conf.hours[1].windows[1].end_min, 24 * 60);
}

static void rules_are_read(void **state)
{
	const struct conf_block *b = &conf.blocks[0];
	const struct conf_rule *r = b->rules;

	assert_int_equal(conf.n_blocks, 1);
	assert_string_equal(b->text, "for Kids unknown-devices");
	assert_int_equal(b->n_who, 2);
	assert_int_equal(b->who[1].kind, WHO_UNKNOWN);
	assert_int_equal(b->n_rules, 4);
	assert_true(r[0].watch && r[0].block && !r[0].firm);
	assert_string_equal(r[0].text, "watch block =WWW.Example.com. *.B\xc3\x9c"
				       "cher.example ADS hours work bedtime");
	assert_int_equal(r[0].n_whats, 3);
	assert_string_equal(r[0].whats[0].name.name, "www.example.com");
	assert_int_equal(r[0].whats[0].name.scope, SCOPE_SELF);
	assert_string_equal(r[0].whats[1].name.name, "xn--bcher-kva.example");
	assert_int_equal(r[0].whats[1].name.scope, SCOPE_BELOW);
	assert_int_equal(r[0].whats[2].kind, WHAT_LIST);
	assert_int_equal(r[0].n_hours, 2);
	assert_int_equal(r[0].hours[0], 1);
	assert_true(r[1].firm && !r[1].block);
	assert_int_equal(r[1].n_whats, 5);
	assert_int_equal(r[1].whats[1].n_ports, 3);
	assert_int_equal(r[1].whats[1].ports[1].last, 699);
	assert_int_equal(r[1].whats[1].ports[2].kind, PORT_ANY);
	assert_int_equal(r[1].whats[2].ports[0].kind, PORT_PROTO);
	assert_string_equal(r[2].because, "no \"more\"");
	assert_int_equal(r[3].whats[0].kind, WHAT_SET);
	assert_int_equal(b->no_name.answer, ANSWER_TCP);
	assert_int_equal(b->hidden_names.line, 9);
	assert_int_equal(b->evasive.answer, ANSWER_UNSET);
}

/* --- whole files --- */

static void check_file(const char *path, size_t errors, const char *want)
{
	struct arena m = {0};
	struct diag d = {0};
	struct strbuf text = {0}, got = {0};
	struct conf c;

	assert_int_equal(file_read(path, 1 << 20, &text), 0);
	conf_parse(slice_of(text.s, text.n), &m, &c, &d);
	diag_print(&d, "", &got);
	if (d.errors != errors || !all_there(want, strbuf_text(&got)))
		print_error("%s:\n%s", path, strbuf_text(&got));
	assert_int_equal(d.errors, errors);
	assert_true(all_there(want, strbuf_text(&got)));
	strbuf_fini(&text);
	strbuf_fini(&got);
	diag_fini(&d);
	arena_fini(&m);
}

static void samples_have_only_words_of_later(void **state)
{
	check_file("tests/data/home.policy", 2,
		":12:20: not yet: 'interface'|:26:3: not yet: 'limit'");
	check_file("tests/data/office.policy", 1, ":14:20: not yet: 'mismatch'");
}

static void thirty_errors_are_thirty_errors(void **state)
{
	check_file("tests/data/errors.policy", 30, ":1:1:|:31:11:");
}

/* A text of unknown words and as many definitions must not take the product of both. */
/* What an image cannot hold is an error of the text, told once and at its place. */
static void more_groups_than_an_image_holds_are_a_error(void **state)
{
	struct arena room = {0};
	struct diag d = {0};
	struct strbuf b = {0};
	struct conf c;

	strbuf_str(&b, "fail open\n");
	for (int i = 0; i < CONF_PARTIES_MAX + 10; i++)
		strbuf_fmt(&b, "group g%d net 192.0.2.0/24\n", i);
	strbuf_str(&b, "otherwise allow\n");
	assert_false(conf_parse(slice_of(b.s, b.n), &room, &c, &d));
	assert_int_equal(d.errors, 1);
	assert_int_equal(d.entries[0].line, CONF_PARTIES_MAX + 2);
	assert_non_null(strstr(d.entries[0].text, "at most 8192"));
	strbuf_fini(&b);
	diag_fini(&d);
	arena_fini(&room);
}

static void a_large_text_is_read_in_time(void **state)
{
	struct strbuf b = {0};
	struct arena m = {0};
	struct diag d = {0};
	struct conf c;

	for (int i = 0; i < 40000; i++)
		strbuf_fmt(&b, "app app%d a%d.example\n", i, i);
	strbuf_str(&b, "for everyone\n");
	for (int i = 0; i < 40000; i++)
		strbuf_fmt(&b, "block ap%dp\n", i);
	conf_parse(slice_of(b.s, b.n), &m, &c, &d);
	assert_int_equal(d.errors, 40001);
	strbuf_fini(&b);
	diag_fini(&d);
	arena_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_text_gives_its_errors),
		cmocka_unit_test(every_prefix_is_survived),
		cmocka_unit_test(memory_may_run_out_anywhere),
		cmocka_unit_test_setup_teardown(definitions_are_read, setup, teardown),
		cmocka_unit_test_setup_teardown(hours_are_windows, setup, teardown),
		cmocka_unit_test_setup_teardown(rules_are_read, setup, teardown),
		cmocka_unit_test(samples_have_only_words_of_later),
		cmocka_unit_test(thirty_errors_are_thirty_errors),
		cmocka_unit_test(more_groups_than_an_image_holds_are_a_error),
		cmocka_unit_test(a_large_text_is_read_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
