/* SPDX-License-Identifier: GPL-3.0-or-later
 * route.c - the policy route of the proxy path. The door of libnl-route.
 *
 * Rules are found by priority and table together, so that a neighbour's rule of the same priority stays.
 *
 * Owns: nothing; each call has its own socket. Thread: any. Fails: 0 or -errno. See: rtnetlink(7), ip-rule(8).
 */
#include "netsetup/route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>

#include "route_int.h"

int route_errno(int nlerr)
{
	switch (-nlerr) {
	case NLE_SUCCESS:
		return 0;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_PERM:
		return -EPERM;
	case NLE_NOACCESS:
		return -EACCES;
	case NLE_OBJ_NOTFOUND:
	case NLE_NODEV:
		return -ENOENT;
	case NLE_EXIST:
		return -EEXIST;
	case NLE_INVAL:
	case NLE_RANGE:
		return -EINVAL;
	case NLE_AF_NOSUPPORT:
	case NLE_OPNOTSUPP:
	case NLE_PROTO_MISMATCH:
		return -EAFNOSUPPORT;
	case NLE_BUSY:
		return -EBUSY;
	default:
		return -EIO;
	}
}

int route_socket(struct nl_sock **out)
{
	struct nl_sock *s = nl_socket_alloc();
	int err;

	if (!s)
		return -ENOMEM;
	err = nl_connect(s, NETLINK_ROUTE);
	if (err) {
		nl_socket_free(s);
		return route_errno(err);
	}
	*out = s;
	return 0;
}

/* ip [-6] rule: pref P lookup N [fwmark M/M] */
static struct rtnl_rule *rule_new(const struct route_policy *p, int family, bool with_mark)
{
	struct rtnl_rule *r = rtnl_rule_alloc();

	if (!r)
		return NULL;
	rtnl_rule_set_family(r, family);
	rtnl_rule_set_prio(r, p->priority);
	rtnl_rule_set_table(r, p->table);
	rtnl_rule_set_action(r, FR_ACT_TO_TBL);
	if (with_mark) {
		rtnl_rule_set_mark(r, p->mark);
		rtnl_rule_set_mask(r, p->mark);
	}
	return r;
}

static int rule_add(struct nl_sock *s, const struct route_policy *p, int family)
{
	struct rtnl_rule *r = rule_new(p, family, true);
	int err;

	if (!r)
		return -ENOMEM;
	err = rtnl_rule_add(s, r, NLM_F_EXCL);
	rtnl_rule_put(r);
	return route_errno(err);
}

/* All of them: a crash between two starts, or another mark, leaves more than one. */
static int rules_delete(struct nl_sock *s, const struct route_policy *p, int family)
{
	struct rtnl_rule *r = rule_new(p, family, false);
	int err = 0;

	if (!r)
		return -ENOMEM;
	for (int i = 0; i < 1000 && !err; i++)
		err = route_errno(rtnl_rule_delete(s, r, 0));
	rtnl_rule_put(r);
	return err == -ENOENT ? 0 : err;
}

/* local default dev lo table N */
static int route_new(const struct route_policy *p, int family, struct rtnl_route **out)
{
	unsigned lo = if_nametoindex("lo");
	struct rtnl_route *r = rtnl_route_alloc();
	struct rtnl_nexthop *nh = rtnl_route_nh_alloc();
	struct nl_addr *any = NULL;

	if (!r || !nh || !lo || nl_addr_parse("default", family, &any) < 0) {
		if (r)
			rtnl_route_put(r);
		if (nh)
			rtnl_route_nh_free(nh);
		return lo ? -ENOMEM : -ENODEV;
	}
	rtnl_route_set_family(r, (uint8_t)family);
	rtnl_route_set_type(r, RTN_LOCAL);
	rtnl_route_set_scope(r, family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE);
	rtnl_route_set_table(r, p->table);
	rtnl_route_set_protocol(r, RTPROT_STATIC);
	rtnl_route_set_dst(r, any);
	rtnl_route_nh_set_ifindex(nh, (int)lo);
	rtnl_route_add_nexthop(r, nh);
	nl_addr_put(any);
	*out = r;
	return 0;
}

