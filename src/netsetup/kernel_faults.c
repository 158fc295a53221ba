/* SPDX-License-Identifier: GPL-3.0-or-later
 * kernel_faults.c - reads a kernel's version, as distributions write it, and compares it with the rows of tbl/kernel_faults.h.
 *
 * Owns: nothing. Thread: any. Fails: false.
 */
#include "netsetup/kernel_faults.h"

#include <stdio.h>
#include <string.h>

static const struct row {
	unsigned major, minor, first, last;
	struct kernel_fault fault;
} rows[] = {
#define BAD  true
#define INFO false
#define KERNEL_FAULT(id, major, minor, first, last, weight, words)                                 \
	{major, minor, first, last, {weight, words}},
#include "tbl/kernel_faults.h"
#undef KERNEL_FAULT
#undef BAD
#undef INFO
};

/* "6.12.48-1 (2025)", "6.19" (patch 0); no version: false. */
static bool read(const char *text, struct kernel_version *out)
{
	struct kernel_version v = {0};

	if (!text || sscanf(text, "%u.%u.%u", &v.major, &v.minor, &v.patch) < 2)
		return false;
	*out = v;
	return true;
}

bool kernel_version(
	const char *release, const char *version, const char *signature, struct kernel_version *out)
{
	const char *debian = strstr(version, "Debian "), *last = strrchr(signature, ' ');

	if (debian && read(debian + strlen("Debian "), out))
		return true;
	if (last && read(last + 1, out))
		return true;
	return read(release, out);
}

size_t kernel_faults(const struct kernel_version *v, struct kernel_fault *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < sizeof rows / sizeof *rows && n < max; i++)
		if (rows[i].major == v->major && rows[i].minor == v->minor &&
			v->patch >= rows[i].first && v->patch <= rows[i].last)
			out[n++] = rows[i].fault;
	return n;
}
