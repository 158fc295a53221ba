/* SPDX-License-Identifier: GPL-3.0-or-later
 * route_sides.c - which interfaces lead to the internet, and which to clients.
 *
 * Owns: nothing. Thread: any; pure. Fails: -ENOSPC.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netsetup/route.h"

/* Whether `name` is one of the words. */
static bool has_word(const char *words, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = words; *p; p += strcspn(p, " "), p += strspn(p, " "))
		if (strcspn(p, " ") == n && strncmp(p, name, n) == 0)
			return true;
	return false;
}

static int add_word(char *words, const char *word)
{
	size_t n = strlen(words);
	int k = snprintf(words + n, ROUTE_WORDS - n, "%s%s", n ? " " : "", word);

	if (k >= 0 && (size_t)k < ROUTE_WORDS - n)
		return 0;
	words[n] = '\0';
	return -ENOSPC;
}

/* A link-local address alone is a port of a bridge or the like, no network that we route. */
static bool has_address(const struct route_view *v, uint32_t index)
{
	for (uint32_t i = 0; i < v->n_prefixes; i++)
		if (v->prefixes[i].index == index && !addr_is_link_local(&v->prefixes[i].own))
			return true;
	return false;
}

/* Named ones count though they are not there yet: the rules match by name. */
static int add_named(const struct route_view *v, const char *named, char *out, char *absent)
{
	char words[ROUTE_WORDS], *rest = words, *word;
	int rc = 0;

	snprintf(words, sizeof words, "%s", named);
	while ((word = strsep(&rest, " "))) {
		bool there = false;

		if (!*word || strcmp(word, "auto") == 0)
			continue;
		for (uint32_t i = 0; i < v->n_ifaces; i++)
			there = there || strcmp(v->ifaces[i].name, word) == 0;
		if (out && add_word(out, word) != 0)
			rc = -ENOSPC;
		if (!there && add_word(absent, word) != 0)
			rc = -ENOSPC;
	}
	return rc;
}

/* Letters that iptables-restore and the rules' parameters hold without quotes. */
static bool is_plain(const char *name)
{
	return name[0] != '-' &&
	       strspn(name,
		       "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.@:+-") ==
		       strlen(name);
}

bool route_is_inner(const char *name)
{
	static const char *const heads[] = {"docker", "veth", "virbr", "vnet", "lxc", "lxd",
		"incus", "podman", "cni", "flannel", "cali", "wg", "tun", "tap", "tailscale", "zt"};

	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		if (strncmp(name, heads[i], strlen(heads[i])) == 0)
			return true;
	return strncmp(name, "br-", 3) == 0 && strlen(name) == 15 &&
	       strspn(name + 3, "0123456789abcdef") == 12; /* br-1a2b3c4d5e6f: Docker's */
}

static bool is_client(const struct route_view *v, const struct route_iface *f, const char *clients,
	const struct route_sides *s)
{
	if (has_word(clients, f->name))
		return true;
	return has_word(clients, "auto") && f->up && !f->loopback &&
	       !has_word(s->uplinks, f->name) && has_address(v, f->index);
}

static bool advertised_only(const struct route_iface *f, const struct route_sides *before)
{
	return f->default_ra && !f->default_v4 && before && before->uplinks[0] &&
	       has_word(before->clients, f->name);
}

/* A default route leaves there, and nothing speaks against it. */
static bool is_uplink(const struct route_view *v, const struct route_iface *f, const char *clients,
	const struct route_sides *before, struct route_sides *out)
{
	if (f->loopback || !is_plain(f->name) || has_word(clients, f->name))
		return false;
	if (!f->default_v4 && !(f->default_v6 && v->forwards_v6))
		return false;
	if (!advertised_only(f, before))
		return true;
	add_word(out->doubtful, f->name);
	return false;
}

static uint32_t best_metric(const struct route_view *v, const struct route_sides *s)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < v->n_ifaces; i++)
		if (has_word(s->uplinks, v->ifaces[i].name) && v->ifaces[i].metric < best)
			best = v->ifaces[i].metric;
	return best;
}

/* Is a network of the house left beside the uplinks? */
static bool house_left(const struct route_view *v, const char *clients, const struct route_sides *s)
{
	for (uint32_t i = 0; i < v->n_ifaces; i++) {
		const struct route_iface *f = &v->ifaces[i];

		if (is_client(v, f, clients, s) &&
			(has_word(clients, f->name) || !route_is_inner(f->name)))
			return true;
	}
	return false;
}

