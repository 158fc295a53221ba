/* SPDX-License-Identifier: GPL-3.0-or-later
 * parse_what.c - reads the WHATs of a rule: names, lists, apps, sets, everything, local-networks, net, port.
 *
 * Owns: nothing. Thread: any. Fails: reports to the diag. See: durward-policy(5) "RULES", "NAMES OF SITES".
 */
#include "conf_int.h"

#include <netinet/in.h>
#include <stdlib.h>

static bool has(struct slice s, const char *what)
{
	return s.n && memmem(s.p, s.n, what, strlen(what));
}

/* "A word with a dot, `=` or `*.` is a name." */
bool is_name_word(struct slice s)
{
	return has(s, ".") || has(s, "=") || has(s, "\xe3\x80\x82") || has(s, "\xef\xbc\x8e") ||
	       has(s, "\xef\xbd\xa1"); /* the other full stops of UTS 46 */
}

/* Digits, dots and a slash, or hex with colons: 192.0.2.1, 192.0.2.0/24, 2001:db8::/32, and slips of these. */
bool looks_like_address(struct slice s)
{
	bool colon = has(s, ":"), dot = has(s, ".");

	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i], l = c | 0x20;

		if (!(c >= '0' && c <= '9') && !strchr("./", c) &&
			!(colon && (c == ':' || (l >= 'a' && l <= 'f'))))
			return false;
	}
	return s.n > 0 && (colon || dot);
}

/* --- net --- */

/* "192.0.2.5/24" -> suggests 192.0.2.0/24. */
static bool without_host_bits(struct slice s, char out[static CIDR_TEXT])
{
	const uint8_t *slash = s.n ? memchr(s.p, '/', s.n) : NULL;
	struct cidr c;
	char digits[4] = {0};
	size_t n = slash ? s.n - (size_t)(slash - s.p) - 1 : 0;
	unsigned long bits;

	if (n < 1 || n > 3 || !addr_parse(slice_of(s.p, s.n - n - 1), &c.net))
		return false;
	memcpy(digits, slash + 1, n);
	bits = strtoul(digits, NULL, 10) + (addr_is_v4(&c.net) ? 96 : 0);
	if (bits > 128)
		return false;
	for (size_t i = bits; i < 128; i++)
		c.net.b[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	c.bits = (uint8_t)bits;
	cidr_format(&c, out);
	return true;
}

static void wrong_net(struct parser *p, const struct token *t)
{
	char text[CIDR_TEXT];

	if (without_host_bits(t->raw, text))
		error(p, t, "%s has bits set beyond its prefix; write %s", quote(p, t->raw), text);
	else
		error(p, t, "%s is no network; write for instance 192.0.2.0/24 or 2001:db8::/32",
			quote(p, t->raw));
}

void read_nets(struct parser *p, const struct token *net, struct cidr **nets, size_t *n)
{
	const struct token *t;
	bool any = false;

	for (; (t = peek(p)) && !t->quoted && looks_like_address(t->raw); any = true) {
		struct cidr c;

		if (cidr_parse(next(p)->raw, &c))
			*(struct cidr *)push(p, nets, n, sizeof c) = c;
		else
			wrong_net(p, t);
	}
	if (any)
		return;
	error(p, t ? t : net, "`net` needs a network after it, for instance: net 192.0.2.0/24");
	if (t && !t->quoted && !schema_find(t->raw, ROLES_KEYWORD) && !is_name_word(t->raw) &&
		!symbol_find(p, SPACE_WHO, t->raw) && !symbol_find(p, SPACE_WHAT, t->raw))
		next(p); /* meant as the network: one error */
}

/* --- port --- */

static const struct {
	const char *word;
	uint8_t proto;
	bool ports;
} protos[] = {
	{"tcp", IPPROTO_TCP, true},
	{"udp", IPPROTO_UDP, true},
	{"icmp", IPPROTO_ICMP, false},
	{"esp", IPPROTO_ESP, false},
	{"ah", IPPROTO_AH, false},
	{"gre", IPPROTO_GRE, false},
};
enum { PROTOS = sizeof protos / sizeof *protos };

static int proto_of(struct slice s)
{
	for (int i = 0; i < PROTOS; i++)
		if (word_eq(s, slice_str(protos[i].word)))
			return i;
	return -1;
}

static bool number(struct slice s, uint16_t *out)
{
	uint32_t v = 0;

	if (s.n == 0 || s.n > 5)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (s.p[i] - '0');
	}
	*out = (uint16_t)v;
	return v >= 1 && v <= 65535;
}

/* "25" or "6000-6999" */
static bool port_range(struct slice s, struct conf_port *out)
{
	const uint8_t *dash = s.n ? memchr(s.p, '-', s.n) : NULL;
	size_t n = dash ? (size_t)(dash - s.p) : s.n;

	if (!number(slice_of(s.p, n), &out->first))
		return false;
	out->last = out->first;
	return !dash ||
	       (number(slice_of(dash + 1, s.n - n - 1), &out->last) && out->first <= out->last);
}

