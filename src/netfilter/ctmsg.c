/* SPDX-License-Identifier: GPL-3.0-or-later
 * ctmsg.c - reads entries of the kernel's connection table with libnetfilter_conntrack.
 *
 * Owns: see the header. Thread: any. Fails: see the header. Source: nfct_copy() of libnetfilter_conntrack.
 */
#include "netfilter/ctmsg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

int ctmsg_init(struct ctmsg *m)
{
	m->ct = nfct_new();
	m->empty = nfct_new();
	if (m->ct && m->empty)
		return 0;
	ctmsg_fini(m);
	return -ENOMEM;
}

void ctmsg_fini(struct ctmsg *m)
{
	if (m->ct)
		nfct_destroy(m->ct);
	if (m->empty)
		nfct_destroy(m->empty);
	m->ct = m->empty = NULL;
}

bool ctmsg_is_whole(const struct nlmsghdr *h, int left)
{
	return left >= (int)sizeof *h && h->nlmsg_len <= (uint32_t)left && mnl_nlmsg_ok(h, left) &&
	       h->nlmsg_len >= MNL_ALIGN(sizeof *h) + sizeof(struct nfgenmsg);
}

/* NFCT_CP_OVERRIDE is a copy of the bytes: it does not free what the target points to. */
static bool make_empty(struct ctmsg *m)
{
	if (m->ct && (nfct_attr_is_set(m->ct, ATTR_CONNLABELS) > 0 ||
			     nfct_attr_is_set(m->ct, ATTR_HELPER_INFO) > 0 ||
			     nfct_attr_is_set(m->ct, ATTR_SECCTX) > 0)) {
		nfct_destroy(m->ct);
		m->ct = NULL;
	}
	if (m->ct)
		nfct_copy(m->ct, m->empty, NFCT_CP_OVERRIDE);
	else
		m->ct = nfct_new();
	return m->ct != NULL;
}

static bool addr_get(const struct nf_conntrack *ct, enum nf_conntrack_attr v4,
	enum nf_conntrack_attr v6, struct addr *out)
{
	const void *a4 = nfct_get_attr(ct, v4), *a6 = a4 ? NULL : nfct_get_attr(ct, v6);

	if (!a4 && !a6)
		return false;
	*out = a4 ? addr_v4(a4) : addr_v6(a6);
	return true;
}

static uint16_t port_get(const struct nf_conntrack *ct, enum nf_conntrack_attr attr)
{
	return ntohs(nfct_get_attr_u16(ct, attr)); /* 0 when it is not set */
}

bool ctmsg_parse(struct ctmsg *m, const struct nlmsghdr *h, struct ctmsg_ends *out)
{
	if (!make_empty(m) || nfct_nlmsg_parse(h, m->ct) < 0)
		return false;
	if (!addr_get(m->ct, ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV6_SRC, &out->src) ||
		!addr_get(m->ct, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC, &out->dst))
		return false;
	out->sport = port_get(m->ct, ATTR_ORIG_PORT_SRC);
	out->dport = port_get(m->ct, ATTR_REPL_PORT_SRC);
	out->proto = nfct_get_attr_u8(m->ct, ATTR_ORIG_L4PROTO);
	return true;
}