/* A backup route by a router of the clients' own network must not make that network an uplink. */
static void keep_the_best(
	const struct route_view *v, const char *clients, const char *named, struct route_sides *out)
{
	uint32_t best = best_metric(v, out);
	char kept[ROUTE_WORDS];

	if (house_left(v, clients, out) || best == UINT32_MAX)
		return;
	snprintf(kept, sizeof kept, "%s", out->uplinks);
	out->uplinks[0] = '\0';
	for (uint32_t i = 0; i < v->n_ifaces; i++) {
		const struct route_iface *f = &v->ifaces[i];
		bool up = has_word(kept, f->name);

		if (up && (f->metric == best || has_word(named, f->name)))
			add_word(out->uplinks, f->name);
		else if (up)
			add_word(out->doubtful, f->name);
	}
}

static int add_bridge(
	const struct route_view *v, const struct route_iface *f, struct route_sides *out)
{
	char word[IF_NAMESIZE + (MAC_TEXT + 1) * (ROUTE_BRIDGE_MACS + 1)], mac[MAC_TEXT];
	int n = snprintf(word, sizeof word, "%s=%s", f->name, mac_format(&f->mac, mac));
	unsigned macs = 1;

	for (uint32_t i = 0; i < v->n_ifaces; i++) {
		const struct route_iface *port = &v->ifaces[i];

		if (port->master != f->index)
			continue;
		if (++macs > ROUTE_BRIDGE_MACS)
			return 0; /* its frames are looked at like any packet */
		n += snprintf(
			word + n, sizeof word - (size_t)n, ",%s", mac_format(&port->mac, mac));
	}
	return add_word(out->bridges, word);
}

/* Without a network of the house of its own the clients are behind the uplink, and known by their prefix. */
static int add_own_nets(const struct route_view *v, struct route_sides *out)
{
	char word[ADDR_TEXT + 8], text[ADDR_TEXT];
	int rc = 0;

	for (uint32_t i = 0; i < v->n_prefixes; i++) {
		const struct route_prefix *p = &v->prefixes[i];
		const struct route_iface *f = route_view_iface(v, p->index);

		if (!f || !has_word(out->uplinks, f->name) || addr_is_link_local(&p->own))
			continue;
		snprintf(word, sizeof word, "%s/%u", addr_format(&p->net.net, text),
			p->net.bits - (addr_is_v4(&p->own) ? 96u : 0u));
		if (!has_word(out->own_nets, word) && add_word(out->own_nets, word) != 0)
			rc = -ENOSPC;
	}
	return rc;
}

static int add_clients(const struct route_view *v, const char *clients, struct route_sides *out)
{
	int rc = 0;

	for (uint32_t i = 0; i < v->n_ifaces; i++) {
		static const struct mac none;
		const struct route_iface *f = &v->ifaces[i];
		bool client = is_client(v, f, clients, out);

		if (!is_plain(f->name)) {
			if (client || f->bridge)
				rc = add_word(out->odd, f->name) ? -ENOSPC : rc;
			continue;
		}
		if (client && add_word(out->clients, f->name) != 0)
			rc = -ENOSPC;
		if (client && !mac_eq(&f->mac, &none) && add_word(out->switched, f->name) != 0)
			rc = -ENOSPC;
		if (f->bridge && add_bridge(v, f, out) != 0)
			rc = -ENOSPC;
	}
	return rc;
}

int route_sides_of(const struct route_view *v, const char *clients, const char *uplinks,
	const struct route_sides *before, struct route_sides *out)
{
	int rc, err;

	memset(out, 0, sizeof *out);
	rc = add_named(v, uplinks, out->uplinks, out->absent);
	for (uint32_t i = 0; i < v->n_ifaces && has_word(uplinks, "auto"); i++) {
		const struct route_iface *f = &v->ifaces[i];

		if (is_uplink(v, f, clients, before, out) && !has_word(out->uplinks, f->name) &&
			add_word(out->uplinks, f->name) != 0)
			rc = -ENOSPC;
	}
	keep_the_best(v, clients, uplinks, out);
	err = add_clients(v, clients, out);
	rc = rc ? rc : err;
	err = add_named(v, clients, NULL, out->absent);
	rc = rc ? rc : err;
	if (has_word(clients, "auto") && out->uplinks[0] && !house_left(v, clients, out))
		err = add_own_nets(v, out);
	return rc ? rc : err;
}