static void add_port(struct parser *p, struct conf_what *w, struct conf_port port)
{
	*(struct conf_port *)push(p, &w->ports, &w->n_ports, sizeof port) = port;
}

/* What stands after "tcp/": "*", or numbers and ranges with commas. */
static void port_numbers(
	struct parser *p, const struct token *t, size_t from, uint8_t proto, struct conf_what *w)
{
	struct slice s = slice_of(t->raw.p + from, t->raw.n - from);

	if (slice_eq(s, slice_str("*")))
		return add_port(p, w, (struct conf_port){.kind = PORT_ANY, .proto = proto});
	for (;;) {
		const uint8_t *comma = s.n ? memchr(s.p, ',', s.n) : NULL;
		struct slice one = slice_of(s.p, comma ? (size_t)(comma - s.p) : s.n);
		struct conf_port port = {.kind = PORT_PORTS, .proto = proto};
		struct token at = {one, t->column + (uint32_t)(one.p - t->raw.p), false};

		if (port_range(one, &port))
			add_port(p, w, port);
		else
			error(p, &at,
				"%s is no port; write 1 to 65535 or a range, as in tcp/25,465 "
				"or udp/6000-6999",
				quote(p, one));
		if (!comma)
			return;
		s = slice_of(comma + 1, s.n - one.n - 1);
	}
}

static bool has_ports(struct slice s)
{
	const uint8_t *slash = s.n ? memchr(s.p, '/', s.n) : NULL;
	int i = slash ? proto_of(slice_of(s.p, (size_t)(slash - s.p))) : -1;

	return i >= 0 && protos[i].ports;
}

static void port_spec(struct parser *p, const struct token *t, struct conf_what *w)
{
	const uint8_t *slash = memchr(t->raw.p, '/', t->raw.n);
	size_t n = slash ? (size_t)(slash - t->raw.p) : t->raw.n;
	int i = proto_of(slice_of(t->raw.p, n));

	if (i < 0 && word_eq(t->raw, slice_str("icmpv6")))
		error(p, t, "'icmpv6' is part of `port icmp`, which is both ICMP and ICMPv6");
	else if (i < 0)
		error(p, t,
			"%s is no port; write for instance tcp/25, udp/6000-6999, tcp/*, icmp or "
			"esp",
			quote(p, t->raw));
	else if (protos[i].ports && !slash)
		error(p, t, "%s needs ports; write for instance %s/25, or %s/* for all",
			quote(p, t->raw), protos[i].word, protos[i].word);
	else if (!protos[i].ports && slash)
		error(p, t, "'%s' has no ports; write: port %s", protos[i].word, protos[i].word);
	else if (!slash)
		add_port(p, w, (struct conf_port){.kind = PORT_PROTO, .proto = protos[i].proto});
	else
		port_numbers(p, t, n + 1, protos[i].proto, w);
}

static void read_ports(struct parser *p, struct conf_what *w)
{
	const struct token *t = peek(p);

	if (!t || t->quoted || schema_find(t->raw, ROLE_OPTION)) {
		error(p, t, "`port` needs ports after it, for instance: port tcp/25");
		return;
	}
	port_spec(p, next(p), w);
	while ((t = peek(p)) && !t->quoted && has_ports(t->raw))
		port_spec(p, next(p), w);
}

/* --- names --- */

static void wrong_name(struct parser *p, const struct token *t, enum name_read why)
{
	const char *q = quote(p, t->raw);

	if (why == NAME_ADDRESS)
		error(p, t, "%s is an address; write: net %.*s", q,
			t->raw.n > 60 ? 60 : (int)t->raw.n, (const char *)t->raw.p);
	else if (why == NAME_STAR)
		error(p, t,
			"%s has a star elsewhere than at its front; write *.example.com for what "
			"is below example.com",
			q);
	else if (why == NAME_SINGLE)
		error(p, t, "%s is one label only; a top level is written as in *.zip", q);
	else if (t->raw.p[0] == '.')
		error(p, t,
			"%s begins with a dot; write the name alone for it and everything below it",
			q);
	else if (has(t->raw, "/"))
		error(p, t, "%s is an address of a page; write the name of the site only", q);
	else if (has(t->raw, ","))
		error(p, t, "%s has a comma; part names with spaces only", q);
	else if (has(t->raw, ":"))
		error(p, t, "%s has a ':'; write the name without a port", q);
	else
		error(p, t, "%s is no valid name of a site", q);
}

bool read_name(struct parser *p, const struct token *t, struct conf_name *out)
{
	char name[NAME_TEXT];
	uint8_t len;
	enum name_read r = name_read(t->raw, name, &len, &out->scope);

	if (r != NAME_READ) {
		wrong_name(p, t, r);
		return false;
	}
	out->line = p->lex.number;
	out->name = arena_str(p->mem, slice_of(name, len));
	p->oom |= !out->name;
	return out->name;
}

