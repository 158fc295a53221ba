/* SPDX-License-Identifier: GPL-3.0-or-later
 * explain_ask.c - reads the words of a question: a name over tls, quic or http; or an address and a port.
 *
 * Owns: nothing. Thread: any; pure. Fails: false with words. See: durward-api(7) "Explain".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/iso8601.h"
#include "conf/idn.h"
#include "explain_int.h"

static bool given(const char *s)
{
	return s && *s;
}

static bool say(char *why, const char *what, const char *word, const char *right)
{
	snprintf(why, 256, "%s%s%.80s%s; %s", what, word ? " \"" : "", word ? word : "",
		word ? "\"" : "", right);
	return false;
}

/* --- protocol and port --- */

static const struct usual {
	const char *word;
	uint8_t proto, app, source, path;
	uint16_t port;
} usual[] = {
	{"tls", IPPROTO_TCP, APP_TLS, SOURCE_SNI, PATH_INSPECT, 443},
	{"https", IPPROTO_TCP, APP_TLS, SOURCE_SNI, PATH_INSPECT, 443},
	{"quic", IPPROTO_UDP, APP_QUIC, SOURCE_QUIC, PATH_INSPECT, 443},
	{"http", IPPROTO_TCP, APP_HTTP, SOURCE_HOST, PATH_PROXY, 80},
};
static const struct {
	const char *word;
	uint8_t proto;
} protocols[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"icmp", IPPROTO_ICMP},
	{"icmpv6", IPPROTO_ICMPV6}, {"esp", IPPROTO_ESP}, {"ah", IPPROTO_AH}, {"gre", IPPROTO_GRE},
	{"sctp", IPPROTO_SCTP}};

static const struct usual *find_usual(const char *word)
{
	for (size_t k = 0; k < sizeof usual / sizeof usual[0]; k++) {
		if (strcasecmp(word, usual[k].word) == 0)
			return &usual[k];
	}
	return NULL;
}

static bool read_number(const char *s, unsigned long max, unsigned long *out)
{
	char *end;
	errno = 0;
	*out = strtoul(s, &end, 10);
	return *s >= '0' && *s <= '9' && *end == '\0' && errno == 0 && *out <= max;
}

static bool read_protocol(const char *word, uint8_t *out)
{
	unsigned long n;
	for (size_t k = 0; k < sizeof protocols / sizeof protocols[0]; k++) {
		if (strcasecmp(word, protocols[k].word) == 0) {
			*out = protocols[k].proto;
			return true;
		}
	}
	if (!read_number(word, 255, &n))
		return false;
	*out = (uint8_t)n;
	return true;
}

/* "tcp/25", or "25" beside a protocol; or a protocol that has no ports */
static bool read_port(const char *port, struct flow *f, char *why)
{
	static const char right[] = "tcp/PORT, udp/PORT or a port number from 0 to 65535";
	const char *slash = strchr(port, '/');
	unsigned long n;
	if (!slash && (*port < '0' || *port > '9') && read_protocol(port, &f->proto))
		return true;
	if (slash) {
		char word[16] = "";
		if ((size_t)(slash - port) < sizeof word)
			memcpy(word, port, (size_t)(slash - port));
		if (!read_protocol(word, &f->proto))
			return say(why, "no protocol:", port, right);
		port = slash + 1;
	}
	if (!read_number(port, 65535, &n))
		return say(why, "no port:", port, right);
	f->dport = (uint16_t)n;
	return true;
}

/* Which path the gateway takes for such a flow. */
static uint8_t path_of(const struct flow *f, const struct settings *s)
{
	bool tcp = f->proto == IPPROTO_TCP, udp = f->proto == IPPROTO_UDP;

	if (!s)
		return (f->dport == 443 && (tcp || udp)) || (f->dport == 80 && tcp) ? PATH_INSPECT
										    : PATH_OTHER;
	if (tcp && port_set_has(&s->proxy_tcp, f->dport))
		return PATH_PROXY;
	return (tcp && (port_set_has(&s->inspect_tcp, f->dport) ||
			       port_set_has(&s->starttls_tcp, f->dport))) ||
			       (udp && port_set_has(&s->inspect_udp, f->dport))
		       ? PATH_INSPECT
		       : PATH_OTHER;
}

/* --- a flow with a name --- */

/* A hello that names an IP address names no site; without `to`, that address is where it goes. */
static void take_literal(struct explain_question *q)
{
	struct flow *f = &q->query.flow;
	q->ident.kind = IDENT_NONE;
	q->ident.anomaly = ANOMALY_IP_LITERAL;
	if (addr_is_zero(&f->dst))
		addr_parse(slice_str(q->ident.name), &f->dst);
}

static bool read_name(const struct explain_ask *ask, struct explain_question *q, char *why)
{
	struct slice in = slice_str(ask->name);
	switch (idn_canonical(in, q->ident.name, &q->ident.name_len)) {
	case IDN_OK:
		break;
	case IDN_ADDRESS:
		take_literal(q);
		break;
	default:
		return say(why, "no host name:", ask->name, "a name such as www.example.com");
	}
	memcpy(q->name, q->ident.name, sizeof q->name);
	return true;
}

