/* SPDX-License-Identifier: GPL-3.0-or-later
 * idn.h - a host name a person wrote, made canonical: UTS 46 non-transitional to A-labels, then model/hostname.h.
 *
 * ASCII labels with '_', or with "--" in places 3 and 4, are valid as they are; A-labels ("xn--") are checked.
 * Owns: nothing. Thread: any. Fails: by enum. See: policy.md "Exactly" 20, Unicode UTS 46, RFC 5891.
 */
#ifndef CONF_IDN_H
#define CONF_IDN_H

#include "model/hostname.h"

enum idn {
	IDN_OK,
	IDN_EMPTY,
	IDN_ADDRESS,	/* an IP literal */
	IDN_BAD,	/* no host name */
	IDN_BAD_ALABEL, /* a label that begins with xn-- and stands for nothing */
};

/* out and *len are set for OK and ADDRESS. */
enum idn idn_canonical(struct slice in, char out[static NAME_TEXT], uint8_t *len);

#endif