/* --- one WHAT --- */

static bool what_keyword(
	struct parser *p, const struct token *t, const struct schema_word *row, struct conf_what *w)
{
	if (row->later) {
		not_yet(p, t, row);
		return false;
	}
	if (row->id == WORD_WHAT_EVERYTHING) {
		w->kind = WHAT_EVERYTHING;
	} else if (row->id == WORD_WHAT_LOCAL) {
		w->kind = WHAT_LOCAL_NETWORKS;
	} else if (row->id == WORD_WHAT_NET) {
		w->kind = WHAT_NET;
		read_nets(p, t, &w->nets, &w->n_nets);
	} else if (row->id == WORD_WHAT_PORT) {
		w->kind = WHAT_PORT;
		read_ports(p, w);
	} else {
		w->kind = WHAT_SET;
		w->index = SET_ECH_PUBLIC_NAMES;
	}
	return true;
}

static void what_wrong(struct parser *p, const struct token *t)
{
	const struct symbol *who = symbol_find(p, SPACE_WHO, t->raw);
	const struct symbol *hours = symbol_find(p, SPACE_HOURS, t->raw);

	if (t->quoted)
		error(p, t, "a text stands after `because` only");
	else if (word_eq(t->raw, slice_str("*")) || word_eq(t->raw, slice_str("all")) ||
		 word_eq(t->raw, slice_str("any")))
		error(p, t, "%s is no WHAT; write: everything", quote(p, t->raw));
	else if (who)
		error(p, t, "%s is %s; who is meant stands after `for`", quote(p, t->raw),
			kind_words(who->kind));
	else if (hours)
		error(p, t, "%s are hours; write: hours %.*s", quote(p, t->raw),
			t->raw.n > 60 ? 60 : (int)t->raw.n, (const char *)t->raw.p);
	else if (schema_find(t->raw, ROLES_KEYWORD))
		error(p, t, "%s cannot stand here; a rule names what it is about",
			quote(p, t->raw));
	else
		unknown_word(p, t, "defined nowhere", ROLE_WHAT | ROLE_BUILTIN, SPACE_WHAT);
}

/* true: *w is to be kept. */
static bool read_what(struct parser *p, const struct token *t, struct conf_what *w)
{
	const struct schema_word *row = t->quoted ? NULL : schema_find(t->raw, ROLE_WHAT);
	const struct symbol *y = t->quoted ? NULL : symbol_find(p, SPACE_WHAT, t->raw);

	*w = (struct conf_what){.pos = pos_of(p, t)};
	if (row || (!t->quoted && !y && (row = schema_find(t->raw, ROLE_BUILTIN))))
		return what_keyword(p, t, row, w);
	if (y) {
		w->kind = y->kind == WORD_ST_LIST ? WHAT_LIST : WHAT_APP;
		w->index = y->index;
		return true;
	}
	if (!t->quoted && looks_like_address(t->raw)) {
		error(p, t, "a bare address; write: net %.*s", t->raw.n > 60 ? 60 : (int)t->raw.n,
			(const char *)t->raw.p);
		return false;
	}
	if (!t->quoted && has_ports(t->raw)) {
		error(p, t, "a bare port; write: port %.*s", t->raw.n > 60 ? 60 : (int)t->raw.n,
			(const char *)t->raw.p);
		return false;
	}
	if (!t->quoted && is_name_word(t->raw)) {
		w->kind = WHAT_NAME;
		return read_name(p, t, &w->name);
	}
	what_wrong(p, t);
	row = t->quoted ? NULL : meant(p, t->raw, ROLE_WHAT);
	return row && !row->later && what_keyword(p, t, row, w);
}

/* A word that is no WHAT and nearer to an option than to any WHAT: the options' walk tells it. */
static bool begins_options(struct parser *p, const struct token *t)
{
	const struct schema_word *row;
	bool close;

	if (t->quoted)
		return false;
	if (schema_find(t->raw, ROLE_OPTION))
		return true;
	if (is_name_word(t->raw) || looks_like_address(t->raw) || has_ports(t->raw) ||
		schema_find(t->raw, ROLE_WHAT | ROLE_BUILTIN) ||
		symbol_find(p, SPACE_WHAT, t->raw) || symbol_find(p, SPACE_WHO, t->raw) ||
		symbol_find(p, SPACE_HOURS, t->raw))
		return false;
	nearest(p, t->raw, ROLE_WHAT | ROLE_OPTION | ROLE_BUILTIN, SPACE_WHAT, &close, &row);
	return close && row && row->role == ROLE_OPTION;
}

void read_whats(struct parser *p, struct read_whats *out)
{
	const struct token *t;
	struct conf_what w;

	while ((t = peek(p)) && !begins_options(p, t)) {
		out->any = true;
		if (read_what(p, next(p), &w))
			*(struct conf_what *)push(p, &out->whats, &out->n, sizeof w) = w;
	}
}
