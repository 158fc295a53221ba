/* SPDX-License-Identifier: GPL-3.0-or-later
 * flow.c - the keys of a flow's path and protocol.
 *
 * Owns: nothing. Thread: any; pure. Fails: never.
 */
#include "model/flow.h"

#include <netinet/in.h>
#include <stdio.h>

const char *flow_path_key(enum flow_path p)
{
	switch (p) {
	case PATH_OTHER:
		return "other";
	case PATH_INSPECT:
		return "inspect";
	case PATH_PROXY:
		return "proxy";
	}
	return "?";
}

const char *flow_proto_key(uint8_t ipproto, char buf[static 16])
{
	switch (ipproto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmpv6";
	case IPPROTO_ESP:
		return "esp";
	default:
		snprintf(buf, 16, "%u", ipproto);
		return buf;
	}
}
