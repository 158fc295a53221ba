/* SPDX-License-Identifier: GPL-3.0-or-later
 * capture_int.h - reading captures: packets out of files, flows out of packets.
 *
 * Thread: one.
 */
#ifndef CTL_CAPTURE_INT_H
#define CTL_CAPTURE_INT_H

#include <stdio.h>

#include "base/strbuf.h"
#include "identify/packet.h"
#include "model/ident.h"

/* --- capture_open.c: what is used of zlib --- */

struct capture_file;
struct capture_file *capture_open(
	const char *path, char failure[static 256]); /* "-": standard input */
FILE *capture_stream(
	struct capture_file *f); /* whoever takes it closes it, before capture_close() */
bool capture_close(
	struct capture_file *f, char failure[static 256]); /* false: not read to its end */

/* --- capture.c: what is used of libpcap --- */

/* Calls packet() for each IP packet of a pcap or pcapng file, also one that gzip made smaller, from its IP header on; at_ms
 * is the capture's clock. Frames that hold no IP are passed over. False and *failure when the file cannot be read to its
 * end. */
bool capture_read(const char *path, void (*packet)(void *user, struct slice ip, uint64_t at_ms),
	void *user, char failure[static 256]);

/* From a link-layer frame to the IP header; n 0 when it holds no IP. dlt: libpcap's DLT_. */
struct slice capture_link(int dlt, struct slice frame);

/* From a GRE header (version 0, or PPTP's 1) to the IP header inside; n 0 when it holds no IP. */
struct slice capture_gre(struct slice gre);

/* --- capture_defrag.c: IP packets out of raw fragments; the first copy of a byte wins --- */

struct defrag;
struct defrag *defrag_new(void); /* NULL: no memory */
void defrag_free(struct defrag *d);
/* Takes the fragment p of packet `ip`. The whole packet, valid until the next call, once it is complete; else n 0. */
struct slice defrag_add(struct defrag *d, struct slice ip, const struct packet *p);

/* --- capture_flows.c --- */

struct capture_result { /* of one flow */
	enum app_proto app;
	struct addr src, dst; /* client first */
	uint16_t sport, dport;
	struct ident ident;  /* the judged kind: the first result's, or the first EVASIVE one's */
	struct strbuf names; /* JSON items, comma-separated: the bytes as sent */
	struct strbuf alpn;  /* JSON items */
};

struct capture_flows;
struct capture_flows *capture_flows_new(void); /* NULL: no memory */
void capture_flows_free(struct capture_flows *f);
void capture_flows_packet(struct capture_flows *f, struct slice ip, uint64_t at_ms);
/* Ends all flows and reports each that says where it goes, in order of their first packets. Then f is empty. */
void capture_flows_finish(struct capture_flows *f,
	void (*each)(void *user, const struct capture_result *r), void *user);

/* A JSON string of bytes: those outside printable ASCII as \u00XX. */
void capture_json(struct strbuf *b, struct slice bytes);

#endif
