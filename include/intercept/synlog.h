/* SPDX-License-Identifier: GPL-3.0-or-later
 * synlog.h - the first sequence number of each connection on an inspected port.
 *
 * A SYN is not queued, so it waits for nobody. But a stream's first number decides what its bytes mean (a server ignores a
 * segment below its window). So the rules copy each SYN to a log group, and this table keeps the numbers of the newest 131072
 * or so. A flood may push any of them out; then the number is unknown, and the caller must not guess.
 *
 *	prefix "first"   the first SYN of a tracked connection
 *	prefix "again"   a further SYN of the same connection
 *	prefix "mark"    a SYN to a proxied port that carries a mark of the owner's rules
 *
 * The last kind has another use: the connection that we open to the server must carry the owner's mark, too (a routing rule
 * may ask for it).
 *
 * A second SYN of one connection with another number makes it ambiguous: nobody knows which one the server took.
 *
 * Owns: the descriptor, the table. Thread: any (a mutex for reading, look-ups lock nothing). Fails: 0 or -errno.
 * See: net/netfilter/nfnetlink_log.c; rows P14, P20, P30.
 */
#ifndef INTERCEPT_SYNLOG_H
#define INTERCEPT_SYNLOG_H

#include "base/hash.h"
#include "model/flow.h"

struct synlog;

/* Binds the group; needs CAP_NET_ADMIN. *fd: CLOEXEC, not blocking, the caller's. -EBUSY: another process has it. */
int synlog_open(uint16_t group, int *fd);
int synlog_adopt(int fd, const struct hash_key *key, struct synlog **out);
void synlog_free(struct synlog *l); /* NULL is fine. For tests: a dataplane has it to its end */
int synlog_fd(const struct synlog *l);
int synlog_read(struct synlog *l); /* all that waits; how many messages, or -errno */

enum synlog_says { SYNLOG_UNKNOWN, SYNLOG_KNOWN, SYNLOG_AMBIGUOUS };
/* f: original direction. Reads first what waits. */
enum synlog_says synlog_find(struct synlog *l, const struct flow *f, uint32_t *isn);
/* The same, for who has read since the packet that asks was taken out of its queue: the copy of a SYN that passed before it
 * was logged before it was queued. */
enum synlog_says synlog_look(struct synlog *l, const struct flow *f, uint32_t *isn);
/* Changes with each first SYN of this tuple (and, seldom, of another): the same number is not the same connection. */
uint32_t synlog_count(struct synlog *l, const struct flow *f);
/* The mark that a connection's SYN bore, once (the next one of this tuple may bear none); 0: none is known. */
uint32_t synlog_take_mark(struct synlog *l, const struct flow *f);
/* For tests: what a logged SYN does. ip: from its IP header on. */
void synlog_note_mark(struct synlog *l, struct slice ip, uint32_t mark);
void synlog_note(struct synlog *l, struct slice ip, bool again);

#endif
