/* SPDX-License-Identifier: GPL-3.0-or-later
 * route.c - the policy route of the proxy path. This file alone (with route_view.c) uses libnl-route.
 *
 * Rules are found by priority and table together, so that a neighbour's rule of the same priority stays.
 *
 * Owns: nothing; each call has its own socket. Thread: any. Fails: 0 or -errno. See: rtnetlink(7), ip-rule(8).
 */
#include "netsetup/route.h"

#include <dirent.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>
#include <stdio.h>
#include <string.h>

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

/* One `ip [-6] rule`; what is 0 is not said. */
struct rule {
	uint32_t priority, table, jump;
	uint32_t mark, mask;
	uint8_t action; /* FR_ACT_* */
	bool from_lo;
	bool marked;
};

static struct rtnl_rule *rule_new(const struct rule *what, int family)
{
	struct rtnl_rule *r = rtnl_rule_alloc();

	if (!r)
		return NULL;
	rtnl_rule_set_family(r, family);
	rtnl_rule_set_prio(r, what->priority);
	rtnl_rule_set_action(r, what->action);
	if (what->table)
		rtnl_rule_set_table(r, what->table);
	if (what->jump)
		rtnl_rule_set_goto(r, what->jump);
	if (what->from_lo)
		rtnl_rule_set_iif(r, "lo");
	if (what->marked) {
		rtnl_rule_set_mark(r, what->mark);
		rtnl_rule_set_mask(r, what->mask);
	}
	return r;
}

static int rule_add(struct nl_sock *s, const struct rule *what, int family)
{
	struct rtnl_rule *r = rule_new(what, family);
	int err;

	if (!r)
		return -ENOMEM;
	err = rtnl_rule_add(s, r, NLM_F_EXCL);
	rtnl_rule_put(r);
	return route_errno(err);
}

/* All of them: a crash between two starts, or another mark, leaves more than one. */
static int rules_delete(struct nl_sock *s, const struct rule *what, int family)
{
	struct rule any = *what;
	struct rtnl_rule *r;
	int err = 0;

	any.marked = false;
	r = rule_new(&any, family);
	if (!r)
		return -ENOMEM;
	for (int i = 0; i < 1000 && !err; i++)
		err = route_errno(rtnl_rule_delete(s, r, 0));
	rtnl_rule_put(r);
	return err == -ENOENT ? 0 : err;
}

/* The middle one of three, which the kernel's own questions (from lo) jump over: in the order in which they are added. */
enum { TRIPLE = 3 };
struct triple {
	struct rule r[TRIPLE];
};

static struct triple triple_of(uint32_t first, struct rule middle)
{
	middle.priority = first + 1;
	return (struct triple){{{.priority = first + 2, .action = FR_ACT_NOP},
		{.priority = first, .action = FR_ACT_GOTO, .jump = first + 2, .from_lo = true},
		middle}};
}

static struct triple policy_rules(const struct route_policy *p)
{
	return triple_of(p->priority - 1, (struct rule){.action = FR_ACT_TO_TBL,
						  .table = p->table,
						  .marked = true,
						  .mark = p->mark,
						  .mask = p->mark});
}

static struct triple hold_rules(uint32_t priority)
{
	return triple_of(priority,
		(struct rule){.action = FR_ACT_PROHIBIT, .marked = true, .mask = UINT32_MAX});
}

static int triple_down(struct nl_sock *s, const struct triple *t, int family)
{
	int rc = 0;

	for (int i = TRIPLE - 1; i >= 0; i--) {
		int err = rules_delete(s, &t->r[i], family);

		rc = rc ? rc : err;
	}
	return rc;
}

static int triple_up(struct nl_sock *s, const struct triple *t, int family)
{
	int rc = triple_down(s, t, family);

	for (int i = 0; i < TRIPLE && rc == 0; i++)
		rc = rule_add(s, &t->r[i], family);
	return rc;
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
	struct triple t = policy_rules(p);
	int err = route_change(s, p, family, true);

	return err ? err : triple_up(s, &t, family);
}

static int family_down(struct nl_sock *s, const struct route_policy *p, int family)
{
	struct triple t = policy_rules(p);
	int err = triple_down(s, &t, family), err2 = route_change(s, p, family, false);

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
		p->priority < 2 || p->priority > 32764 || p->mark == 0)
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

static bool rule_is_there(struct nl_cache *all, const struct rule *what, int family)
{
	for (struct nl_object *o = nl_cache_get_first(all); o; o = nl_cache_get_next(o)) {
		struct rtnl_rule *r = (struct rtnl_rule *)o;

		if (rtnl_rule_get_family(r) == family && rtnl_rule_get_prio(r) == what->priority &&
			rtnl_rule_get_action(r) == what->action &&
			(!what->table || rtnl_rule_get_table(r) == what->table) &&
			(!what->marked || rtnl_rule_get_mark(r) == what->mark))
			return true;
	}
	return false;
}

