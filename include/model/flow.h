/* SPDX-License-Identifier: GPL-3.0-or-later
 * flow.h - one flow as forwarded: who, where to, and which path it takes.
 *
 * Owns: nothing; a plain value. Thread: any.
 */
#ifndef MODEL_FLOW_H
#define MODEL_FLOW_H

#include "base/addr.h"
#include "base/layout.h"

enum flow_path {
	PATH_OTHER,   /* any port: judged at its first packet, by address, protocol and port */
	PATH_INSPECT, /* NFQUEUE: judged by name */
	PATH_PROXY,   /* TPROXY: judged by name, relayed */
};

struct flow {
	struct addr src, dst;  /* client, original destination (after DNAT) */
	uint16_t sport, dport; /* host order; 0 where the protocol has none */
	uint8_t proto;	       /* IPPROTO_* */
	uint8_t path;	       /* enum flow_path */
	bool outside; /* it entered by an uplink: the client is none of the network's devices */
	bool has_mac;
	struct mac mac; /* the client's, as last seen on the wire; none from outside */
};
LAYOUT(struct flow, 46); /* in struct event */

const char *flow_path_key(enum flow_path p); /* "other" "inspect" "proxy" */
const char *flow_proto_key(
	uint8_t ipproto, char buf[static 16]); /* "tcp" "udp" "icmp" "icmpv6" "esp" or the number */

#endif
