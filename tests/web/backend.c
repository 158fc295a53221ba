/* SPDX-License-Identifier: GPL-3.0-or-later
 * backend.c - a real controller with its front end, for the browser tests; this program plays the supervisor and the dataplane.
 *
 * backend FOLDER: FOLDER/policy is the policy file, everything else is written there too. Says {"port":N} on standard
 * output when the controller is ready; then a line of JSON in, a line out:
 *
 *	{"do":"flow","src":A,"mac":M,"dst":A,"dport":N,"app":"tls|quic|http|none","name":S,"kind":S,"count":N,"ago":MS}
 *	                                 judged by the policy image in force (policy_eval), then an event as the dataplane writes
 *	{"do":"hold","on":true}          takes no new image until {"do":"hold","on":false}
 *	{"do":"rules","state":N}         what `supervisor` says of the rules (enum rules_state), and whether a dataplane runs
 *
 * Owns: the controller's thread, its own descriptors. Ends at the end of standard input. Fails: exit status 1, reason on stderr.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/ring.h"
#include "controller/controller.h"
#include "decide/policy.h"
#include "model/event.h"
#include "model/message.h"
#include "show/json.h"
#include "show/show.h"

static struct {
	struct controller_in controller;
	int supervisor; /* our end of the controller's control socket */
	struct ring *ring;
	int signal;
	uint16_t port;
	const struct image *image;
	uint32_t revision, taken;
	bool ready, held;
	uint8_t rules;
	uint64_t start_ms, next_id;
} backend = {.rules = RULES_UP, .next_id = 1};

static void die(const char *what)
{
	fprintf(stderr, "backend: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- the controller --- */

static int listen_tcp(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof sin;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof sin) < 0 || listen(fd, 64) < 0)
		die("listen");
	getsockname(fd, (struct sockaddr *)&sin, &len);
	backend.port = ntohs(sin.sin_port);
	return fd;
}

static void *run_controller(void *unused)
{
	int status = controller_main(&backend.controller);

	if (status != 0)
		exit(status);
	return NULL;
}

static void start_controller(const char *folder)
{
	static char policy[512];
	int pair[2], ring = -1;
	pthread_t thread;

	snprintf(policy, sizeof policy, "%s/policy", folder);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
		ring_create(sizeof(struct event), EVENT_RING_ITEMS, &ring) < 0 ||
		ring_map(ring, sizeof(struct event), EVENT_RING_ITEMS, &backend.ring) < 0)
		die("start");
	backend.supervisor = pair[0];
	backend.signal = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	backend.controller = (struct controller_in){.control = pair[1],
		.rings = {ring},
		.n_rings = 1,
		.ring_signal = backend.signal,
		.listeners = {listen_tcp()},
		.n_listeners = 1,
		.unix_listener = -1,
		.conntrack = -1,
		.policy_path = policy,
		.state_dir = folder,
		.web_names = "",
		.webroot = getenv("DURWARD_WEBROOT"),
		.events_rows = 100000,
		.events_days = 30,
		.policy_edit = !getenv("DURWARD_READONLY"),
		.front_end = &show_front_end};
	if (pthread_create(&thread, NULL, run_controller, NULL) != 0)
		die("thread");
}

/* --- as the supervisor and the dataplane --- */

static void take_image(int fd, uint32_t revision)
{
	const char *why = "";
	struct stat st;
	void *map = MAP_FAILED;

	if (fstat(fd, &st) == 0)
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED || image_open(map, (size_t)st.st_size, &backend.image, &why) < 0)
		die(why);
	backend.revision = revision; /* maps of earlier images stay: a test has few */
}

static void hear_controller(void)
{
	struct message m;
	int fd = -1;

	if (message_recv(backend.supervisor, &m, &fd) < 0)
		die("the controller is gone");
	backend.ready |= m.type == MESSAGE_READY;
	if (m.type == MESSAGE_IMAGE && fd >= 0)
		take_image(fd, m.revision);
	if (fd >= 0)
		close(fd);
}

static void say_state(void)
{
	bool up = backend.rules == RULES_UP;
	struct message m = {.type = MESSAGE_STATUS,
		.rules = backend.rules,
		.dataplane_pid = up ? getpid() : 0,
		.controller_pid = getpid(),
		.start_wall_ms = backend.start_ms};

	message_send(backend.supervisor, &m, -1);
	if (backend.held || backend.taken == backend.revision)
		return;
	m.type = MESSAGE_TAKEN;
	m.revision = backend.taken = backend.revision;
	message_send(backend.supervisor, &m, -1);
}

/* --- one flow, judged and told --- */

static uint8_t find_key(const char *key, const char *const *keys, size_t n, uint8_t otherwise)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(key, keys[i]) == 0)
			return (uint8_t)i;
	return otherwise;
}