static int route_change(struct nl_sock *s, const struct route_policy *p, int family, bool add)
{
	struct rtnl_route *r;
	int err = route_new(p, family, &r);

	if (err)
		return err;
	if (add)
		err = route_errno(rtnl_route_add(s, r, NLM_F_REPLACE));
	else
		err = route_errno(rtnl_route_delete(s, r, 0));
	rtnl_route_put(r);
	return !add && err == -ENOENT ? 0 : err;
}

static int family_up(struct nl_sock *s, const struct route_policy *p, int family)
{
	int err = rules_delete(s, p, family);

	if (!err)
		err = route_change(s, p, family, true);
	if (!err)
		err = rule_add(s, p, family);
	return err;
}

static int family_down(struct nl_sock *s, const struct route_policy *p, int family)
{
	int err = rules_delete(s, p, family), err2 = route_change(s, p, family, false);

	return err ? err : err2;
}

/* IPv6 not in the kernel, or switched off by sysctl: then there is nothing to divert. */
static int forgive_v6(int err)
{
	return err == -EAFNOSUPPORT || err == -EACCES || err == -ENODEV ? 0 : err;
}

static int both(const struct route_policy *p,
	int (*change)(struct nl_sock *, const struct route_policy *, int))
{
	struct nl_sock *s;
	int err, err6;

	if (p->table == 0 || p->table > 65535 || (p->table >= 253 && p->table <= 255) ||
		p->priority == 0 || p->priority > 32765 || p->mark == 0)
		return -EINVAL;
	if ((err = route_socket(&s)))
		return err;
	err = change(s, p, AF_INET);
	err6 = forgive_v6(change(s, p, AF_INET6));
	nl_socket_free(s);
	return err ? err : err6;
}

int route_policy_up(const struct route_policy *p)
{
	return both(p, family_up);
}

int route_policy_down(const struct route_policy *p)
{
	return both(p, family_down);
}

static bool rule_is_there(struct nl_sock *s, const struct route_policy *p, int family)
{
	struct nl_cache *all;
	bool found = false;

	if (rtnl_rule_alloc_cache(s, family, &all) < 0)
		return false;
	for (struct nl_object *o = nl_cache_get_first(all); o; o = nl_cache_get_next(o)) {
		struct rtnl_rule *r = (struct rtnl_rule *)o;

		if (rtnl_rule_get_family(r) == family && rtnl_rule_get_prio(r) == p->priority &&
			rtnl_rule_get_table(r) == p->table && rtnl_rule_get_mark(r) == p->mark)
			found = true;
	}
	nl_cache_free(all);
	return found;
}

static bool route_is_there(struct nl_sock *s, const struct route_policy *p, int family)
{
	struct nl_cache *all;
	bool found = false;

	if (rtnl_route_alloc_cache(s, family, 0, &all) < 0)
		return false;
	for (struct nl_object *o = nl_cache_get_first(all); o; o = nl_cache_get_next(o)) {
		struct rtnl_route *r = (struct rtnl_route *)o;

		if (rtnl_route_get_table(r) == p->table && rtnl_route_get_type(r) == RTN_LOCAL)
			found = true;
	}
	nl_cache_free(all);
	return found;
}

int route_policy_check(const struct route_policy *p)
{
	struct nl_sock *s;
	int err = route_socket(&s);
	bool v4, v6;

	if (err)
		return err;
	v4 = rule_is_there(s, p, AF_INET) && route_is_there(s, p, AF_INET);
	v6 = rule_is_there(s, p, AF_INET6) && route_is_there(s, p, AF_INET6);
	nl_socket_free(s);
	return v4 && (v6 || !route_has_v6()) ? 0 : -ENOENT;
}
