/* SPDX-License-Identifier: GPL-3.0-or-later
 * kernel_faults.h - tells which known faults of Linux a machine's kernel has, by its version.
 *
 * Owns: nothing. Thread: any. Fails: kernel_version() is false for text without a version.
 * Source of the rows: tbl/kernel_faults.h.
 */
#ifndef NETSETUP_KERNEL_FAULTS_H
#define NETSETUP_KERNEL_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

struct kernel_version {
	unsigned major, minor, patch;
};

struct kernel_fault {
	bool bad;	   /* false: Durward knows how to avoid it */
	const char *words; /* static */
};

/* The upstream version. release: uname's ("6.1.0-40-amd64"), which Debian and Ubuntu leave at .0; version: uname's
 * ("#1 SMP PREEMPT_DYNAMIC Debian 6.1.153-1 (2025-09-20)"); signature: /proc/version_signature of Ubuntu ("Ubuntu
 * 5.15.0-91.101-generic 5.15.131") or "". */
bool kernel_version(const char *release, const char *version, const char *signature,
	struct kernel_version *out);

/* Up to max faults of that version; how many. */
size_t kernel_faults(const struct kernel_version *v, struct kernel_fault *out, size_t max);

#endif
