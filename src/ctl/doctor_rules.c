/* SPDX-License-Identifier: GPL-3.0-or-later
 * doctor_rules.c - reports packet filter rules of others, which netsetup/foreign.h finds in what the tools print.
 *
 * It runs iptables-save and ip6tables-save, their legacy forms where such tables are loaded, and nft; it loads no module and
 * changes nothing. Owns: nothing. Thread: one. Fails: findings. Needs root.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "doctor_int.h"
#include "foreign_rules_int.h"

static const struct tool {
	const char *save[5]; /* NULL-terminated */
	const char *change;  /* the command that changes these rules */
	const char *
		tables; /* of the kernel; not there or empty: nothing is loaded, and the tool is not asked */
	void (*scan)(struct foreign_in *in);
} tools[] = {
	{{"iptables-save"}, "iptables", NULL, foreign_iptables},
	{{"ip6tables-save"}, "ip6tables", NULL, foreign_iptables},
	{{"iptables-legacy-save"}, "iptables-legacy", "/proc/net/ip_tables_names",
		foreign_iptables},
	{{"ip6tables-legacy-save"}, "ip6tables-legacy", "/proc/net/ip6_tables_names",
		foreign_iptables},
	{{"nft", "-a", "list", "ruleset"}, "nft", NULL, foreign_nft},
};
enum { TOOLS = sizeof tools / sizeof *tools };

/* Where iptables itself is the legacy one, its own form tells the same rules. */
static bool worth_asking(const struct tool *t)
{
	const char *argv[] = {"iptables", "--version", NULL};
	struct strbuf b = {0};
	bool worth = true;

	if (t->tables) {
		worth = file_read(t->tables, 1 << 16, &b) == 0 && b.n > 0;
		strbuf_reset(&b);
		worth = worth && doctor_output(argv, &b) == 0 &&
			strstr(strbuf_text(&b), "nf_tables");
	}
	strbuf_fini(&b);
	return worth;
}

/* `4480:	from all fwmark 0x8000000/0x8000000 lookup 4480`, a line a rule */
static uint32_t marks_of_lines(const char *text, uint32_t our_priority)
{
	uint32_t used = 0;

	for (const char *line = text; line && *line;) {
		const char *end = strchr(line, '\n'), *at = strstr(line, "fwmark ");
		uint32_t value = 0, mask = 0, priority = 0;
		if (at && (!end || at < end) &&
			sscanf(at, "fwmark %" SCNx32 "/%" SCNx32, &value, &mask) >= 1 &&
			(sscanf(line, "%" SCNu32 ":", &priority) != 1 || priority != our_priority))
			used |= value | mask;
		line = end ? end + 1 : NULL;
	}
	return used;
}

/* Marks that routing rules of others look at, whoever sets them. */
static uint32_t marks_of_routing(uint32_t our_priority)
{
	const char *argv[] = {"ip", "-4", "rule", NULL};
	struct strbuf b = {0};

	doctor_output(argv, &b);
	argv[1] = "-6";
	doctor_output(argv, &b);
	uint32_t used = marks_of_lines(strbuf_text(&b), our_priority);
	strbuf_fini(&b);
	return used;
}

bool foreign_rules(uint32_t ours, void (*tell)(void *user, const struct foreign *f), void *user,
	uint32_t *used)
{
	bool all = true;

	for (size_t i = 0; i < TOOLS; i++) {
		struct foreign_in in = {
			.tool = tools[i].change, .ours = ours, .tell = tell, .user = user};
		struct strbuf b = {0};
		if (worth_asking(&tools[i])) {
			all = doctor_output(tools[i].save, &b) == 0 && all;
			in.text = slice_of(b.s, b.n);
			tools[i].scan(&in);
			*used |= in.used;
		}
		strbuf_fini(&b);
	}
	return all;
}

const char *foreign_words(enum foreign_kind kind)
{
	static const char *const words[] = {
		[FOREIGN_CONNMARK] = "writes bits of the connection mark that are Durward's "
				     "(mark-mask): verdicts are forged or forgotten",
		[FOREIGN_MARK] = "writes bits of the packet mark that are Durward's (mark-mask): a "
				 "verdict on its way is lost",
		[FOREIGN_MARK_EARLY] =
			"writes bits of the packet mark that are Durward's (mark-mask)",
		[FOREIGN_MARK_ROUTE] =
			"may wipe the packet mark without which, with fail closed, nothing is "
			"forwarded (mark-mask)",
		[FOREIGN_IN_FRONT] = "stands before Durward's rules and lets packets past them",
		[FOREIGN_DROP] =
			"drops this box's own traffic by policy, Durward's answers and its "
			"proxied connections among it",
		[FOREIGN_OFFLOAD] = "lets connections pass by every rule as soon as they stand: no "
				    "name in them is seen",
		[FOREIGN_QUEUE] = "another program gives verdicts, too: what it holds or drops, "
				  "Durward does not see",
		[FOREIGN_TAKES_WEB] =
			"takes these connections before Durward does, which never sees "
			"them",
		[FOREIGN_NAT] = "there is NAT",
	};

	return words[kind];
}

