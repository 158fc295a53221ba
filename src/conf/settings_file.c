/* SPDX-License-Identifier: GPL-3.0-or-later
 * settings_file.c - the settings file as root obeys it, and the settings on their way to a child.
 *
 * Owns: nothing after return. Thread: one. Fails: see the door. See: memfd_create(2), fcntl(2) "File Sealing".
 */
#include "conf/settings_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/trust.h"
#include "conf/settings.h"

enum {
	FILE_MAX = 1 << 20,
	SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
};

struct sealed {
	WIDE uint64_t digest; /* of the program's version and the settings' bytes */
	struct settings settings;
};
LAYOUT(struct port_set, 4 * SETTING_PORTS + 2);
LAYOUT_AT(struct sealed, settings, 8);
LAYOUT(struct sealed, (8 + sizeof(struct settings) + 7) / 8 * 8);

static uint64_t digest_of(const struct settings *s)
{
	return hash_fnv(
		s, sizeof *s, hash_fnv(DURWARD_VERSION, sizeof DURWARD_VERSION, HASH_FNV_START));
}

static int read_trusted(const char *path, struct strbuf *text, struct strbuf *said)
{
	char why[TRUST_WHY];
	int rc, fd = trust_open(path, TRUST_FILE, why);

	rc = fd < 0 ? fd : file_read_fd(fd, FILE_MAX, text);
	if (fd >= 0)
		close(fd);
	if (rc != 0)
		strbuf_fmt(said, "%s: %s\n", path, why[0] ? why : strerror(-rc));
	return rc;
}

int settings_read(const char *path, struct settings *out, struct strbuf *said)
{
	const char *from = path ? path : SETTINGS_DEFAULT_PATH;
	struct strbuf text = {0};
	struct diag d = {0};
	int rc = read_trusted(from, &text, said);

	if (rc == -ENOENT && !path) {
		strbuf_reset(said);
		rc = 0;
	}
	if (rc != 0)
		strbuf_reset(&text);
	if (!settings_parse(slice_of(text.s, text.n), out, &d))
		rc = -EINVAL;
	diag_print(&d, from, said);
	diag_fini(&d);
	strbuf_fini(&text);
	return rc;
}

int settings_seal(const struct settings *s, int *fd)
{
	struct sealed box = {0};
	int rc, m = memfd_create("durward-settings", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	memcpy(&box.settings, s, sizeof box.settings); /* with its padding: the digest is of all */
	box.digest = digest_of(&box.settings);
	if (m < 0)
		return -errno;
	rc = fd_write_all(m, slice_of(&box, sizeof box));
	if (rc == 0 && fcntl(m, F_ADD_SEALS, SEALS) < 0)
		rc = -errno;
	if (rc == 0)
		*fd = m;
	else
		close(m);
	return rc;
}

int settings_unseal(int fd, struct settings *out)
{
	struct sealed box;
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0)
		return -errno;
	if ((seals & SEALS) != SEALS)
		return -EPERM;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size != sizeof box || pread(fd, &box, sizeof box, 0) != sizeof box)
		return -EBADMSG;
	if (box.digest != digest_of(&box.settings))
		return -EBADMSG;
	*out = box.settings;
	return 0;
}
