/* SPDX-License-Identifier: GPL-3.0-or-later
 * foreign.h - rules of others that Durward meets on a gateway, read from what iptables-save and nft print.
 *
 * The functions are pure: they take text and give findings, and execute and change nothing. Our own rules (chains DURWARD-*,
 * jumps to them, tables durward*) are left out. A rule that cannot be read is left out, too: the search finds known conflicts,
 * and proves nothing when it finds none.
 *
 * Owns: nothing; a finding's texts live until tell() returns. Thread: any. Fails: never (out of memory: findings are
 * missing). Text: at most a few MB, from root's own tools; a line of more than 256 words is passed over.
 * See: iptables-save(8), iptables-extensions(8) (1.8.9); nft(8) 1.0.6 `nft -a list ruleset`.
 */
#ifndef NETSETUP_FOREIGN_H
#define NETSETUP_FOREIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum foreign_kind {
	FOREIGN_CONNMARK, /* writes bits of ours in the connection mark: verdicts are forged or forgotten */
	FOREIGN_MARK, /* writes bits of ours in the packet mark where a verdict is on its way */
	FOREIGN_MARK_EARLY, /* the same before routing, where ours are not set yet */
	FOREIGN_MARK_ROUTE, /* nft, before routing and behind iptables' chains: may wipe the mark that `fail closed` asks for */
	FOREIGN_IN_FRONT, /* stands before our jump and lets packets past it */
	FOREIGN_DROP,	  /* nft: a base chain of the box's own traffic that drops by policy */
	FOREIGN_OFFLOAD,  /* a flowtable: established connections pass by every rule */
	FOREIGN_QUEUE,	  /* another program's NFQUEUE in the forwarding path */
	FOREIGN_DOCKER, /* FORWARD drops by policy and Docker made it so: devices need a rule of their own */
	FOREIGN_TAKES_WEB, /* REDIRECT, DNAT or TPROXY of port 80 or 443: those connections never come to us */
	FOREIGN_NAT, /* masquerading: there is NAT on this box */
};

struct foreign {
	enum foreign_kind kind;
	const char *rule; /* as its tool prints it, with table and chain */
	const char *fix;  /* a command; "" where there is none */
};

struct foreign_in {
	struct slice text; /* what the tool printed */
	const char *
		tool; /* the command that changes these rules: "iptables", "ip6tables-legacy", ... */
	uint32_t ours; /* the setting mark-mask */
	void (*tell)(void *user, const struct foreign *f);
	void *user;
	uint32_t used; /* out, added to: mark bits that rules of others name */
};

void foreign_iptables(struct foreign_in *in); /* text of iptables-save (all tables) */
void foreign_nft(struct foreign_in
		*in); /* text of `nft -a list ruleset`; tables of iptables are passed over */

/* 8 neighbouring bits that nobody names, whole bytes and the highest first; 0: there are none. */
uint32_t foreign_free_mask(uint32_t used);

#endif
