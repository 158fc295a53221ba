/* SPDX-License-Identifier: GPL-3.0-or-later
 * test_priv.c - what a process that gave up its privileges can no longer do. Needs root for the first half.
 */
#include "netsetup/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SOMEBODY = 64123 };

/* Runs f in a child: its exit status, or 1000 + signal. */
static int in_child(int (*f)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(f());
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* whether a line of /proc/self/status has this value */
static bool status_is(const char *key, const char *want)
{
	char line[256], value[64] = "";
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, key, strlen(key)) == 0)
			sscanf(line + strlen(key), ": %63s", value);
	if (f)
		fclose(f);
	return strcmp(value, want) == 0;
}

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			dprintf(2, "%s:%d: not so: %s (errno %d)\n", __FILE__, __LINE__, #x,       \
				errno);                                                            \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

static int dataplane_without_root_folder(void)
{
	struct priv_drop d = {.user = {SOMEBODY, SOMEBODY + 1},
		.keep = PRIV_CAPS_DATAPLANE,
		.parent_death = SIGKILL};
	int sig = 0;

	CHECK(priv_drop(&d) == 0);
	CHECK(status_is("CapEff", "0000000000003000"));
	CHECK(status_is("CapPrm", "0000000000003000"));
	CHECK(status_is("CapInh", "0000000000000000"));
	CHECK(status_is("CapBnd", "0000000000000000"));
	CHECK(status_is("CapAmb", "0000000000000000"));
	CHECK(status_is("NoNewPrivs", "1"));
	CHECK(prctl(PR_GET_PDEATHSIG, &sig) == 0 && sig == SIGKILL);
	CHECK(getuid() == SOMEBODY && getgid() == SOMEBODY + 1);
	CHECK(setuid(0) < 0 && setgid(0) < 0);
	CHECK(priv_drop(&(struct priv_drop){.user = {0, 0}}) < 0);
	return 0;
}

static int dataplane_in_an_empty_root(void)
{
	struct priv_drop d = {
		.user = {SOMEBODY, SOMEBODY}, .keep = PRIV_CAPS_DATAPLANE, .empty_root = "/tmp"};

	CHECK(priv_drop(&d) == 0);
	CHECK(open("/etc/passwd", O_RDONLY) < 0 && (errno == ENOENT || errno == EACCES));
	CHECK(open("../../../../etc/passwd", O_RDONLY) < 0 && (errno == ENOENT || errno == EACCES));
	CHECK(mkdir("/x", 0700) < 0);
	CHECK(open("/x", O_CREAT | O_WRONLY, 0600) < 0);
	CHECK(socket(AF_INET, SOCK_RAW, IPPROTO_RAW) >= 0);
	return 0;
}

static int even_root_makes_nothing_there(void)
{
	struct priv_drop d = {.keep = PRIV_CAPS_SUPERVISOR, .empty_root = "/tmp"};

	CHECK(priv_drop(&d) == 0);
	CHECK(mkdir("/x", 0700) < 0 && errno == ENOENT);
	return 0;
}

static int controller_has_nothing(void)
{
	struct priv_drop d = {.user = {SOMEBODY, SOMEBODY}};

	CHECK(priv_drop(&d) == 0);
	CHECK(priv_caps_now() == 0);
	CHECK(priv_caps_missing(PRIV_CAPS_DATAPLANE) == PRIV_CAPS_DATAPLANE);
	CHECK(socket(AF_INET, SOCK_RAW, IPPROTO_RAW) < 0 && errno == EPERM);
	return 0;
}

static int ambient_survives_execve(void)
{
	struct priv_drop d = {
		.user = {SOMEBODY, SOMEBODY}, .keep = PRIV_CAP(CAP_NET_RAW), .ambient = true};

	CHECK(priv_drop(&d) == 0);
	execl("/bin/grep", "grep", "-q", "CapEff:.*0000000000002000", "/proc/self/status",
		(char *)NULL);
	return 2;
}

static int root_keeps_only_its_list_through_execve(void)
{
	struct priv_drop d = {.keep = PRIV_CAPS_SUPERVISOR};

	CHECK(priv_drop(&d) == 0);
	CHECK(priv_caps_now() == PRIV_CAPS_SUPERVISOR);
	execl("/bin/grep", "grep", "-q", "CapEff:.*00000000000431c0", "/proc/self/status",
		(char *)NULL);
	return 2;
}

static int supervisor_can_still_start_a_dataplane(void)
{
	struct priv_drop d = {.keep = PRIV_CAPS_SUPERVISOR};

	CHECK(priv_drop(&d) == 0);
	CHECK(in_child(dataplane_without_root_folder) == 0);
	/* the folder must be root's own: CAP_DAC_OVERRIDE is gone */
	return in_child(dataplane_in_an_empty_root);
}

