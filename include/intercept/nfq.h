/* SPDX-License-Identifier: GPL-3.0-or-later
 * nfq.h - netfilter queues: the kernel asks about a packet, we answer with a verdict and a mark.
 *
 * The supervisor binds a queue, because the queue must outlive the dataplane; the dataplane adopts the inherited descriptor and reads it. A
 * descriptor has one queue, and a worker one descriptor.
 *
 * Owns: the descriptor, once bound or adopted. Thread: one at a time. Fails: 0 or -errno; lost messages (ENOBUFS) are
 * counted, never an error. See: net/netfilter/nfnetlink_queue.c; rows P05-P08.
 */
#ifndef INTERCEPT_NFQ_H
#define INTERCEPT_NFQ_H

#include "base/addr.h"

struct nfq;

struct nfq_config {
	uint16_t queue;
	uint32_t max_len;      /* packets waiting for a verdict; 0 = 4096 */
	bool fail_open;	       /* a full queue lets packets pass (NFQA_CFG_F_FAIL_OPEN) */
	uint32_t socket_bytes; /* receive buffer; 0 = 8 MiB */
};

/* Binds and configures a queue: needs CAP_NET_ADMIN. -EBUSY: another process holds it. */
int nfq_bind(const struct nfq_config *c, struct nfq **out);
/* Takes over an inherited descriptor of a queue already bound; the descriptor is *out's from here on (also on failure
 * it stays the caller's). */
int nfq_adopt(int fd, uint16_t queue, struct nfq **out);
/* The supervisor's commands on its copy of the descriptor. They wait for no answer: another process reads this socket. */
int nfq_send_unbind(int fd, uint16_t queue);
int nfq_send_bind(int fd, const struct nfq_config *c);	 /* again, after an unbind */
int nfq_send_config(int fd, const struct nfq_config *c); /* fail_open and max_len, in place */

int nfq_socket(const struct nfq *q);
void nfq_free(struct nfq *q); /* closes; NULL is fine. The queue dies with its last descriptor. */

enum nfq_hook { NFQ_PREROUTING, NFQ_INPUT, NFQ_FORWARD, NFQ_OUTPUT, NFQ_POSTROUTING };

struct nfq_packet {
	uint32_t id;
	uint8_t hook;  /* enum nfq_hook */
	uint32_t mark; /* of the packet, as the rules set it */
	bool has_mac;  /* the sender's link address: the client's own on the client side */
	struct mac mac;
	uint32_t indev, outdev;	 /* interface indexes, 0 = none */
	struct slice payload;	 /* from the IP header on */
	bool truncated;		 /* cap_len: the packet is longer than payload */
	bool checksum_not_ready; /* partial checksum: made by the card later */
	bool gso;		 /* a super-packet */
	uint32_t
		reading; /* which one brought it: all of one were queued before it ended; 0 = not said */
};

/* Reads what waits (at most `max` packets) and calls on_packet for each. The packet's bytes live for the call only.
 * Returns packets read, or -errno (-EAGAIN is 0). */
int nfq_read(struct nfq *q, int max, void (*on_packet)(void *user, const struct nfq_packet *p),
	void *user);

enum nfq_answer { NFQ_DROP = 0, NFQ_ACCEPT = 1, NFQ_REPEAT = 4 };
/* One verdict. with_mark: the packet's mark becomes `mark` (all 32 bits: keep foreign bits). */
int nfq_verdict(struct nfq *q, uint32_t id, enum nfq_answer a, bool with_mark, uint32_t mark);
/* Accepts with other bytes (from the IP header on) in place of the packet's; they may be fewer. They are copied. */
int nfq_verdict_edited(struct nfq *q, uint32_t id, uint32_t mark, struct slice bytes);
/* Verdicts given during a read go out now, ahead of what the caller is about to send by itself: a RST that overtook the
 * segments before it would be none for the server. q may be NULL. 0 or -errno. */
int nfq_flush(struct nfq *q);
/* After a restart: everything the dead dataplane had read and not answered is dropped. first_id: of the first message read
 * by us, or 0 when none waits (then all). */
int nfq_drop_before(struct nfq *q, uint32_t first_id);

struct nfq_stats {
	uint64_t packets, verdicts, overruns;
	uint64_t verdicts_failed; /* not sent, or the packet was gone (its device went down) */
	uint64_t errors;	  /* messages of the kernel that could not be read */
};
void nfq_stats(const struct nfq *q, struct nfq_stats *out);

#endif
