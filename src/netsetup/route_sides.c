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

static bool is_client(const struct route_view *v, const struct route_iface *f, const char *clients,
	const struct route_sides *s)
{
	if (has_word(clients, f->name))
		return true;
	return has_word(clients, "auto") && f->up && !f->loopback &&
	       !has_word(s->uplinks, f->name) && has_address(v, f->index);
}

static int add_bridge(const struct route_iface *f, struct route_sides *out)
{
	char word[IF_NAMESIZE + MAC_TEXT + 1], mac[MAC_TEXT];

	snprintf(word, sizeof word, "%s=%s", f->name, mac_format(&f->mac, mac));
	return add_word(out->bridges, word);
}

/* Without a client interface the clients are behind the uplink's own, and known by their prefix. */
static int add_own_nets(const struct route_view *v, struct route_sides *out)
{
	char word[ADDR_TEXT + 8], text[ADDR_TEXT];
	int rc = 0;

	for (uint32_t i = 0; i < v->n_prefixes; i++) {
		const struct route_prefix *p = &v->prefixes[i];
		const struct route_iface *f = route_view_iface(v, p->index);

		if (!f || !has_word(out->uplinks, f->name))
			continue;
		snprintf(word, sizeof word, "%s/%u", addr_format(&p->net.net, text),
			p->net.bits - (addr_is_v4(&p->own) ? 96u : 0u));
		if (add_word(out->own_nets, word) != 0)
			rc = -ENOSPC;
	}
	return rc;
}

int route_sides_of(const struct route_view *v, const char *clients, const char *uplinks,
	struct route_sides *out)
{
	int rc = 0, err;

	memset(out, 0, sizeof *out);
	err = add_named(v, uplinks, out->uplinks, out->absent);
	for (uint32_t i = 0; i < v->n_ifaces && has_word(uplinks, "auto"); i++) {
		const struct route_iface *f = &v->ifaces[i];

		if ((f->default_v4 || f->default_v6) && !f->loopback &&
			!has_word(clients, f->name) && !has_word(out->uplinks, f->name) &&
			add_word(out->uplinks, f->name) != 0)
			rc = -ENOSPC;
	}
	rc = rc ? rc : err;
	for (uint32_t i = 0; i < v->n_ifaces; i++) {
		const struct route_iface *f = &v->ifaces[i];

		if (is_client(v, f, clients, out) && add_word(out->clients, f->name) != 0)
			rc = -ENOSPC;
		if (f->bridge && add_bridge(f, out) != 0)
			rc = -ENOSPC;
	}
	err = add_named(v, clients, NULL, out->absent);
	if (!err && !out->clients[0] && !out->absent[0])
		err = add_own_nets(v, out);
	return rc ? rc : err;
}