static void privileges_go(void **state)
{
	(void)state;
	if (priv_caps_missing(PRIV_CAPS_SUPERVISOR)) {
		print_message("needs root: privileges_go\n");
		skip();
	}
	assert_int_equal(in_child(dataplane_without_root_folder), 0);
	assert_int_equal(in_child(dataplane_in_an_empty_root), 0);
	assert_int_equal(in_child(even_root_makes_nothing_there), 0);
	assert_int_equal(in_child(controller_has_nothing), 0);
	assert_int_equal(in_child(ambient_survives_execve), 0);
	assert_int_equal(in_child(root_keeps_only_its_list_through_execve), 0);
	assert_int_equal(in_child(supervisor_can_still_start_a_dataplane), 0);
}

static void users_and_limits(void **state)
{
	struct priv_user u;
	struct rlimit r;
	uint64_t n;
	char text[64];

	(void)state;
	assert_int_equal(priv_user_find("root", &u), 0);
	assert_int_equal(u.uid, 0);
	assert_int_equal(priv_user_find("64123", &u), 0);
	assert_int_equal(u.gid, 64123);
	assert_int_equal(priv_user_find("no-such-user-here", &u), -ENOENT);
	assert_int_equal(priv_user_find("12x", &u), -ENOENT);
	assert_int_equal(priv_limit_files(&n), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &r), 0);
	assert_int_equal(r.rlim_cur, r.rlim_max);
	assert_int_equal(n, r.rlim_max);
	priv_caps_text(PRIV_CAPS_DATAPLANE, text, sizeof text);
	assert_string_equal(text, "net_admin, net_raw");
	priv_caps_text(PRIV_CAPS_DATAPLANE, text, 5);
	assert_string_equal(text, "net_");
}

static void *thread_main(void *arg)
{
	char *p = malloc(100000);

	pthread_setname_np(pthread_self(), "worker");
	memset(p, 1, 100000);
	free(p);
	usleep(1000);
	return arg;
}

static int threads_work(void)
{
	pthread_t th[4];

	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&th[i], NULL, thread_main, NULL) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(th[i], NULL) == 0);
	return 0;
}

static int dataplane_does_its_work(void)
{
	int one = 1, p[2], s, s6;

	CHECK(priv_seccomp(PRIV_DATAPLANE) == 0);
	CHECK(threads_work() == 0);
	s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	CHECK(s >= 0);
	s6 = socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP);
	CHECK(s6 >= 0);
	CHECK(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
	CHECK(setsockopt(s, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one) == 0);
	CHECK(setsockopt(s6, IPPROTO_IPV6, IPV6_TRANSPARENT, &one, sizeof one) == 0 ||
		errno == EPERM);
	CHECK(pipe2(p, O_NONBLOCK | O_CLOEXEC) == 0);
	CHECK(splice(p[0], NULL, s, NULL, 100, SPLICE_F_NONBLOCK) < 0 && errno != ENOSYS);
	CHECK(epoll_create1(EPOLL_CLOEXEC) >= 0);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	CHECK(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES);
	return 0;
}

#define DATAPLANE(name, ...)                                                                       \
	static int name(void)                                                                      \
	{                                                                                          \
		CHECK(priv_seccomp(PRIV_DATAPLANE) == 0);                                          \
		__VA_ARGS__;                                                                       \
		return 0;                                                                          \
	}
/* a socket that may only ask: any upper half of the register, and any other way to name a receiver, counts */
static int asking(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, 0);

	return fd >= 0 && priv_seccomp_asking(&fd, 1) == 0 ? fd : -1;
}

static int asking_works(void)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct nlmsghdr h = {.nlmsg_len = sizeof h, .nlmsg_type = NLMSG_NOOP};
	int fd = asking(), other = socket(AF_NETLINK, SOCK_RAW, 0), p[2];

	CHECK(fd >= 0 && send(fd, &h, sizeof h, 0) == sizeof h &&
		write(fd, &h, sizeof h) == sizeof h);
	CHECK(sendto(other, &h, sizeof h, 0, (void *)&kernel, sizeof kernel) == sizeof h);
	CHECK(fcntl(fd, F_GETFL) >= 0 && pipe(p) == 0);
	return 0;
}

