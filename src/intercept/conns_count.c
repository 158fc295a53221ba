/* SPDX-License-Identifier: GPL-3.0-or-later
 * conns_count.c - what a connection has carried, as the kernel's table says it (nf_conntrack_acct).
 *
 * Owns: nothing. Thread: any. Fails: by result. See: ctnetlink_dump_counters() in net/netfilter/nf_conntrack_netlink.c.
 */
#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "conns_int.h"

bool conns_count(const struct nlattr *nest, uint64_t *bytes, uint64_t *packets)
{
	const struct nlattr *a;
	bool got[2] = {false, false};

	mnl_attr_for_each_nested(a, nest)
	{
		uint16_t type = mnl_attr_get_type(a);

		if (mnl_attr_get_payload_len(a) != sizeof(uint64_t))
			continue;
		if (type == CTA_COUNTERS_BYTES) {
			*bytes = be64toh(mnl_attr_get_u64(a));
			got[0] = true;
		} else if (type == CTA_COUNTERS_PACKETS) {
			*packets = be64toh(mnl_attr_get_u64(a));
			got[1] = true;
		}
	}
	return got[0] && got[1];
}