static void read_ident(const struct json *j, struct ident *i)
{
	static const char *const kinds[] = {
		"pending", "name", "none", "opaque", "evasive", "not-proto"};
	static const char *const apps[] = {"none", "tls", "quic", "http"};
	static const uint8_t sources[] = {SOURCE_NONE, SOURCE_SNI, SOURCE_QUIC, SOURCE_HOST};
	const char *name = jr_get_text(j, "name");

	*i = (struct ident){.app = find_key(jr_get_text(j, "app"), apps, 4, APP_TLS), .packet = 1};
	i->kind = find_key(jr_get_text(j, "kind"), kinds, 6, *name ? IDENT_NAME : IDENT_NOT_PROTO);
	i->source = *name ? sources[i->app] : SOURCE_NONE;
	i->anomaly = *name		       ? ANOMALY_NOTHING
		     : i->kind == IDENT_OPAQUE ? ANOMALY_ECH
					       : ANOMALY_NOT_KNOWN;
	snprintf(i->name, sizeof i->name, "%.255s", name);
	i->name_len = (uint8_t)strlen(i->name);
}

static void read_flow(const struct json *j, const struct ident *i, struct flow *f)
{
	const char *mac = jr_get_text(j, "mac");

	*f = (struct flow){.sport = 40000,
		.dport = (uint16_t)jr_number(jr_get(j, "dport"), 443),
		.proto = i->app == APP_QUIC ? IPPROTO_UDP : IPPROTO_TCP,
		.path = i->app == APP_UNKNOWN ? PATH_OTHER
			: i->app == APP_HTTP  ? PATH_PROXY
					      : PATH_INSPECT};
	if (!addr_parse(slice_str(jr_get_text(j, "src")), &f->src))
		addr_parse(slice_str("192.0.2.2"), &f->src);
	if (!addr_parse(slice_str(jr_get_text(j, "dst")), &f->dst))
		addr_parse(slice_str("198.51.100.2"), &f->dst);
	f->has_mac = *mac && mac_parse(slice_str(mac), &f->mac);
}

static void judge(struct event *e)
{
	struct policy_query q = {.who = {.has_mac = e->flow.has_mac,
					 .mac = e->flow.mac,
					 .addrs = {e->flow.src},
					 .n_addrs = 1,
					 .device = -1},
		.flow = e->flow,
		.ident = &e->ident,
		.stage = e->flow.path == PATH_OTHER ? STAGE_FIRST : STAGE_NAMED,
		.now_s = (int64_t)(e->wall_ms / 1000)};

	policy_eval(backend.image, &policy_live_none, &q, NULL, &e->verdict);
}

static void push_end(const struct event *e)
{
	struct event end = *e;

	end.kind = EVENT_END;
	end.bytes_up = 1234;
	end.bytes_down = 56789;
	end.duration_ms = 4321;
	ring_push(backend.ring, &end);
}

static void do_flow(const struct json *j)
{
	int count = (int)jr_number(jr_get(j, "count"), 1);
	uint64_t one = 1;

	for (int i = 0; i < count && backend.image; i++) {
		struct event e = {.kind = EVENT_DECISION, .id = backend.next_id++};
		e.wall_ms = clock_wall_ms() - (uint64_t)jr_number(jr_get(j, "ago"), 0);
		read_ident(j, &e.ident);
		read_flow(j, &e.ident, &e.flow);
		e.flow.sport = (uint16_t)(40000 + e.id % 20000);
		judge(&e);
		while (!ring_push(backend.ring, &e))
			usleep(1000);
		if (e.verdict.action == ACTION_ALLOW && jr_true(jr_get(j, "ended")))
			push_end(&e);
	}
	if (write(backend.signal, &one, sizeof one) < 0)
		die("signal");
}

/* --- what is asked --- */

static void carry_out(const struct json *j)
{
	const char *what = jr_get_text(j, "do");

	if (strcmp(what, "flow") == 0)
		do_flow(j);
	else if (strcmp(what, "hold") == 0)
		backend.held = jr_true(jr_get(j, "on"));
	else if (strcmp(what, "rules") == 0)
		backend.rules = (uint8_t)jr_number(jr_get(j, "state"), RULES_UP);
	else
		fprintf(stderr, "backend: not understood: %s\n", what);
	say_state();
	puts("{}");
	fflush(stdout);
}

/* false at the end of the input */
static bool hear_test(void)
{
	static char line[65536];
	static size_t n;
	ssize_t got = read(STDIN_FILENO, line + n, sizeof line - n);
	char *end;

	if (got <= 0)
		return false;
	n += (size_t)got;
	while ((end = memchr(line, '\n', n))) {
		struct json *j = jr_parse(slice_of(line, (size_t)(end - line)));
		carry_out(j);
		jr_free(j);
		n -= (size_t)(end + 1 - line);
		memmove(line, end + 1, n);
	}
	return n < sizeof line;
}

static void run(void)
{
	struct pollfd p[] = {{.fd = backend.supervisor, .events = POLLIN},
		{.fd = STDIN_FILENO, .events = POLLIN}};
	bool told = false;

	for (;;) {
		int rc = poll(p, 2, 200);
		if (rc < 0)
			die("poll");
		if (p[0].revents)
			hear_controller();
		if (rc == 0 || p[0].revents)
			say_state();
		if (!told && backend.ready && backend.image) {
			printf("{\"port\":%u}\n", backend.port);
			fflush(stdout);
			told = true;
		}
		if (p[1].revents && !hear_test())
			return;
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: house FOLDER\n");
		return 2;
	}
	log_init("backend", LOG_ERROR_);
	backend.start_ms = clock_wall_ms();
	start_controller(argv[1]);
	run();
	return 0;
}
