/* SPDX-License-Identifier: GPL-3.0-or-later
 * fuzz_message.c - what comes between processes: a message of any size is taken whole or refused; ended flows of any bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "model/message.h"
#include "record/conntrack.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void each(void *user, const struct conntrack_end *e)
{
	*(uint64_t *)user += e->bytes_up;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static int pair[2] = {-1, -1};
	struct message m;
	uint64_t sum = 0;
	int fd = -1, rc;

	if (pair[0] < 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) != 0)
		abort();
	if (n > 0 && send(pair[0], p, n, 0) == (ssize_t)n) {
		rc = message_recv(pair[1], &m, &fd);
		if (rc != (n == sizeof m ? 0 : -EPROTO) || fd != -1)
			abort();
	}
	conntrack_parse(slice_of(p, n), each, &sum);
	return 0;
}
