/* SPDX-License-Identifier: GPL-3.0-or-later
 * tbl/problems.h - what the supervisor may find wrong while it runs, one row each (X-macro, no include guard: included many times).
 *
 * PROBLEM(NAME, "key for programs", "what is wrong", "what fixes it")     worst first: people read them in this order
 *
 * A person reads "WHAT: DETAIL; FIX"; the detail (a name, a number) is given by who raises it. See:
 * supervisor/supervisor_int.h (problem_raise).
 */
PROBLEM(REFUSED, "refusal-in-force", "all forwarding is refused, though Durward runs",
	"it is tried again every few seconds; `journalctl -u durward` tells why, `durward-rules "
	"down` opens the gateway")
PROBLEM(RULES_TAKEN, "rules-taken-away", "another program takes our rules away again and again",
	"most likely a firewall that reloads, or a script that flushes: end it; they are put back "
	"more slowly meanwhile")
PROBLEM(RULES_UNKNOWN, "rules-unknown",
	"whether our packet rules still stand cannot be told, `durward-rules check` fails",
	"it is tried again every few seconds; run it by hand, as root, to see more")
PROBLEM(RULES_IN_FRONT, "rule-in-front",
	"a rule of another program stands in front of ours, and what it accepts is not judged",
	"`durwardctl doctor` shows it and the command that moves it")
PROBLEM(INTERFACES_UNKNOWN, "interfaces-unknown",
	"no interface leads to the internet yet: all that is forwarded is judged as if clients "
	"sent it",
	"bring the uplink and its default route up, or name it: uplink-interfaces in the settings")
PROBLEM(INTERFACE_MISSING, "interface-missing",
	"the settings (client-interfaces, uplink-interfaces) name an interface that does not exist",
	"make it, or correct the setting and restart")
PROBLEM(INTERFACE_DOUBTFUL, "interface-doubtful",
	"a default route leads through an interface of clients, which counts as theirs all the "
	"same",
	"if it is meant, name it: uplink-interfaces in the settings; if not, find who advertises a "
	"router there")
PROBLEM(INTERFACE_ODD, "interface-odd",
	"the rules cannot hold the name of an interface, and what it needs is left out",
	"rename it: letters, digits and _ . @ : + - only")
PROBLEM(RULES_OLD, "rules-old",
	"the packet rules could not be changed, those of an earlier policy are in force",
	"it is tried again every few seconds; `journalctl -u durward` tells why")
PROBLEM(NO_HOLD, "no-hold",
	"should another program flush all of netfilter, packets would pass until our rules are "
	"back",
	"with fail closed a policy route would refuse them; it cannot stand beside what is there: "
	"put "
	"net.ipv4.conf.*.rp_filter off, our rules check sources by themselves")
PROBLEM(WEB_LISTEN, "web-listen-missing",
	"the web page cannot be reached at every web-listen address",
	"it is tried again every few seconds; nothing else depends on it")