#define ASKING(name, ...)                                                                          \
	static int name(void)                                                                      \
	{                                                                                          \
		struct sockaddr_nl to = {.nl_family = AF_NETLINK};                                 \
		struct msghdr m = {.msg_name = &to, .msg_namelen = sizeof to};                     \
		int fd = asking(), pair[2] = {-1, -1};                                             \
                                                                                                   \
		CHECK(fd >= 0);                                                                    \
		(void)m, (void)pair;                                                               \
		__VA_ARGS__;                                                                       \
		return 0;                                                                          \
	}
ASKING(asking_to, sendto(fd, "", 1, 0, (void *)&to, sizeof to))
ASKING(asking_to_half, syscall(SYS_sendto, (1ull << 32) + (unsigned)fd, "", 1, 0, &to, sizeof to))
ASKING(asking_message, sendmsg(fd, &m, 0))
ASKING(asking_messages, syscall(SYS_sendmmsg, fd, NULL, 0, 0))
ASKING(asking_twice, pair[0] = dup(fd))
ASKING(asking_dup3, dup3(fd, 100, 0))
ASKING(asking_fcntl, fcntl(fd, F_DUPFD, 100))
ASKING(asking_fcntl_half, syscall(SYS_fcntl, fd, (1ull << 32) + F_DUPFD_CLOEXEC, 100))
ASKING(asking_by_post, socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))

static void a_socket_that_asks_changes_nothing(void **state)
{
	static int (*const deaths[])(void) = {asking_to, asking_to_half, asking_message,
		asking_messages, asking_twice, asking_dup3, asking_fcntl, asking_fcntl_half,
		asking_by_post};

	(void)state;
	assert_int_equal(in_child(asking_works), 0);
	if (!priv_seccomp_built()) {
		print_message("seccomp is not in this build\n");
		skip();
	}
	for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++)
		if (in_child(deaths[i]) != 1000 + SIGSYS)
			fail_msg("case %zu lived", i);
}

DATAPLANE(dataplane_udp, socket(AF_INET, SOCK_DGRAM, 0))
DATAPLANE(dataplane_netlink, socket(AF_NETLINK, SOCK_RAW, 0))
DATAPLANE(dataplane_unix, socket(AF_UNIX, SOCK_STREAM, 0))
DATAPLANE(dataplane_exec, execl("/bin/true", "true", (char *)NULL))
DATAPLANE(dataplane_fork, fork())
DATAPLANE(
	dataplane_code, mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
DATAPLANE(dataplane_iptables, setsockopt(0, IPPROTO_IP, 64, NULL, 0))
DATAPLANE(dataplane_ip6tables, setsockopt(0, IPPROTO_IPV6, 64, NULL, 0))
DATAPLANE(dataplane_unlink, unlink("/nothing"))
DATAPLANE(dataplane_namespace, unshare(CLONE_NEWUSER))
DATAPLANE(dataplane_abort, abort())

static void the_dataplane_may_dial_and_little_else(void **state)
{
	static int (*const deaths[])(void) = {dataplane_udp, dataplane_netlink, dataplane_unix,
		dataplane_exec, dataplane_fork, dataplane_code, dataplane_iptables,
		dataplane_ip6tables, dataplane_unlink, dataplane_namespace};

	(void)state;
	assert_int_equal(in_child(dataplane_does_its_work), priv_seccomp_built() ? 0 : 1);
	if (!priv_seccomp_built()) {
		print_message("seccomp is not in this build\n");
		skip();
	}
	for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++)
		if (in_child(deaths[i]) != 1000 + SIGSYS)
			fail_msg("case %zu lived", i);
	assert_int_equal(in_child(dataplane_abort), 1000 + SIGABRT);
}

static int controller_does_its_work(void)
{
	struct ifaddrs *list;
	char path[] = "/tmp/durward-controller.XXXXXX";
	int fd;

	CHECK(priv_seccomp(PRIV_CONTROLLER) == 0);
	CHECK(threads_work() == 0);
	fd = mkstemp(path);
	CHECK(fd >= 0 && ftruncate(fd, 100) == 0 && fsync(fd) == 0 && unlink(path) == 0);
	CHECK(pwrite(fd, "x", 1, 5) == 1 && lseek(fd, 0, SEEK_END) == 100);
	CHECK(getifaddrs(&list) == 0);
	freeifaddrs(list);
	CHECK(memfd_create("image", MFD_ALLOW_SEALING) >= 0);
	CHECK(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	CHECK(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM);
	CHECK(socket(AF_NETLINK, SOCK_RAW, 12) < 0 && errno == EPERM);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		MAP_FAILED);
	CHECK(fork() < 0 && errno == EPERM);
	return 0;
}