static bool name_flow(const struct explain_ask *ask, struct explain_question *q, char *why)
{
	const struct usual *u = find_usual(given(ask->proto) ? ask->proto : "tls");
	struct flow *f = &q->query.flow;
	if (!u)
		return say(why, "a name is not read over", ask->proto, "tls, quic or http");
	*f = (struct flow){.proto = u->proto, .path = u->path, .dport = u->port, .dst = f->dst};
	q->ident = (struct ident){.kind = IDENT_NAME, .source = u->source, .app = u->app};
	q->query.stage = STAGE_NAMED;
	q->named = true;
	q->assumed_port = !given(ask->port) && !given(ask->proto);
	if (given(ask->port) && !read_port(ask->port, f, why))
		return false;
	if (f->proto != u->proto)
		return say(why, "that protocol does not carry", u->word, "leave the port out");
	return read_name(ask, q, why);
}

/* --- a flow without one --- */

static bool bare_flow(const struct explain_ask *ask, const struct settings *s,
	struct explain_question *q, char *why)
{
	const struct usual *u = given(ask->proto) ? find_usual(ask->proto) : NULL;
	struct flow *f = &q->query.flow;
	if (u) {
		f->proto = u->proto;
		f->dport = u->port;
		q->ident.app = u->app;
	} else if (given(ask->proto) && strchr(ask->proto, '/')) {
		if (!read_port(ask->proto, f, why))
			return false;
	} else if (given(ask->proto) && !read_protocol(ask->proto, &f->proto)) {
		return say(why, "no protocol:", ask->proto, "tcp, udp, icmp, esp or a number");
	}
	if (!given(ask->proto))
		f->proto = IPPROTO_TCP;
	if (!given(ask->proto) && !given(ask->port)) {
		f->dport = 443;
		q->assumed_port = true;
	}
	if (given(ask->port) && !read_port(ask->port, f, why))
		return false;
	f->path = path_of(f, s);
	q->query.stage = f->path == PATH_OTHER ? STAGE_FIRST : STAGE_NAMED;
	q->ident.kind = u && u->app != APP_UNKNOWN ? IDENT_NONE : IDENT_NOT_PROTO;
	return true;
}

/* no-name, hidden, evasive: what the gateway found instead of a name. Only TCP and UDP carry such a thing. */
static bool read_kind(const struct explain_ask *ask, struct explain_question *q, char *why)
{
	static const struct {
		const char *word;
		uint8_t kind;
	} kinds[] = {{"no-name", IDENT_NONE}, {"none", IDENT_NONE}, {"hidden", IDENT_OPAQUE},
		{"opaque", IDENT_OPAQUE}, {"evasive", IDENT_EVASIVE},
		{"not-proto", IDENT_NOT_PROTO}};
	struct flow *f = &q->query.flow;
	size_t k = 0, n = sizeof kinds / sizeof kinds[0];
	while (k < n && strcasecmp(ask->kind, kinds[k].word) != 0)
		k++;
	if (k == n)
		return say(why, "no kind of flow:", ask->kind, "no-name, hidden or evasive");
	if (f->proto != IPPROTO_TCP && f->proto != IPPROTO_UDP)
		return true;
	q->ident.kind = kinds[k].kind;
	q->query.stage = STAGE_NAMED;
	if (f->path == PATH_OTHER)
		f->path = PATH_INSPECT;
	if (q->ident.app == APP_UNKNOWN && q->ident.kind != IDENT_NOT_PROTO)
		q->ident.app = f->proto == IPPROTO_UDP ? APP_QUIC : APP_TLS;
	return true;
}

bool explain_question_read(const struct explain_ask *ask, const struct settings *settings,
	int64_t now_s, struct explain_question *out, char why[static 256])
{
	struct explain_question *q = out;
	const char *to = given(ask->to) ? ask->to : given(ask->addr) ? ask->addr : NULL;
	*q = (struct explain_question){.query.now_s = now_s};
	q->query.ident = &q->ident;
	if (!given(ask->who))
		return say(
			why, "nobody is named", NULL, "WHO is a device, person, group or address");
	if (!given(ask->name) && !to)
		return say(why, "neither a name nor an address", NULL, "what is WHO going to?");
	if (given(ask->name) && given(ask->addr))
		return say(why, "both a name and an address", NULL, "say NAME ... to ADDRESS");
	if (given(ask->name) && given(ask->kind) && strcasecmp(ask->kind, "name") != 0)
		return say(why, "a flow with a name is not", ask->kind,
			"ask for an ADDRESS instead of the name");
	if (to && !addr_parse(slice_str(to), &q->query.flow.dst))
		return say(why, "no address:", to, "an IPv4 or IPv6 address without a port");
	if (given(ask->at) && !iso8601_parse(slice_str(ask->at), &q->query.now_s))
		return say(why, "no time:", ask->at,
			"ISO 8601 with an offset, such as 2026-11-23T21:00:00+01:00");
	if (given(ask->name))
		return name_flow(ask, q, why);
	return bare_flow(ask, settings, q, why) && (!given(ask->kind) || read_kind(ask, q, why));
}
