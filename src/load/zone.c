/* SPDX-License-Identifier: GPL-3.0-or-later
 * zone.c - the time zone files of the machine.
 *
 * Owns: nothing. Thread: any. Fails: 0 or -errno. See: tzfile(5); RFC 8536; zic(8) (tzdata.zi).
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "conf/schema.h"
#include "load_int.h"

#define ZONE_FOLDER "/usr/share/zoneinfo"
enum { ZONE_BYTES_MAX = 1 << 20, INDEX_BYTES_MAX = 4 << 20, FAR = 12 };

/* The name comes from a file that the UI may write: it must not lead out of the folder. */
static bool name_is_sane(const char *name)
{
	return name[0] && name[0] != '/' && !strstr(name, "..") && strlen(name) < ZONE_NAME * 2;
}

int zone_read(const char *name, struct strbuf *out)
{
	struct strbuf path = {0};
	int err;

	if (!name_is_sane(name))
		return -EINVAL;
	strbuf_fmt(&path, "%s/%s", ZONE_FOLDER, name);
	err = path.failed ? -ENOMEM : file_read(path.s, ZONE_BYTES_MAX, out);
	strbuf_fini(&path);
	if (!err && (out->n < 44 || memcmp(out->s, "TZif", 4) != 0))
		err = -EINVAL;
	return err;
}

bool zone_data_present(void)
{
	return access(ZONE_FOLDER, R_OK | X_OK) == 0;
}

/* A zone's name on a line of tzdata.zi: "Z NAME ..." or "L TARGET NAME". */
static struct slice zone_on(struct slice line)
{
	const uint8_t *from = line.p + 2, *end = line.p + line.n, *space;

	if (line.n < 3 || line.p[1] != ' ' || (line.p[0] != 'Z' && line.p[0] != 'L'))
		return slice_of(NULL, 0);
	space = memchr(from, ' ', (size_t)(end - from));
	if (line.p[0] == 'L')
		return space ? slice_of(space + 1, (size_t)(end - space - 1)) : slice_of(NULL, 0);
	return slice_of(from, (size_t)((space ? space : end) - from));
}

/* "berlin" means Europe/Berlin: the last part alone counts too. */
static unsigned unlike(struct slice zone, struct slice name, unsigned limit)
{
	const uint8_t *slash = memrchr(zone.p, '/', zone.n);
	struct slice city =
		slash ? slice_of(slash + 1, zone.n - (size_t)(slash + 1 - zone.p)) : zone;
	unsigned whole = word_distance(zone, name, limit), part = word_distance(city, name, limit);

	return whole < part ? whole : part;
}

static void choose(struct slice text, struct slice name, char out[static ZONE_NAME])
{
	const uint8_t *p = text.p, *end = text.p + text.n;
	unsigned best = FAR;

	while (p < end && best > 0) {
		const uint8_t *nl = memchr(p, '\n', (size_t)(end - p));
		struct slice zone = zone_on(slice_of(p, (size_t)((nl ? nl : end) - p)));
		unsigned d;

		p = nl ? nl + 1 : end;
		if (zone.n == 0 || zone.n >= ZONE_NAME)
			continue;
		d = unlike(zone, name, best - 1);
		if (d >= best)
			continue;
		best = d;
		memcpy(out, zone.p, zone.n);
		out[zone.n] = 0;
	}
}

bool zone_nearest(const char *name, char out[static ZONE_NAME])
{
	struct strbuf text = {0};

	out[0] = 0;
	if (file_read(ZONE_FOLDER "/tzdata.zi", INDEX_BYTES_MAX, &text) == 0 && text.n)
		choose(slice_of(text.s, text.n), slice_str(name), out);
	strbuf_fini(&text);
	return out[0];
}