static bool triple_is_there(struct nl_sock *s, const struct triple *t, int family)
{
	struct nl_cache *all;
	bool there = true;

	if (rtnl_rule_alloc_cache(s, family, &all) < 0)
		return false;
	for (int i = 0; i < TRIPLE; i++)
		there = there && rule_is_there(all, &t->r[i], family);
	nl_cache_free(all);
	return there;
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
	struct triple t;
	bool v4, v6;

	if (err)
		return err;
	t = policy_rules(p);
	v4 = triple_is_there(s, &t, AF_INET) && route_is_there(s, p, AF_INET);
	v6 = triple_is_there(s, &t, AF_INET6) && route_is_there(s, p, AF_INET6);
	nl_socket_free(s);
	return v4 && (v6 || !route_has_v6()) ? 0 : -ENOENT;
}

/* Holds at other priorities: an earlier run's, with other settings. */
static void hold_sweep(struct nl_sock *s, uint32_t priority, int family)
{
	struct nl_cache *all;

	if (rtnl_rule_alloc_cache(s, family, &all) < 0)
		return;
	for (struct nl_object *o = nl_cache_get_first(all); o; o = nl_cache_get_next(o)) {
		struct rtnl_rule *r = (struct rtnl_rule *)o;
		uint32_t at = rtnl_rule_get_prio(r);
		struct triple t = hold_rules(at - 1);

		if (at > 1 && at != priority + 1 && rtnl_rule_get_family(r) == family &&
			rtnl_rule_get_action(r) == FR_ACT_PROHIBIT && rtnl_rule_get_mark(r) == 0 &&
			rtnl_rule_get_mask(r) == UINT32_MAX)
			triple_down(s, &t, family);
	}
	nl_cache_free(all);
}

static int hold_change(
	uint32_t priority, int (*change)(struct nl_sock *, const struct triple *, int))
{
	struct triple t;
	struct nl_sock *s;
	int err, err6;

	if (priority == 0 || priority > 32763)
		return -EINVAL;
	if ((err = route_socket(&s)))
		return err;
	hold_sweep(s, priority, AF_INET);
	hold_sweep(s, priority, AF_INET6);
	t = hold_rules(priority);
	err = change(s, &t, AF_INET);
	err6 = forgive_v6(change(s, &t, AF_INET6));
	nl_socket_free(s);
	return err ? err : err6;
}

int route_hold_up(uint32_t priority)
{
	return route_hold_check(priority) == 0 ? 0 : hold_change(priority, triple_up);
}

int route_hold_down(uint32_t priority)
{
	return hold_change(priority, triple_down);
}

int route_hold_check(uint32_t priority)
{
	struct triple t = hold_rules(priority);
	struct nl_sock *s;
	bool there;
	int err = route_socket(&s);

	if (err)
		return err;
	there = triple_is_there(s, &t, AF_INET) &&
		(!route_has_v6() || triple_is_there(s, &t, AF_INET6));
	nl_socket_free(s);
	return there ? 0 : -ENOENT;
}

static long number_at(const char *iface, const char *name)
{
	char path[160];
	long v = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%s/%s", iface, name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%ld", &v) != 1)
		v = 0;
	fclose(f);
	return v;
}

/* The greater of all's and the interface's own holds; `default` is of those to come. */
static bool any_rp_filter(void)
{
	DIR *d = opendir("/proc/sys/net/ipv4/conf");
	const struct dirent *e;
	bool any = false;

	while (d && !any && (e = readdir(d)))
		any = e->d_name[0] != '.' && strcmp(e->d_name, "default") != 0 &&
		      strcmp(e->d_name, "lo") != 0 && number_at(e->d_name, "rp_filter") != 0;
	if (d)
		closedir(d);
	return any;
}

static bool marks_choose_routes(struct nl_sock *s, uint32_t own)
{
	struct nl_cache *all;
	bool any = false;

	if (rtnl_rule_alloc_cache(s, AF_INET, &all) < 0)
		return true;
	for (struct nl_object *o = nl_cache_get_first(all); o; o = nl_cache_get_next(o)) {
		struct rtnl_rule *r = (struct rtnl_rule *)o;

		any = any || (rtnl_rule_get_mark(r) != 0 && rtnl_rule_get_mark(r) != UINT32_MAX &&
				     rtnl_rule_get_prio(r) != own);
	}
	nl_cache_free(all);
	return any;
}

int route_hold_needs_marks(uint32_t own)
{
	struct nl_sock *s;
	bool chosen;
	int err;

	if (!any_rp_filter() || number_at("all", "src_valid_mark") != 0)
		return 0;
	if ((err = route_socket(&s)))
		return err;
	chosen = marks_choose_routes(s, own);
	nl_socket_free(s);
	return chosen ? -EBUSY : 1;
}
