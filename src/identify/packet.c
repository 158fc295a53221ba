/* SPDX-License-Identifier: GPL-3.0-or-later
 * packet.c - reads IP, TCP and UDP headers.
 *
 * Owns: nothing. Thread: any; pure. Fails: PARSE_INVALID. See: identify/packet.h.
 */
#include "identify/packet.h"

#include <netinet/in.h>

enum { TCP_OPT_END = 0, TCP_OPT_NOP = 1, TCP_OPT_MSS = 2, TCP_OPT_TS = 8, TCP_OPT_MD5 = 19 };
enum { TCP_OPT_AO = 29, TCP_OPT_MPTCP = 30, TCP_OPT_TFO = 34, TCP_OPT_EXPERIMENT = 254 };
enum { IPV6_EXT_MOBILITY = 135, IPV6_EXT_HIP = 139, IPV6_EXT_SHIM6 = 140 };

static void read_option(uint8_t kind, struct slice body, struct packet *out)
{
	struct cursor c = cursor_inner(body);

	switch (kind) {
	case TCP_OPT_MSS:
		if (body.n == 2)
			out->mss = cursor_u16(&c);
		break;
	case TCP_OPT_TS:
		if (body.n != 8)
			break;
		out->has_ts = true;
		out->ts_val = cursor_u32(&c);
		out->ts_ecr = cursor_u32(&c);
		break;
	case TCP_OPT_MD5:
		out->has_md5 = true;
		break;
	case TCP_OPT_AO:
		out->has_ao = true;
		break;
	case TCP_OPT_MPTCP:
		out->has_mptcp = true;
		break;
	case TCP_OPT_TFO:
		out->has_fastopen = true;
		break;
	case TCP_OPT_EXPERIMENT:
		out->has_fastopen |= body.n >= 2 && cursor_u16(&c) == 0xf989;
		break;
	}
}

/* A broken option list ends the walk, as in the kernel; it makes no segment invalid. */
static void read_options(struct slice options, struct packet *out)
{
	struct cursor c = cursor_inner(options);

	while (cursor_left(&c) > 0) {
		uint8_t kind = cursor_u8(&c), len;

		if (kind == TCP_OPT_END)
			return;
		if (kind == TCP_OPT_NOP)
			continue;
		len = cursor_u8(&c);
		if (len < 2)
			return;
		struct slice body = cursor_bytes(&c, len - 2u);
		if (!cursor_ok(&c))
			return;
		read_option(kind, body, out);
	}
}

static enum parse read_tcp(struct slice l4, struct packet *out)
{
	struct cursor c = cursor_inner(l4);
	uint8_t offset;

	out->sport = cursor_u16(&c);
	out->dport = cursor_u16(&c);
	out->seq = cursor_u32(&c);
	out->ack = cursor_u32(&c);
	offset = (uint8_t)((cursor_u8(&c) >> 4) * 4);
	out->flags = cursor_u8(&c);
	out->window = cursor_u16(&c);
	cursor_u16(&c); /* checksum: conntrack's business */
	out->urgent = cursor_u16(&c);
	if (!cursor_ok(&c) || offset < 20 || offset > l4.n)
		return PARSE_INVALID;
	out->l4_len = offset;
	read_options(slice_of(l4.p + 20, offset - 20u), out);
	out->payload = slice_of(l4.p + offset, l4.n - offset);
	return PARSE_OK;
}

static enum parse read_udp(struct slice l4, struct packet *out)
{
	struct cursor c = cursor_inner(l4);
	uint16_t len;

	out->sport = cursor_u16(&c);
	out->dport = cursor_u16(&c);
	len = cursor_u16(&c);
	cursor_u16(&c);
	if (!cursor_ok(&c) || (len != 0 && len < 8))
		return PARSE_INVALID;
	if (len > l4.n && !out->truncated && !out->fragment)
		return PARSE_INVALID;
	out->l4_len = 8;
	out->payload = slice_of(l4.p + 8, l4.n - 8);
	if (len != 0 && len < l4.n && !out->fragment)
		out->payload.n = len - 8u;
	return PARSE_OK;
}

static enum parse read_header(struct slice l4, struct packet *out)
{
	struct cursor c = cursor_inner(l4);

	out->payload = l4;
	if (!out->first)
		return PARSE_OK;
	switch (out->proto) {
	case IPPROTO_TCP:
		return read_tcp(l4, out);
	case IPPROTO_UDP:
		return read_udp(l4, out);
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		out->sport = cursor_u16(&c);
		out->dport = cursor_u16(&c);
		return c.status;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		out->icmp_type = cursor_u8(&c);
		out->icmp_code = cursor_u8(&c);
		return c.status;
	}
	return PARSE_OK;
}

