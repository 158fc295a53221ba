/* SPDX-License-Identifier: GPL-3.0-or-later
 * priv_seccomp.c - which system calls the dataplane and the controller may make.
 *
 * A call that is not listed kills the dataplane; it opens no files, and of sockets only TCP ones. The controller handles files and clients
 * with large libraries, so a call that is not listed gives EPERM there, and only calls that no library makes kill it. clone3
 * gives ENOSYS in both, so that the C library falls back to clone, whose flags a filter can see.
 *
 * Owns: nothing. Thread: before the process has a second one. Fails: 0 or -errno. See: seccomp(2), seccomp_rule_add(3).
 */
#include "netsetup/priv.h"

bool priv_seccomp_built(void)
{
#ifdef DURWARD_SANITIZE
	return false;
#else
	return true;
#endif
}

#ifdef DURWARD_SANITIZE
int priv_seccomp(enum priv_role role)
{
	(void)role;
	return 0;
}

int priv_seccomp_asking(const int *fds, size_t n)
{
	(void)fds, (void)n;
	return 0;
}
#else

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Both: memory, time, threads, signals, waiting. */
static const char *const common[] = {"brk", "munmap", "mremap", "madvise", "mlock", "munlock",
	"membarrier", "clock_gettime", "clock_getres", "gettimeofday", "time", "clock_nanosleep",
	"nanosleep", "timerfd_create", "timerfd_settime", "timerfd_gettime", "futex", "futex_waitv",
	"rseq", "set_robust_list", "set_tid_address", "get_robust_list", "sched_yield",
	"sched_getaffinity", "sched_setaffinity", "sched_getparam", "sched_getscheduler", "getcpu",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "rt_sigpending",
	"rt_sigsuspend", "sigaltstack", "signalfd4", "tgkill", "restart_syscall", "exit",
	"exit_group", "getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid",
	"getresuid", "getresgid", "getrusage", "getrlimit", "times", "sysinfo", "uname",
	"getrandom", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
	"poll", "ppoll", "select", "pselect6", "eventfd2", "read", "readv", "write", "writev",
	"close", "close_range", "dup", "dup2", "dup3", "pipe", "pipe2", "fcntl", "fstat", "lseek",
	"accept4", "accept", "bind", "listen", "shutdown", "getsockname", "getpeername",
	"getsockopt", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg",
	"socketpair", NULL};

static const char *const dataplane_only[] = {"connect", "splice", "tee", "newfstatat", NULL};

static const char *const controller_only[] = {"pread64", "pwrite64", "preadv", "preadv2", "pwritev",
	"pwritev2", "sendfile", "copy_file_range", "stat", "lstat", "newfstatat", "statx", "statfs",
	"fstatfs", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getcwd", "chdir",
	"fchdir", "getdents64", "getdents", "rename", "renameat", "renameat2", "unlink", "unlinkat",
	"rmdir", "fsync", "fdatasync", "sync_file_range", "ftruncate", "fallocate", "umask",
	"flock", "utimensat", "fadvise64", "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
	"memfd_create", "msync", "mincore", "setsockopt", "getgroups", NULL};

/* In an empty root these find nothing; the C library asks at odd moments and copes with the answer. */
static const char *const dataplane_refused[] = {"open", "openat", "stat", "lstat", "statx",
	"access", "faccessat", "faccessat2", "readlink", "readlinkat", "getcwd", NULL};

static const char *const deadly[] = {"execve", "execveat", "ptrace", "process_vm_readv",
	"process_vm_writev", "mount", "umount2", "move_mount", "open_tree", "fsopen", "pivot_root",
	"chroot", "unshare", "setns", "init_module", "finit_module", "delete_module", "kexec_load",
	"kexec_file_load", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup",
	"open_by_handle_at", "add_key", "request_key", "keyctl", "reboot", "swapon", "swapoff",
	"iopl", "ioperm", "memfd_secret", NULL};

/* Adds one rule; a call that this machine's architecture, or this libseccomp, does not know is passed over. */
static int rule(scmp_filter_ctx ctx, uint32_t action, const char *name, unsigned n,
	const struct scmp_arg_cmp *args)
{
	int nr = seccomp_syscall_resolve_name(name);

	if (nr == __NR_SCMP_ERROR)
		return 0;
	return seccomp_rule_add_array(ctx, action, nr, n, args);
}

