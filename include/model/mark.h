/* SPDX-License-Identifier: GPL-3.0-or-later
 * mark.h - the bits of the packet and connection mark that are ours.
 *
 * Settings give one mask (`mark-mask`, default 0xff000000) of at least 8 neighbouring bits; bit n below is
 * lowest-bit-of-the-mask << n. Bits outside the mask are never touched. iptables/durward-rules computes the same.
 *
 *   REPLY     packet only: this packet goes from server to client (set by --ctdir REPLY before NFQUEUE)
 *   OWN       packet only: made by us (dialled by the proxy, sent by its listener and by what that accepted, injected);
 *             never intercepted. 0x02000000 with the default mask
 *   NOTRACK   packet only, with OWN: injected towards a client; bypasses conntrack
 *   TPROXY    packet only: diverted to a local socket; the policy route looks at it
 *   HELD      connection: seen by the dataplane, not final: every packet of it with payload is queued
 *   ALLOWED   connection: final for TCP (nothing is queued but a new SYN), for UDP all but QUIC long headers
 *   TENTATIVE connection, TCP: the hello was allowed; a ServerHello seen by the rules makes it ALLOWED
 *   REFUSED   connection: refused, and its server was sent a RST (which carries this bit); all that the server still says
 *             is queued, an empty segment too, and answered with a RST of the number that it waits for
 *
 * Of a TCP connection on an inspected port, together:
 *   none             found in mid-stream            HELD             its SYN was seen, nothing of it passed yet
 *   HELD TENTATIVE   undecided, bytes passed        TENTATIVE        allowed, the server has not answered
 *   ALLOWED          final                          HELD ALLOWED     plain HTTP: only the client's bytes are queued
 *   TENTATIVE REFUSED  cut: all of both sides is queued   HELD REFUSED  the same, but the client's empty segments (HTTP that waits)
 * A queued packet carries its connection's bits, REPLY, and OUTSIDE.
 *
 * The lowest three bits mean other things where those above cannot be:
 *   OUTSIDE   a queued packet: its flow entered by an uplink (a port forward); its client is no device of ours
 *   JUDGED    a packet behind the rules of FORWARD, and every packet that the dataplane lets pass: in `fail closed` nothing is
 *             forwarded without it (DURWARD-UNSEEN)
 *   ROUTED    (NOTRACK's bit) a packet between PREROUTING and FORWARD, in `fail closed`: the policy route refuses a packet
 *             that has neither it nor any other mark (netsetup/route.h)
 */
#ifndef MODEL_MARK_H
#define MODEL_MARK_H

#include <stdint.h>

enum mark_bit {
	MARK_REPLY = 1 << 0,
	MARK_JUDGED = MARK_REPLY,
	MARK_OWN = 1 << 1,
	MARK_OUTSIDE = MARK_OWN,
	MARK_NOTRACK = 1 << 2,
	MARK_ROUTED = MARK_NOTRACK,
	MARK_TPROXY = 1 << 3,
	MARK_HELD = 1 << 4,
	MARK_ALLOWED = 1 << 5,
	MARK_TENTATIVE = 1 << 6,
	MARK_REFUSED = 1 << 7,
};

static inline uint32_t mark_of(uint32_t mask, uint32_t bits)
{
	return (mask & -mask) * bits;
}

#endif
