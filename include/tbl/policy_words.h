/* SPDX-License-Identifier: GPL-3.0-or-later
 * tbl/policy_words.h - every word of the policy language, one row a word and place (X-macro, included many times).
 *
 * Parser, completion and durward-policy(5) come from these rows; a unit test holds the manual against them.
 *
 * POLICY_WORD(ENUM, "word", ROLE, STATE, "grammar", "help")
 *   ROLE   where the word may stand: enum word_role (conf/schema.h)
 *   STATE  NOW, or LATER: a word of the language that this version does not carry out yet; it is an error that says so
 */
#ifdef POLICY_WORD
/* statements, at the start of a line */
POLICY_WORD(ST_TIMEZONE, "timezone", STATEMENT, NOW, "timezone ZONE",
	"the time zone of all hours, as in /usr/share/zoneinfo; once")
POLICY_WORD(ST_FAIL, "fail", STATEMENT, NOW, "fail open|closed",
	"what holds while the daemon is down; once, above the first `for`; unstated: closed")
POLICY_WORD(ST_DEVICE, "device", STATEMENT, NOW, "device NAME [mac MAC...] [ip ADDRESS...]",
	"a machine, known by its MAC addresses or its IP addresses; a MAC beats an address")
POLICY_WORD(ST_PERSON, "person", STATEMENT, NOW, "person NAME owns DEVICE...",
	"somebody, and the devices that belong to them")
POLICY_WORD(ST_GROUP, "group", STATEMENT, NOW, "group NAME [MEMBER...] [net CIDR...]",
	"devices, persons, other groups and networks; the union of its parts")
POLICY_WORD(ST_LIST, "list", STATEMENT, NOW, "list NAME FILE format FORMAT",
	"names read from a file; a relative FILE starts at the policy file's folder")
POLICY_WORD(ST_APP, "app", STATEMENT, NOW, "app NAME SITE...",
	"names that belong together; a second line of the same NAME adds to it")
POLICY_WORD(ST_HOURS, "hours", STATEMENT, NOW,
	"hours NAME [DAYS] FROM-TO... [, [DAYS] FROM-TO...]...",
	"windows of the week on the clock of `timezone`")
POLICY_WORD(ST_FOR, "for", STATEMENT, NOW, "for WHO...",
	"begins a block: its rules and settings hold for any of these")
POLICY_WORD(ST_OTHERWISE, "otherwise", STATEMENT, NOW, "otherwise allow|block [because \"TEXT\"]",
	"the last word, for what no rule decided; mandatory")
POLICY_WORD(ST_SITE, "site", STATEMENT, LATER, "site ...", "a published site")
POLICY_WORD(ST_POOL, "pool", STATEMENT, LATER, "pool ...", "servers behind a published site")
POLICY_WORD(ST_UPSTREAM, "upstream", STATEMENT, LATER, "upstream ...", "another proxy")

/* verbs, at the start of a line of a block */
POLICY_WORD(VERB_ALLOW, "allow", VERB, NOW, "[watch] allow WHAT... [OPTION...]", "lets it through")
POLICY_WORD(VERB_BLOCK, "block", VERB, NOW, "[watch] block WHAT... [OPTION...]", "refuses it")
POLICY_WORD(VERB_WATCH, "watch", VERB, NOW, "watch allow|block WHAT... [OPTION...]",
	"a dry run: counted and shown, not enforced")
POLICY_WORD(VERB_LIMIT, "limit", VERB, LATER, "limit WHAT... N(m|h)/(day|week) [OPTION...]",
	"lets it through for so many active minutes")
POLICY_WORD(VERB_RATE, "rate", VERB, LATER, "rate ...", "a limit of speed")
POLICY_WORD(VERB_SEND, "send", VERB, LATER, "send WHAT... via UPSTREAM", "through another proxy")

/* settings, inside a block */
POLICY_WORD(SET_NO_NAME, "no-name", SETTING, NOW, "no-name allow|block|tcp",
	"a flow that names no site; tcp refuses QUIC so that TCP is tried")
POLICY_WORD(SET_HIDDEN_NAMES, "hidden-names", SETTING, NOW, "hidden-names allow|block",
	"a flow whose real name is encrypted (ECH)")
POLICY_WORD(SET_EVASIVE, "evasive", SETTING, NOW, "evasive block|no-name",
	"a flow that breaks its protocol or hides its name by tricks; unstated: block")
POLICY_WORD(SET_MISMATCH, "mismatch", SETTING, LATER, "mismatch keep|verify",
	"the name against the address")
POLICY_WORD(SET_SAFE_SEARCH, "safe-search", SETTING, LATER, "safe-search ...",
	"search engines without adult results")

/* options of allow and block */
POLICY_WORD(OPT_HOURS, "hours", OPTION, NOW, "hours NAME...",
	"holds in these hours only; several names are a union")
POLICY_WORD(OPT_FIRM, "firm", OPTION, NOW, "firm", "no grant crosses it")
POLICY_WORD(OPT_BECAUSE, "because", OPTION, NOW, "because \"TEXT\"",
	"shown to the person who is refused")
POLICY_WORD(OPT_REFUSE, "refuse", OPTION, NOW, "refuse reset|alert|drop|page",
	"the way of refusing; page on TLS acts as alert")
POLICY_WORD(OPT_NOTIFY, "notify", OPTION, LATER, "notify", "tells the administrator")
POLICY_WORD(OPT_MISMATCH, "mismatch", OPTION, LATER, "mismatch keep|verify",
	"the address must really serve that name")