static int rules(scmp_filter_ctx ctx, uint32_t action, const char *const *names)
{
	int err = 0;

	for (; *names && !err; names++)
		err = rule(ctx, action, *names, 0, NULL);
	return err;
}

static struct scmp_arg_cmp is(unsigned arg, uint64_t value)
{
	return (struct scmp_arg_cmp){.arg = arg, .op = SCMP_CMP_EQ, .datum_a = value};
}

static struct scmp_arg_cmp below(unsigned arg, uint64_t value)
{
	return (struct scmp_arg_cmp){.arg = arg, .op = SCMP_CMP_LT, .datum_a = value};
}

static struct scmp_arg_cmp has_bits(unsigned arg, uint64_t mask, uint64_t value)
{
	return (struct scmp_arg_cmp){
		.arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

#define COMPARE(...)                                                                               \
	sizeof((struct scmp_arg_cmp[]){__VA_ARGS__}) / sizeof(struct scmp_arg_cmp),                \
		(struct scmp_arg_cmp[])                                                            \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}
#define ALLOW_IF(ctx, name, ...) rule(ctx, SCMP_ACT_ALLOW, name, COMPARE(__VA_ARGS__))

/* Memory that is not executable, threads that are not name spaces, names of threads. */
static int rules_by_argument(scmp_filter_ctx ctx)
{
	static const unsigned long ioctls[] = {FIONREAD, FIONBIO, FIOCLEX, TIOCOUTQ};
	static const int prctls[] = {PR_SET_NAME, PR_GET_NAME, 0x53564d41 /* PR_SET_VMA */};
	const uint64_t spaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID |
				CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
	int err;

	err = ALLOW_IF(ctx, "mmap", has_bits(2, PROT_EXEC, 0));
	if (!err)
		err = ALLOW_IF(ctx, "mprotect", has_bits(2, PROT_EXEC, 0));
	if (!err)
		err = ALLOW_IF(ctx, "clone", has_bits(0, spaces | CLONE_THREAD, CLONE_THREAD));
	if (!err)
		err = rule(ctx, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, NULL);
	if (!err) /* reading a limit */
		err = ALLOW_IF(ctx, "prlimit64", is(2, 0));
	for (size_t i = 0; i < sizeof ioctls / sizeof *ioctls && !err; i++)
		err = ALLOW_IF(ctx, "ioctl", is(1, ioctls[i]));
	if (!err) /* isatty() */
		err = rule(
			ctx, SCMP_ACT_ERRNO(ENOTTY), "ioctl", COMPARE(is(1, 0x5401 /* TCGETS */)));
	for (size_t i = 0; i < sizeof prctls / sizeof *prctls && !err; i++)
		err = ALLOW_IF(ctx, "prctl", is(0, (uint64_t)prctls[i]));
	return err;
}

/* socket(): TCP over IPv4 or IPv6. setsockopt(): not IPT_SO_SET_REPLACE and its kin, which CAP_NET_ADMIN would
 * carry out: they are 64 to 67 in SOL_IP and SOL_IPV6 (and IPV6_TRANSPARENT is 75). */
static int rules_dataplane(scmp_filter_ctx ctx)
{
	static const int families[] = {AF_INET, AF_INET6};
	static const int protocols[] = {0, IPPROTO_TCP};
	static const int levels[] = {SOL_SOCKET, IPPROTO_TCP, 270 /* SOL_NETLINK */};
	static const int ip_levels[] = {IPPROTO_IP, IPPROTO_IPV6};
	int err = rules(ctx, SCMP_ACT_ALLOW, dataplane_only);

	if (!err)
		err = rules(ctx, SCMP_ACT_ERRNO(EACCES), dataplane_refused);
	for (size_t i = 0; i < 4 && !err; i++)
		err = ALLOW_IF(ctx, "socket", is(0, (uint64_t)families[i / 2]),
			has_bits(1, 0xf, SOCK_STREAM), is(2, (uint64_t)protocols[i % 2]));
	for (size_t i = 0; i < sizeof levels / sizeof *levels && !err; i++)
		err = ALLOW_IF(ctx, "setsockopt", is(1, (uint64_t)levels[i]));
	for (size_t i = 0; i < sizeof ip_levels / sizeof *ip_levels && !err; i++)
		err = ALLOW_IF(ctx, "setsockopt", is(1, (uint64_t)ip_levels[i]), below(2, 64));
	if (!err)
		err = ALLOW_IF(ctx, "setsockopt", is(1, IPPROTO_IPV6), is(2, IPV6_TRANSPARENT));
	return err;
}

/* Files are made, and their modes set, without the set-user-ID and set-group-ID bits: what the controller leaves behind runs as
 * nobody but who starts it. A mode counts in open() only with O_CREAT or O_TMPFILE. */
static int rules_modes(scmp_filter_ctx ctx)
{
	static const struct {
		const char *name;
		unsigned arg;
	} modes[] = {{"open", 2}, {"openat", 3}, {"creat", 1}, {"mkdir", 1}, {"mkdirat", 2},
		{"chmod", 1}, {"fchmod", 1}, {"fchmodat", 2}};
	const uint64_t bits = S_ISUID | S_ISGID, makes = O_CREAT | (O_TMPFILE & ~O_DIRECTORY);
	int err = 0;

	for (size_t i = 0; i < sizeof modes / sizeof *modes && !err; i++)
		err = ALLOW_IF(ctx, modes[i].name, has_bits(modes[i].arg, bits, 0));
	if (!err)
		err = ALLOW_IF(ctx, "open", has_bits(1, makes, 0));
	return err ? err : ALLOW_IF(ctx, "openat", has_bits(2, makes, 0));
}

/* socket(): Unix, and NETLINK_ROUTE for getifaddrs(). */
static int rules_controller(scmp_filter_ctx ctx)
{
	int err = rules(ctx, SCMP_ACT_ALLOW, controller_only);

	if (!err)
		err = rules_modes(ctx);
	if (!err)
		err = ALLOW_IF(ctx, "socket", is(0, AF_UNIX));
	if (!err)
		err = ALLOW_IF(ctx, "socket", is(0, AF_NETLINK), is(2, 0 /* NETLINK_ROUTE */));
	if (!err)
		err = rules(ctx, SCMP_ACT_KILL_PROCESS, deadly);
	return err;
}

/* The kernel takes the lower half of a register for a descriptor: so does this, or another upper half would get past. */
static struct scmp_arg_cmp is_int(unsigned arg, int value)
{
	return has_bits(arg, 0xffffffff, (uint32_t)value);
}

#define KILL_IF(ctx, name, ...) rule(ctx, SCMP_ACT_KILL_PROCESS, name, COMPARE(__VA_ARGS__))

static int rules_one_number(scmp_filter_ctx ctx)
{
	static const char *const doubles[] = {"dup", "dup2", "dup3", "socketpair", NULL};
	int err = rules(ctx, SCMP_ACT_KILL_PROCESS, doubles);

	if (!err)
		err = KILL_IF(ctx, "fcntl", is_int(1, F_DUPFD));
	return err ? err : KILL_IF(ctx, "fcntl", is_int(1, F_DUPFD_CLOEXEC));
}

static int rules_no_address(scmp_filter_ctx ctx, int fd)
{
	const struct scmp_arg_cmp some = {.arg = 4, .op = SCMP_CMP_NE, .datum_a = 0};
	int err = KILL_IF(ctx, "sendmsg", is_int(0, fd));

	if (!err)
		err = KILL_IF(ctx, "sendmmsg", is_int(0, fd));
	return err ? err : KILL_IF(ctx, "sendto", is_int(0, fd), some);
}

/* A filter of its own, above the other: one filter cannot both allow a call and forbid it for some descriptors. */
int priv_seccomp_asking(const int *fds, size_t n)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int err;

	if (!ctx)
		return -ENOMEM;
	err = rules_one_number(ctx);
	for (size_t i = 0; i < n && !err; i++)
		err = rules_no_address(ctx, fds[i]);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}

int priv_seccomp(enum priv_role role)
{
	bool dataplane = role == PRIV_DATAPLANE;
	scmp_filter_ctx ctx =
		seccomp_init(dataplane ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!ctx)
		return -ENOMEM;
	err = rules(ctx, SCMP_ACT_ALLOW, common);
	if (!err)
		err = rules_by_argument(ctx);
	if (!err)
		err = dataplane ? rules_dataplane(ctx) : rules_controller(ctx);
	if (!err) /* a tree of comparisons instead of one after another */
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}
#endif
