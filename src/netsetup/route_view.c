/* SPDX-License-Identifier: GPL-3.0-or-later
 * route_view.c - what the gateway's interfaces are: connected prefixes, and where the default routes leave.
 *
 * Owns: nothing; each call has its own socket. Thread: any. Fails: 0 or -errno. See: rtnetlink(7).
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>
#include <stdio.h>
#include <unistd.h>

#include "netsetup/route.h"

#include "route_int.h"

/* What a switch of /proc/sys begins with; `otherwise` where there is none. */
static char switch_at(const char *path, char otherwise)
{
	char c = otherwise;
	FILE *f = fopen(path, "re");

	if (!f)
		return otherwise;
	if (fread(&c, 1, 1, f) != 1)
		c = otherwise;
	fclose(f);
	return c;
}

static bool is_on(const char *path)
{
	return switch_at(path, '0') != '0';
}

bool route_has_v6(void)
{
	return switch_at("/proc/sys/net/ipv6/conf/lo/disable_ipv6", '1') == '0';
}

static struct route_iface *iface_of(struct route_view *v, uint32_t index)
{
	for (uint32_t i = 0; i < v->n_ifaces; i++)
		if (v->ifaces[i].index == index)
			return &v->ifaces[i];
	return NULL;
}

const struct route_iface *route_view_iface(const struct route_view *v, uint32_t index)
{
	return iface_of((struct route_view *)v, index);
}

static void add_iface(struct nl_object *o, void *arg)
{
	struct rtnl_link *l = (struct rtnl_link *)o;
	struct route_view *v = arg;
	unsigned flags = rtnl_link_get_flags(l);
	const char *name = rtnl_link_get_name(l), *kind = rtnl_link_get_type(l);
	struct nl_addr *hw = rtnl_link_get_addr(l);
	struct route_iface *i;

	if (v->n_ifaces == ROUTE_IFACES || !name)
		return;
	i = &v->ifaces[v->n_ifaces++];
	*i = (struct route_iface){.index = (uint32_t)rtnl_link_get_ifindex(l),
		.master = (uint32_t)rtnl_link_get_master(l),
		.metric = UINT32_MAX,
		.up = flags & IFF_UP,
		.loopback = flags & IFF_LOOPBACK,
		.bridge = kind && strcmp(kind, "bridge") == 0};
	snprintf(i->name, sizeof i->name, "%s", name);
	if (hw && nl_addr_get_len(hw) == sizeof i->mac.b)
		memcpy(i->mac.b, nl_addr_get_binary_addr(hw), sizeof i->mac.b);
}

static bool address_of(struct nl_addr *a, struct addr *out)
{
	unsigned len = a ? nl_addr_get_len(a) : 0;

	if (len == 4)
		*out = addr_v4(nl_addr_get_binary_addr(a));
	else if (len == 16)
		*out = addr_v6(nl_addr_get_binary_addr(a));
	return len == 4 || len == 16;
}

static void add_prefix(struct nl_object *o, void *arg)
{
	struct rtnl_addr *ra = (struct rtnl_addr *)o;
	struct route_view *v = arg;
	struct route_prefix *p = &v->prefixes[v->n_prefixes];
	unsigned bits = (unsigned)rtnl_addr_get_prefixlen(ra);

	if (v->n_prefixes == ROUTE_PREFIXES || !address_of(rtnl_addr_get_local(ra), &p->own))
		return;
	bits += addr_is_v4(&p->own) ? 96 : 0;
	if (bits > 128)
		return;
	p->net = (struct cidr){.net = p->own, .bits = (uint8_t)bits};
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = bits > i * 8 ? bits - i * 8 : 0;

		if (keep < 8)
			p->net.net.b[i] &= (uint8_t)(0xff00 >> keep);
	}
	p->index = (uint32_t)rtnl_addr_get_ifindex(ra);
	v->n_prefixes++;
}

static void add_default(struct route_iface *f, struct rtnl_route *r)
{
	bool v4 = rtnl_route_get_family(r) == AF_INET;
	bool told = rtnl_route_get_protocol(r) == RTPROT_RA;
	uint32_t metric = rtnl_route_get_priority(r);

	if (!v4)
		f->default_ra = told && (f->default_ra || !f->default_v6);
	if (rtnl_route_get_table(r) == RT_TABLE_MAIN) {
		if (v4 && !f->default_v4)
			f->metric = UINT32_MAX; /* of IPv6 until now */
		if ((v4 || !f->default_v4) && metric < f->metric)
			f->metric = metric;
	}
	*(v4 ? &f->default_v4 : &f->default_v6) = true;
}

/* A default route, or one half of it: VPNs add 0.0.0.0/1 and 128.0.0.0/1, or a table of their own. */
static void note_default(struct rtnl_route *r, struct route_view *v)
{
	struct nl_addr *dst = rtnl_route_get_dst(r);

	if (rtnl_route_get_table(r) == RT_TABLE_LOCAL || rtnl_route_get_type(r) != RTN_UNICAST)
		return;
	if (dst && nl_addr_get_prefixlen(dst) > 1)
		return;
	for (int i = 0; i < rtnl_route_get_nnexthops(r); i++) {
		struct rtnl_nexthop *nh = rtnl_route_nexthop_n(r, i);
		struct route_iface *f = iface_of(v, (uint32_t)rtnl_route_nh_get_ifindex(nh));

		if (f)
			add_default(f, r);
	}
}

static int note_route(struct nl_msg *message, void *view)
{
	struct rtnl_route *r;

	if (rtnl_route_parse(nlmsg_hdr(message), &r) == 0) {
		note_default(r, view);
		rtnl_route_put(r);
	}
	return NL_OK;
}

/* One route after the other: a router may have a million, and two of them matter. A family that the kernel lacks has none. */
static void read_routes(struct nl_sock *s, int family, struct route_view *v)
{
	nl_socket_modify_cb(s, NL_CB_VALID, NL_CB_CUSTOM, note_route, v);
	if (nl_rtgen_request(s, RTM_GETROUTE, family, NLM_F_DUMP) >= 0)
		nl_recvmsgs_default(s);
}

static void each(struct nl_cache *all, void (*f)(struct nl_object *, void *), struct route_view *v)
{
	nl_cache_foreach(all, f, v);
	nl_cache_free(all);
}

int route_view_read(struct route_view *out)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct nl_cache *all;
	struct nl_sock *s;
	int err = route_socket(&s);

	if (err)
		return err;
	memset(out, 0, sizeof *out);
	out->forwards_v6 = is_on("/proc/sys/net/ipv6/conf/all/forwarding");
	if ((err = rtnl_link_alloc_cache(s, AF_UNSPEC, &all)))
		goto out;
	each(all, add_iface, out);
	if ((err = rtnl_addr_alloc_cache(s, &all)))
		goto out;
	each(all, add_prefix, out);
	for (int i = 0; i < 2; i++)
		read_routes(s, families[i], out);
out:
	nl_socket_free(s);
	return route_errno(err);
}
