/* SPDX-License-Identifier: GPL-3.0-or-later
 * sys/cdefs.h - what libxcrypt's and libpcap's headers, as Debian builds them for glibc, want of it: musl has none.
 */
#ifndef PORTABLE_CDEFS_H
#define PORTABLE_CDEFS_H

#define __BEGIN_DECLS
#define __END_DECLS
#define __THROW
#define __nonnull(params)
#define __GNUC_PREREQ(a, b)  1
#define __GLIBC_PREREQ(a, b) 0

#endif