/* Root, so that no mode is in the way: what stays is Landlock's. */
static int landlock_writes_in_its_own_only(void)
{
	char own[] = "/tmp/durward-own.XXXXXX", other[] = "/tmp/durward-other.XXXXXX";
	const char *folders[] = {own, "/nowhere/at/all", NULL};
	int version = 0, fd;

	CHECK(mkdtemp(own) && mkdtemp(other) && chdir(own) == 0);
	fd = openat(AT_FDCWD, "old", O_CREAT | O_WRONLY, 0600);
	CHECK(fd >= 0 && mkdir("full", 0700) == 0);
	CHECK(priv_landlock(folders, &version) == 0);
	if (version == 0) {
		dprintf(2, "this kernel has no Landlock\n");
		return rmdir("full") || unlink("old") || rmdir(own) || rmdir(other);
	}
	CHECK(open("new", O_CREAT | O_WRONLY, 0600) >= 0 && rename("new", "old") == 0);
	CHECK(version < 3 || truncate("old", 0) == 0);
	CHECK(symlink("/etc", "link") < 0 && errno == EACCES);
	CHECK(mkfifo("fifo", 0600) < 0 && errno == EACCES);
	CHECK(mknod("device", S_IFCHR | 0600, 0x103) < 0);
	CHECK(chdir(other) == 0 && open("x", O_CREAT | O_WRONLY, 0600) < 0 && errno == EACCES);
	CHECK(mkdir("x", 0700) < 0 && errno == EACCES);
	CHECK(open("/dev/null", O_WRONLY) < 0 && open("/etc/passwd", O_RDONLY) >= 0);
	CHECK(version < 6 || (kill(getppid(), 0) < 0 && errno == EPERM));
	execl("/bin/true", "true", (char *)NULL);
	CHECK(errno == EACCES);
	CHECK(chdir(own) == 0 && unlink("old") == 0 && rmdir("full") == 0);
	CHECK(rmdir(own) < 0 && errno == EACCES); /* its name is its parent's */
	return 0;
}

static int controller_leaves_no_set_user_id(void)
{
	char path[] = "/tmp/durward-controller.XXXXXX";
	int fd = mkstemp(path);

	CHECK(fd >= 0 && priv_seccomp(PRIV_CONTROLLER) == 0);
	CHECK(fchmod(fd, 0755) == 0 && chmod(path, 0700) == 0);
	CHECK(fchmod(fd, 04755) < 0 && errno == EPERM);
	CHECK(chmod(path, 02755) < 0 && errno == EPERM);
	CHECK(fchmodat(AT_FDCWD, path, 06755, 0) < 0 && errno == EPERM);
	CHECK(open("/tmp/durward-never", O_CREAT | O_WRONLY, 04755) < 0 && errno == EPERM);
	CHECK(open("/tmp", O_TMPFILE | O_WRONLY, 04755) < 0 && errno == EPERM);
	CHECK(creat("/tmp/durward-never", 02755) < 0 && errno == EPERM);
	CHECK(mkdir("/tmp/durward-never", 02755) < 0 && errno == EPERM);
	CHECK(open(path, O_RDONLY, 04000) >= 0);
	CHECK(link(path, "/tmp/durward-never") < 0 && errno == EPERM);
	CHECK(symlink(path, "/tmp/durward-never") < 0 && errno == EPERM);
	CHECK(unlink(path) == 0);
	return 0;
}

static void the_controller_writes_where_it_should(void **state)
{
	(void)state;
	if (geteuid() == 0)
		assert_int_equal(in_child(landlock_writes_in_its_own_only), 0);
	if (priv_seccomp_built())
		assert_int_equal(in_child(controller_leaves_no_set_user_id), 0);
}

static int controller_exec(void)
{
	CHECK(priv_seccomp(PRIV_CONTROLLER) == 0);
	execl("/bin/true", "true", (char *)NULL);
	return 0;
}

static void the_controller_handles_files_and_executes_nothing(void **state)
{
	(void)state;
	if (!priv_seccomp_built()) {
		print_message("seccomp is not in this build\n");
		skip();
	}
	assert_int_equal(in_child(controller_does_its_work), 0);
	assert_int_equal(in_child(controller_exec), 1000 + SIGSYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(privileges_go),
		cmocka_unit_test(users_and_limits),
		cmocka_unit_test(a_socket_that_asks_changes_nothing),
		cmocka_unit_test(the_dataplane_may_dial_and_little_else),
		cmocka_unit_test(the_controller_writes_where_it_should),
		cmocka_unit_test(the_controller_handles_files_and_executes_nothing),
	};

	return cmocka_run_group_tests_name("priv", tests, NULL, NULL);
}
