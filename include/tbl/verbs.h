/* SPDX-License-Identifier: GPL-3.0-or-later
 * tbl/verbs.h - the verbs of durwardctl, one row each (X-macro, included many times).
 *
 * VERB(function, "name", "arguments", "help")          int ctl_FUNCTION(struct ctl *c, int argc, char **argv)
 * argv[0] is the verb; the common options (-j, --socket) are taken off already. The result is the exit status.
 */
#ifdef VERB
VERB(status, "status", "[-q]", "what is in force, who runs, what was decided")
VERB(watch, "watch", "[FILTER...]", "decisions as they happen")
VERB(log, "log", "[-n N] [FILTER...]", "recorded decisions")
VERB(flows, "flows", "[-n N] [FILTER...] | --cut ID",
	"what goes on just now, newest first; or one of it cut")
VERB(explain, "explain", "[--policy FILE] WHO NAME|ADDRESS [...] | --batch FILE",
	"what would be decided for WHO, and by which line")
VERB(check, "check", "[--settings FILE] [FILE]", "every error in a policy file")
VERB(reload, "reload", "[--accept-lists [NAME...]]", "read the policy and its lists again")
VERB(identify, "identify", "FILE.pcap...", "the names in captured traffic")
VERB(doctor, "doctor", "[--settings FILE]",
	"look for what stands in the way, with the command that fixes it")
VERB(setup, "setup", "", "print a one-time token for the first login in the web UI")
VERB(passwd, "passwd", "", "set the administrator's password")
VERB(set_aside, "set-aside", "",
	"begin a new database of password and revisions where the old one is damaged")
#endif
