/* SPDX-License-Identifier: GPL-3.0-or-later
 * packet_edit.h - shortens a queued TCP packet before it goes on, or replaces bytes of it by as many others.
 *
 * The TCP checksum of a queued packet is either the sender's (if it is wrong, it stays wrong) or `partial`: the sum of the pseudo
 * header alone, which a network card would complete. An edited packet leaves with a complete checksum.
 *
 * Owns: nothing. Thread: any; pure. Fails: never. The packet was read by packet_parse(), is whole and no fragment, and k
 * describes these bytes. See: RFC 1071, RFC 1624, RFC 9293 3.1.
 */
#ifndef IDENTIFY_PACKET_EDIT_H
#define IDENTIFY_PACKET_EDIT_H

#include "identify/packet.h"

/* Cuts the payload off: options stay, lengths and checksums follow. Returns the bytes that are left. */
size_t packet_edit_trim(uint8_t *ip, const struct packet *k, bool partial);
/* The payload's byte `at` becomes c. With `partial` only the byte changes: packet_edit_sum() is to follow. */
void packet_edit_put(uint8_t *ip, const struct packet *k, size_t at, uint8_t c, bool partial);
/* Makes a partial checksum a full one. */
void packet_edit_sum(uint8_t *ip, const struct packet *k);

#endif
