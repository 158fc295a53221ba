/* SPDX-License-Identifier: GPL-3.0-or-later
 * refuse_icmp.c - builds the ICMP error "administratively prohibited", with the packet that it is about.
 *
 * Owns: nothing. Thread: any; pure. Fails: 0 bytes.
 * See: RFC 1122 3.2.2, RFC 4443 2.4 (what may not be answered), RFC 1812 4.3.2.3 (576 bytes), RFC 4443 2.4 (1280).
 */
#include "act/refuse.h"
#include "identify/packet.h"
#include "refuse_int.h"

enum { HEAD = 8, V4_TOTAL = 576, V6_TOTAL = 1280, V4_HEAD = 20, V6_HEAD = 40 };

static bool is_multicast(const struct addr *a)
{
	return addr_is_v4(a) ? a->b[12] >= 224
			     : a->b[0] == 0xff; /* and class E, and 255.255.255.255 */
}

static bool is_icmp_error(const struct packet *p)
{
	if (p->proto == IPPROTO_ICMPV6)
		return p->icmp_type < 128;
	if (p->proto != IPPROTO_ICMP)
		return false;
	return p->icmp_type == 3 || p->icmp_type == 4 || p->icmp_type == 5 || p->icmp_type == 11 ||
	       p->icmp_type == 12;
}

static bool may_answer(const struct packet *p)
{
	return p->first && !is_multicast(&p->dst) && !is_multicast(&p->src) &&
	       !addr_is_zero(&p->src) && !(addr_is_v4(&p->src) && p->src.b[12] == 0) &&
	       !addr_is_loopback(&p->src) && !is_icmp_error(p);
}

size_t refuse_icmp(struct slice packet, const struct addr *from, uint8_t *out, size_t cap)
{
	struct packet p;
	if (packet_parse(packet, &p) != PARSE_OK || !may_answer(&p))
		return 0;
	bool v4 = addr_is_v4(&p.src);
	const struct addr *src = from ? from : &p.dst;
	uint8_t proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	size_t most = v4 ? V4_TOTAL - V4_HEAD - HEAD : V6_TOTAL - V6_HEAD - HEAD;
	size_t quote = packet.n < most ? packet.n : most;
	size_t ip = refuse_ip_head(src, &p.src, proto, 0, HEAD + quote, out, cap);
	if (ip == 0)
		return 0;
	uint8_t *m = out + ip;
	memset(m, 0, HEAD);
	m[0] = v4 ? 3 : 1;  /* destination unreachable */
	m[1] = v4 ? 13 : 1; /* communication administratively prohibited */
	memcpy(m + HEAD, packet.p, quote);
	refuse_put16(m + 2, refuse_checksum(src, &p.src, v4 ? 0 : proto, m, HEAD + quote));
	return ip + HEAD + quote;
}