/* A first fragment may be too short for its header: then it has no ports. */
static enum parse read_upper(struct slice l4, struct packet *out)
{
	if (read_header(l4, out) == PARSE_OK)
		return PARSE_OK;
	if (!out->fragment)
		return PARSE_INVALID;
	out->sport = out->dport = out->l4_len = 0;
	out->payload = l4;
	return PARSE_OK;
}

/* Length 0: a GSO packet of 64 KiB and more, or one captured before segmentation offload. */
static void trim(struct slice *ip, size_t declared, struct packet *out)
{
	if (declared == 0)
		return;
	if (declared > ip->n)
		out->truncated = true;
	else
		ip->n = declared;
}

static enum parse read_v4(struct slice ip, struct packet *out)
{
	struct cursor c = cursor_inner(ip);
	size_t header = (cursor_u8(&c) & 15u) * 4u, total;
	uint16_t frag;

	cursor_u8(&c);
	total = cursor_u16(&c);
	out->frag_id = cursor_u16(&c);
	frag = cursor_u16(&c);
	out->ttl = cursor_u8(&c);
	out->proto = cursor_u8(&c);
	cursor_u16(&c);
	struct slice src = cursor_bytes(&c, 4), dst = cursor_bytes(&c, 4);
	if (!cursor_ok(&c) || header < 20 || header > ip.n || (total != 0 && total < header))
		return PARSE_INVALID;
	out->src = addr_v4(src.p);
	out->dst = addr_v4(dst.p);
	out->fragment = (frag & 0x3fff) != 0;
	out->first = (frag & 0x1fff) == 0;
	out->frag_offset = (uint16_t)((frag & 0x1fff) * 8);
	out->frag_more = frag & 0x2000;
	out->frag_next = out->proto;
	out->frag_at = out->ip_len = (uint16_t)header;
	trim(&ip, total, out);
	return read_upper(slice_of(ip.p + header, ip.n - header), out);
}

static bool is_extension(uint8_t next)
{
	switch (next) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
	case IPV6_EXT_MOBILITY:
	case IPV6_EXT_HIP:
	case IPV6_EXT_SHIM6:
		return true;
	}
	return false;
}

/* One extension header. A hop-by-hop header stands only directly behind the IPv6 header. */
static void skip_extension(struct cursor *c, int nth, struct packet *out)
{
	uint8_t kind = out->proto, next = cursor_u8(c), len = cursor_u8(c);
	uint16_t word;

	if (kind == IPPROTO_HOPOPTS && nth > 0)
		cursor_fail(c);
	switch (kind) {
	case IPPROTO_FRAGMENT:
		word = cursor_u16(c);
		out->frag_id = cursor_u32(c);
		out->frag_offset = word & 0xfff8;
		out->frag_more = word & 1;
		out->frag_next = next;
		out->fragment |= (word & 0xfff9) != 0; /* an atomic one has no offset and no M */
		out->first &= (word & 0xfff8) == 0;
		break;
	case IPPROTO_AH:
		cursor_skip(c, (len + 2u) * 4u - 2);
		break;
	default:
		cursor_skip(c, (len + 1u) * 8u - 2);
	}
	out->proto = next;
}

static enum parse read_v6(struct slice ip, struct packet *out)
{
	struct cursor c = cursor_inner(ip);
	size_t len;
	int i;

	cursor_u32(&c);
	len = cursor_u16(&c);
	out->proto = cursor_u8(&c);
	out->ttl = cursor_u8(&c);
	struct slice src = cursor_bytes(&c, 16), dst = cursor_bytes(&c, 16);
	if (!cursor_ok(&c))
		return PARSE_INVALID;
	out->src = addr_v6(src.p);
	out->dst = addr_v6(dst.p);
	out->first = true;
	trim(&ip, len == 0 ? 0 : 40 + len, out);
	c = cursor_inner(slice_of(ip.p + 40, ip.n - 40));
	for (i = 0; out->first && is_extension(out->proto); i++) {
		if (i == PACKET_EXT_MAX)
			return PARSE_INVALID;
		bool fragments = out->proto == IPPROTO_FRAGMENT;

		skip_extension(&c, i, out);
		if (!cursor_ok(&c))
			return PARSE_INVALID;
		if (fragments)
			out->frag_at = (uint16_t)(ip.n - cursor_left(&c));
	}
	size_t header = ip.n - cursor_left(&c);
	out->ip_len = (uint16_t)header;
	return read_upper(slice_of(ip.p + header, ip.n - header), out);
}

enum parse packet_parse(struct slice ip, struct packet *out)
{
	*out = (struct packet){0};
	if (ip.n < 20)
		return PARSE_INVALID;
	switch (ip.p[0] >> 4) {
	case 4:
		return read_v4(ip, out);
	case 6:
		return read_v6(ip, out);
	}
	return PARSE_INVALID;
}
