/* SPDX-License-Identifier: GPL-3.0-or-later
 * tbl/kernel_faults.h - faults of Linux that meet what Durward does, one row a range of versions (X-macro).
 *
 * KERNEL_FAULT(id, major, minor, first, last, weight, words)
 *   MAJOR.MINOR.FIRST up to and with MAJOR.MINOR.LAST, 65535 = no fixed one is known
 *   weight: BAD for what can hurt, INFO for what Durward knows how to avoid
 * A distribution may have fixed its own earlier.
 */
#ifdef KERNEL_FAULT
#define QUEUE_HASH                                                                                 \
	"verdicts of packet queues go through a hash table that all queues share, and may use "    \
	"freed "                                                                                   \
	"memory: the kernel may crash"
KERNEL_FAULT(QUEUE_HASH_6_12, 6, 12, 75, 82, BAD, QUEUE_HASH)
KERNEL_FAULT(QUEUE_HASH_6_18, 6, 18, 14, 23, BAD, QUEUE_HASH)
KERNEL_FAULT(QUEUE_HASH_6_19, 6, 19, 4, 13, BAD, QUEUE_HASH)
#undef QUEUE_HASH
#define QUEUE_GSO                                                                                  \
	"joined UDP packets are dropped whole by a packet queue that does not take them; "         \
	"Durward's "                                                                               \
	"takes them, other programs' may not"
KERNEL_FAULT(QUEUE_GSO_6_1, 6, 1, 107, 65535, INFO, QUEUE_GSO)
KERNEL_FAULT(QUEUE_GSO_6_12, 6, 12, 0, 74, INFO, QUEUE_GSO)
KERNEL_FAULT(QUEUE_GSO_6_18, 6, 18, 0, 13, INFO, QUEUE_GSO)
#undef QUEUE_GSO
#endif