struct telling {
	struct doctor *d;
	uint32_t free_mask;
	bool nat, any;
};

static void count_nat(void *user, const struct foreign *f)
{
	struct telling *t = user;

	t->nat = t->nat || f->kind == FOREIGN_NAT;
}

/* A portal's rule stands in nat, behind TPROXY: what is diverted reaches neither as it should. */
static bool breaks_proxy(const struct telling *t, const struct foreign *f)
{
	return f->kind == FOREIGN_TAKES_WEB && t->d->settings.proxy_tcp.n > 0;
}

static void tell(void *user, const struct foreign *f)
{
	static const enum finding weights[] = {
		[FOREIGN_CONNMARK] = FINDING_BAD,
		[FOREIGN_MARK] = FINDING_BAD,
		[FOREIGN_MARK_EARLY] = FINDING_NOTE,
		[FOREIGN_MARK_ROUTE] = FINDING_BAD,
		[FOREIGN_IN_FRONT] = FINDING_BAD,
		[FOREIGN_DROP] = FINDING_BAD,
		[FOREIGN_OFFLOAD] = FINDING_BAD,
		[FOREIGN_QUEUE] = FINDING_NOTE,
		[FOREIGN_DOCKER] = FINDING_INFO,
		[FOREIGN_TAKES_WEB] = FINDING_INFO,
	};
	struct telling *t = user;
	struct strbuf fix = {0};
	bool mark = f->kind == FOREIGN_CONNMARK || f->kind == FOREIGN_MARK ||
		    f->kind == FOREIGN_MARK_EARLY || f->kind == FOREIGN_MARK_ROUTE;

	if (f->kind == FOREIGN_NAT)
		return;
	t->any = true;
	if (*f->fix)
		strbuf_str(&fix, f->fix);
	else if (mark && t->free_mask) /* no mask helps: it needs these very bits. Ours can move */
		strbuf_fmt(&fix,
			"sed -i '/^mark-mask/d' %s; echo 'mark-mask 0x%08" PRIx32
			"' >>%s; systemctl restart durward",
			t->d->settings_path, t->free_mask, t->d->settings_path);
	else if (mark)
		strbuf_str(&fix, "give that rule other bits: no 8 neighbouring ones are free for "
				 "mark-mask");
	if (breaks_proxy(t, f))
		doctor_say(t->d, FINDING_BAD, "rule of another",
			"sed -i '/^proxy-tcp/d' /etc/durward/settings; systemctl restart durward",
			"takes connections that the setting proxy-tcp takes, too: where the ports "
			"are the same, both break (%s)",
			f->rule);
	else
		doctor_say(t->d, weights[f->kind], "rule of another", strbuf_text(&fix), "%s (%s)",
			foreign_words(f->kind), f->rule);
	strbuf_fini(&fix);
}

static void say_no_nat(struct doctor *d)
{
	char fix[160];

	snprintf(fix, sizeof fix, "iptables -t nat -A POSTROUTING -o %s -j MASQUERADE", d->uplink);
	doctor_say(d, FINDING_INFO, "NAT", fix,
		"none found: the router beyond must know the way back to your devices");
}

void doctor_rules(struct doctor *d)
{
	struct telling t = {.d = d};
	uint32_t used = marks_of_routing(d->settings.route_priority);
	bool all = foreign_rules(d->settings.mark_mask, count_nat, &t, &used);

	t.free_mask = foreign_free_mask(used);
	foreign_rules(d->settings.mark_mask, tell, &t, &used);
	if (!all)
		doctor_say(d, FINDING_NOTE, "rules of others", "apt-get install iptables nftables",
			"not all could be looked at: a tool is not there, or fails");
	else if (!t.any)
		doctor_say(d, FINDING_OK, "rules of others", "", "none stands in the way");
	if (t.nat)
		doctor_say(d, FINDING_OK, "NAT", "", "there is some");
	else
		say_no_nat(d);
}