POLICY_WORD(OPT_ON, "on", OPTION, LATER, "on PORTS", "a name and a port in one rule")
POLICY_WORD(OPT_AS, "as", OPTION, NOW, "as NAME",
	"the rule's own name: its id whatever else is edited; the last option")
POLICY_WORD(OPT_VIA, "via", OPTION, LATER, "via UPSTREAM", "of send")

/* WHO words */
POLICY_WORD(WHO_EVERYONE, "everyone", WHO, NOW, "everyone", "every client, known or not")
POLICY_WORD(WHO_UNKNOWN, "unknown-devices", WHO, NOW, "unknown-devices",
	"clients whose MAC and address no `device` line owns")

/* WHAT words */
POLICY_WORD(WHAT_EVERYTHING, "everything", WHAT, NOW, "everything",
	"every flow of every protocol except those to the gateway itself")
POLICY_WORD(WHAT_LOCAL, "local-networks", WHAT, NOW, "local-networks",
	"private and link-local addresses and the gateway's own networks")
POLICY_WORD(WHAT_NET, "net", WHAT, NOW, "net CIDR...", "destination addresses")
POLICY_WORD(WHAT_PORT, "port", WHAT, NOW, "port PORTS",
	"tcp/25,465 udp/6000-6999 tcp/* icmp esp: the destination port or the protocol")

/* built-in sets; a definition of the same name shadows one */
POLICY_WORD(BUILTIN_ECH, "ech-public-names", BUILTIN, NOW, "ech-public-names",
	"outer names behind which real names are encrypted (ECH)")
POLICY_WORD(
	BUILTIN_DNS, "encrypted-dns", BUILTIN, LATER, "encrypted-dns", "DNS over HTTPS, TLS, QUIC")
POLICY_WORD(BUILTIN_VPN, "vpn", BUILTIN, LATER, "vpn", "tunnels of known services")
POLICY_WORD(BUILTIN_CAPTIVE, "captive-checks", BUILTIN, LATER, "captive-checks",
	"what devices ask to find out whether they are online")

/* parts of definitions */
POLICY_WORD(DEVICE_MAC, "mac", DEVICE_PART, NOW, "mac MAC...", "a4:83:e7:10:22:31")
POLICY_WORD(DEVICE_IP, "ip", DEVICE_PART, NOW, "ip ADDRESS...", "192.0.2.40 2001:db8:1::40")
POLICY_WORD(PERSON_OWNS, "owns", PERSON_PART, NOW, "owns DEVICE...", "names of devices")
POLICY_WORD(GROUP_NET, "net", GROUP_PART, NOW, "net CIDR...", "source addresses")
POLICY_WORD(GROUP_INTERFACE, "interface", GROUP_PART, LATER, "interface NAME...",
	"who comes in by this interface")
POLICY_WORD(LIST_FORMAT, "format", LIST_PART, NOW, "format FORMAT", "how the file is written")
POLICY_WORD(LIST_EVERY, "every", LIST_PART, LATER, "every N(m|h|d)", "how often it is fetched")

/* values */
POLICY_WORD(FORMAT_DOMAINS, "domains", FORMAT, NOW, "domains",
	"one name a line: it and everything below it")
POLICY_WORD(FORMAT_HOSTS, "hosts", FORMAT, NOW, "hosts",
	"lines of ADDRESS NAME...: each that name only")
POLICY_WORD(FORMAT_ADBLOCK, "adblock", FORMAT, LATER, "adblock", "||name^ lines")
POLICY_WORD(FORMAT_RPZ, "rpz", FORMAT, LATER, "rpz", "a response policy zone")
POLICY_WORD(FORMAT_DNSMASQ, "dnsmasq", FORMAT, LATER, "dnsmasq", "address= and server= lines")
POLICY_WORD(FORMAT_SQUIDGUARD, "squidguard", FORMAT, LATER, "squidguard",
	"a folder or archive with `domains` files")
POLICY_WORD(FORMAT_CIDR, "cidr", FORMAT, LATER, "cidr", "networks")
POLICY_WORD(FAIL_OPEN_, "open", FAIL_VALUE, NOW, "open", "everything passes")
POLICY_WORD(FAIL_CLOSED_, "closed", FAIL_VALUE, NOW, "closed", "nothing passes")
POLICY_WORD(REFUSE_RESET_, "reset", REFUSE_VALUE, NOW, "reset", "the connection is reset")
POLICY_WORD(REFUSE_ALERT_, "alert", REFUSE_VALUE, NOW, "alert", "a TLS alert, then the end")
POLICY_WORD(REFUSE_DROP_, "drop", REFUSE_VALUE, NOW, "drop", "no answer at all")
POLICY_WORD(REFUSE_PAGE_, "page", REFUSE_VALUE, NOW, "page", "a page that says why (HTTP)")
POLICY_WORD(ANSWER_ALLOW_, "allow", ALLOW_VALUE, NOW, "allow", "lets it through")
POLICY_WORD(ANSWER_BLOCK_, "block", BLOCK_VALUE, NOW, "block", "refuses it")
POLICY_WORD(ANSWER_TCP_, "tcp", TCP_VALUE, NOW, "tcp", "refuses QUIC, so that TCP is tried")
POLICY_WORD(
	ANSWER_NO_NAME_, "no-name", NO_NAME_VALUE, NOW, "no-name", "what the setting no-name says")
#endif
