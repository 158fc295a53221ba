/* SPDX-License-Identifier: GPL-3.0-or-later
 * capture.c - reads IP packets out of pcap and pcapng files. Only this file uses libpcap.
 *
 * Owns: one open capture at a time. Thread: one. Fails: false with words.
 * Source: https://www.tcpdump.org/linktypes.html
 */
#include <pcap/pcap.h>
#include <stdio.h>

#include "base/cursor.h"
#include "capture_int.h"

enum {
	TYPE_IPV4 = 0x0800,
	TYPE_IPV6 = 0x86dd,
	TYPE_VLAN = 0x8100,
	TYPE_QINQ = 0x88a8,
	TYPE_QINQ_OLD = 0x9100
};
enum {
	TYPE_MPLS = 0x8847,
	TYPE_PPP = 0x880b,
	TYPE_BRIDGED = 0x6558,
	TYPE_PPPOE = 0x8864,
	PPP_IPV4 = 0x0021,
	PPP_IPV6 = 0x0057,
	TAGS_MAX = 4,
	NFLOG_PAYLOAD = 9
};

static struct slice rest(const struct cursor *c)
{
	return cursor_ok(c) ? slice_of(c->p, cursor_left(c)) : slice_of(NULL, 0);
}

/* Behind a PPP protocol field, which may be one byte when it is odd. */
static struct slice ppp(struct cursor *c)
{
	uint16_t type = cursor_u8(c);

	if (type == 0xff) { /* address and control of HDLC framing */
		cursor_u8(c);
		type = cursor_u8(c);
	}
	if (!(type & 1))
		type = (uint16_t)(type << 8 | cursor_u8(c));
	return type == PPP_IPV4 || type == PPP_IPV6 ? rest(c) : slice_of(NULL, 0);
}

/* Labels down to the bottom of the stack; what follows tells itself by its first half byte. */
static struct slice mpls(struct cursor *c)
{
	struct slice ip;

	while (cursor_ok(c) && !(cursor_u32(c) & 0x100))
		;
	ip = rest(c);
	return ip.n > 0 && (ip.p[0] >> 4 == 4 || ip.p[0] >> 4 == 6) ? ip : slice_of(NULL, 0);
}

/* Behind an EtherType: tags and PPPoE taken off. */
static struct slice ether(struct cursor *c, uint16_t type)
{
	for (int tags = 0; tags < TAGS_MAX; tags++) {
		switch (type) {
		case TYPE_IPV4:
		case TYPE_IPV6:
			return rest(c);
		case TYPE_VLAN:
		case TYPE_QINQ:
		case TYPE_QINQ_OLD:
			cursor_u16(c);
			type = cursor_u16(c);
			break;
		case TYPE_MPLS:
			return mpls(c);
		case TYPE_PPPOE:
			cursor_skip(c, 6);
			return ppp(c);
		default:
			return slice_of(NULL, 0);
		}
	}
	return slice_of(NULL, 0);
}

/* A family number in some host's byte order: 2, or the various AF_INET6. */
static struct slice null_link(struct cursor *c)
{
	cursor_u32(c);
	return rest(c);
}

/* What the NFLOG target copies: attributes in the byte order of the machine (libpcap has turned them), the packet in one. */
static struct slice nflog(struct slice frame)
{
	size_t at = 4; /* family, version, group */

	while (frame.n >= at + 4) {
		uint16_t n, type;

		memcpy(&n, frame.p + at, sizeof n);
		memcpy(&type, frame.p + at + 2, sizeof type);
		if (n < 4 || n > frame.n - at)
			break;
		if (type == NFLOG_PAYLOAD)
			return slice_of(frame.p + at + 4, n - 4u);
		at += (n + 3u) & ~3u;
	}
	return slice_of(NULL, 0);
}

struct slice capture_link(int dlt, struct slice frame)
{
	struct cursor c = cursor_inner(frame);

	switch (dlt) {
	case DLT_EN10MB:
		cursor_skip(&c, 12);
		return ether(&c, cursor_u16(&c));
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6:
		return frame;
	case DLT_LINUX_SLL:
		cursor_skip(&c, 14);
		return ether(&c, cursor_u16(&c));
	case DLT_LINUX_SLL2: {
		uint16_t type = cursor_u16(&c);

		cursor_skip(&c, 18);
		return ether(&c, type);
	}
	case DLT_NULL:
	case DLT_LOOP:
		return null_link(&c);
	case DLT_PPP:
	case DLT_PPP_SERIAL:
		return ppp(&c);
	case DLT_NFLOG:
		return nflog(frame);
	case DLT_C_HDLC:
		cursor_u16(&c);
		return ether(&c, cursor_u16(&c));
	}
	return slice_of(NULL, 0);
}

struct slice capture_gre(struct slice gre)
{
	struct cursor c = cursor_inner(gre);
	uint16_t flags = cursor_u16(&c), type = cursor_u16(&c);

	cursor_skip(&c, flags & 0x8000 ? 4 : 0);	 /* checksum */
	cursor_skip(&c, flags & 0x2000 ? 4 : 0);	 /* key */
	cursor_skip(&c, flags & 0x1000 ? 4 : 0);	 /* sequence number */
	cursor_skip(&c, (flags & 0x87) == 0x81 ? 4 : 0); /* version 1: acknowledgement */
	if (flags & 0x4000)
		return slice_of(NULL, 0);
	if (type == TYPE_PPP)
		return ppp(&c);
	return type == TYPE_BRIDGED ? capture_link(DLT_EN10MB, rest(&c)) : ether(&c, type);
}

static bool read_all(pcap_t *p, void (*packet)(void *user, struct slice ip, uint64_t at_ms),
	void *user, char failure[static 256])
{
	struct pcap_pkthdr *header;
	const u_char *bytes;
	int rc, dlt = pcap_datalink(p);

	while ((rc = pcap_next_ex(p, &header, &bytes)) == 1) {
		struct slice ip = capture_link(dlt, slice_of(bytes, header->caplen));

		if (ip.n > 0)
			packet(user, ip,
				(uint64_t)header->ts.tv_sec * 1000 +
					(uint64_t)header->ts.tv_usec / 1000);
	}
	if (rc != PCAP_ERROR_BREAK)
		snprintf(failure, 256, "%.255s", pcap_geterr(p));
	return rc == PCAP_ERROR_BREAK;
}

bool capture_read(const char *path, void (*packet)(void *user, struct slice ip, uint64_t at_ms),
	void *user, char failure[static 256])
{
	char why[PCAP_ERRBUF_SIZE] = "";
	struct capture_file *f = capture_open(path, failure);
	pcap_t *p = f ? pcap_fopen_offline(capture_stream(f), why) : NULL;
	bool ok = p && read_all(p, packet, user, failure);

	if (!f)
		return false;
	if (p) {
		pcap_close(p); /* and the stream */
	} else {
		snprintf(failure, 256, "%.255s", why);
		fclose(capture_stream(f));
	}
	return capture_close(f, failure) && ok;
}
