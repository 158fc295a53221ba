/* SPDX-License-Identifier: GPL-3.0-or-later
 * notify.c - sd_notify(3) in its few lines, so that no library has to come along.
 *
 * Owns: nothing. Thread: any. Fails: -EAGAIN: no room just now; else silently: the service manager
 * will notice by itself. See: sd_notify(3) "Notes".
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "supervisor_int.h"

int notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t n = path ? strlen(path) : 0;
	int fd, rc = 0;

	if (n < 2 || n >= sizeof sa.sun_path || (path[0] != '/' && path[0] != '@'))
		return 0;
	memcpy(sa.sun_path, path, n);
	if (path[0] == '@')
		sa.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&sa,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		rc = errno == EAGAIN ? -EAGAIN
				     : 0; /* nobody listens: as without a service manager */
	close(fd);
	return rc;
}
