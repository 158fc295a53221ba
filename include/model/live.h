/* SPDX-License-Identifier: GPL-3.0-or-later
 * live.h - the records of live flows, as they lie in memory that the supervisor makes: it outlives the dataplane that writes them.
 *
 *     head | flows records | flows short names | flows long names          a sealed memfd for each worker
 *
 * One dataplane at a time writes. The controller has a descriptor that can only be read, and a new dataplane finds what the last one left:
 * neither believes it. live_read() bounds every field; a record that is being written, or that its writer died over, is torn.
 *
 * Owns: the mapping. Thread: one writer; readers any. Fails: 0 or -errno; reading by result.
 */
#ifndef MODEL_LIVE_H
#define MODEL_LIVE_H

#include "base/layout.h"
#include "model/flow.h"
#include "model/ident.h"
#include "model/verdict.h"

enum { LIVE_SHORT = 63, LIVE_FLOWS_MIN = 16, LIVE_FLOWS_MAX = 1 << 24 };

enum live_cut {
	LIVE_GOES_ON,
	LIVE_ASKED, /* HTTP: the answer that is on its way ends, the next request is judged for itself */
	LIVE_CUT,
	LIVE_RESTORED, /* it goes on; the kernel's mark does not say so yet */
};

struct live {
	struct addr src, dst;
	WIDE uint64_t bytes
		[2]; /* the client's, its server's: as the kernel counts, with headers; of a relay without */
	WIDE uint64_t since_ms;	      /* UTC */
	uint32_t packets[2];	      /* stays at UINT32_MAX; of a relay 0 */
	uint32_t seq;		      /* odd while it is written */
	uint32_t born;		      /* another number for each record of a table */
	uint32_t name;		      /* number of the name + 1; 0 = none */
	uint32_t mark;		      /* of its client's packets: the bits that are not ours */
	uint32_t rule_line, revision; /* of the policy that judged it last, or cut it */
	uint32_t round;		      /* the reading of the kernel's table that showed it last */
	uint32_t told_round;	      /* the one before it was told */
	uint16_t sport, dport;
	uint16_t device; /* in that policy's image; NO_DEVICE */
	struct mac mac;
	uint8_t proto, path;
	uint8_t kind, source, app, anomaly; /* of struct ident */
	uint8_t cut;			    /* enum live_cut */
	uint8_t refuse;			    /* enum refuse, of a cut one */
	bool used : 1;
	bool has_mac : 1;
	bool outside : 1;
	bool ech : 1;
	bool first : 1;	  /* judged at its first packet: no name can come */
	bool told : 1;	  /* the refusal of a cut flow is recorded */
	bool by_hand : 1; /* cut because somebody said so, whatever the policy says */
	bool unsure : 1;  /* an earlier dataplane's; the kernel's table has not shown it yet */
};
LAYOUT(struct live, 120);
_Static_assert(sizeof(struct live) <= 128, "a record is small");

struct live_head {
	WIDE uint64_t magic;
	uint32_t record, flows;
	uint32_t span; /* records that were ever used */
	uint32_t born; /* the newest */
	uint32_t
		tries; /* dataplanes that began with this table, and have not read the kernel's since */
};
LAYOUT(struct live_head, 32);
struct live_short {
	uint8_t n;
	char text[LIVE_SHORT];
};
LAYOUT(struct live_short, 64);
struct live_long {
	uint8_t n;
	char text[NAME_MAX_];
};
LAYOUT(struct live_long, 1 + NAME_MAX_);
struct live_map {
	struct live_head *head;
	struct live *at;
	struct live_short *shorts; /* names 0 .. flows - 1 */
	struct live_long *longs;   /* names flows .. 2 * flows - 1 */
	uint32_t flows;
	size_t bytes;
};

/* The supervisor's: an empty table for so many flows (LIVE_FLOWS_MIN..LIVE_FLOWS_MAX). Nobody but root opens it anew for writing.
 * *reader: the same, to read only. Both descriptors are the caller's. */
int live_create(uint32_t flows, int *fd, int *reader);
/* fd -1: memory of this process alone, for `flows`. Else the file says how many; the descriptor stays the caller's. What its
 * head says is checked by live_is_whole(). */
int live_map(int fd, bool writes, uint32_t flows, struct live_map *out);
void live_unmap(struct live_map *m); /* one of zeros is fine */
void live_clear(struct live_map *m); /* the head of an empty table is written */
bool live_is_whole(const struct live_map *m);

enum live_reading { LIVE_NONE, LIVE_READ, LIVE_TORN, LIVE_BAD };
/* Record `slot`, copied; its name, with a 0 behind it. Never reads beyond the mapping, whatever lies in it. slot < m->flows. */
enum live_reading live_read(
	const struct live_map *m, uint32_t slot, struct live *out, char name[static NAME_TEXT]);
/* The name's bytes where it lies. NULL: no such number. */
const char *live_name(const struct live_map *m, uint32_t name, uint8_t *n);

/* born << 32 | worker << 24 | slot */
static inline uint64_t live_id(uint8_t worker, uint32_t slot, uint32_t born)
{
	return (uint64_t)born << 32 | (uint64_t)worker << 24 | slot;
}

/* What a record says of its flow, and of how that was read. name: its n bytes, n < NAME_TEXT; *out is filled whole. */
void live_flow(const struct live *l, struct flow *out);
void live_ident_of(const struct live *l, const char *name, uint8_t n, struct ident *out);

#endif
