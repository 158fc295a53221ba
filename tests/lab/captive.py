# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes system calls inside another process, as whoever has taken it over would: with its rights, filters and descriptors.

One thread of it is stopped (ptrace), its registers are set to the call at a `syscall` instruction of its own code, and put
back afterwards. x86-64 only. See ptrace(2), syscall(2).
"""
import contextlib
import ctypes
import os
import platform
import re
import signal
import struct

SUPPORTED = platform.machine() == "x86_64"
OPEN, RENAME, MKDIR, CHMOD, LINK, SYMLINK, UNLINK, MKNOD, CREAT, TRUNCATE = 2, 82, 83, 90, 86, 88, 87, 133, 85, 76
SOCKET, SENDTO, EXECVE, KILL, SETUID, CONNECT, OPENAT, SOCKETPAIR, BPF = 41, 44, 59, 62, 105, 42, 257, 53, 321
CHOWN, FTRUNCATE, DUP = 92, 77, 32
GETREGS, SETREGS, CONT, SYSCALL, SEIZE, INTERRUPT, DETACH = 12, 13, 7, 24, 0x4206, 0x4207, 17

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long
_NAMES = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs "
          "gs").split()


class Killed(Exception):
    """It did not survive the call: the signal is the argument."""


def _ptrace(request, pid, data=None):
    if _libc.ptrace(request, pid, None, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request}")


class Captive:
    def __init__(self, pid):
        self.pid = pid
        self.mem = os.open(f"/proc/{pid}/mem", os.O_RDWR)

    def _registers(self):
        raw = ctypes.create_string_buffer(8 * len(_NAMES))
        _ptrace(GETREGS, self.pid, ctypes.cast(raw, ctypes.c_void_p))
        return dict(zip(_NAMES, struct.unpack(f"={len(_NAMES)}Q", raw.raw)))

    def _set(self, registers):
        raw = ctypes.create_string_buffer(struct.pack(f"={len(_NAMES)}Q", *(registers[n] for n in _NAMES)))
        _ptrace(SETREGS, self.pid, ctypes.cast(raw, ctypes.c_void_p))

    def _wait(self):
        _, status = os.waitpid(self.pid, 0x40000000)  # __WALL
        if os.WIFSIGNALED(status):
            raise Killed(os.WTERMSIG(status))
        if os.WIFEXITED(status):
            raise Killed(0)
        return status

    def _doomed(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as f:
            pending = [int(line.split()[1], 16) for line in f if line.startswith(("SigPnd", "ShdPnd"))]
        return any(bits >> (signal.SIGSYS - 1) & 1 for bits in pending)

    def _instruction(self):
        """Where a `syscall` instruction stands in the C library's code."""
        with open(f"/proc/{self.pid}/maps", encoding="utf-8") as f:
            for line in f:
                m = re.match(r"([0-9a-f]+)-([0-9a-f]+) r-xp .*libc", line)
                if m:
                    start, end = (int(g, 16) for g in m.groups())
                    at = os.pread(self.mem, end - start, start).find(b"\x0f\x05")
                    if at >= 0:
                        return start + at
        raise LookupError("no syscall instruction")

    def call(self, number, *args):
        """The kernel's answer; bytes arguments are put on its stack. Raises Killed. It stands still for the one call only:
        its supervisor ends a child that says nothing for long."""
        _ptrace(SEIZE, self.pid)
        try:
            _ptrace(INTERRUPT, self.pid)
            self._wait()
            answer = self._one(number, args)
            _ptrace(DETACH, self.pid)
        except ProcessLookupError:  # somebody else ended it: the tracer has to see that, or nobody does
            self._wait()
            raise
        return answer

    def _one(self, number, args):
        before = self._registers()
        now, at = dict(before), before["rsp"] - 65536
        words = []
        for a in args:
            if isinstance(a, bytes):
                os.pwrite(self.mem, a, at)
                words.append(at)
                at += (len(a) + 15) & ~15
            else:
                words.append(a & 0xffffffffffffffff)
        now.update(zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), words + [0] * 6))
        now.update(rax=number, orig_rax=0xffffffffffffffff, rip=self._instruction())
        self._set(now)
        for _ in range(2):  # into the call, and out of it
            _ptrace(SYSCALL, self.pid)
            self._wait()
        while self._doomed():  # a filter killed it: the signal waits for it to go on
            _ptrace(CONT, self.pid)
            self._wait()
        answer = struct.unpack("=q", struct.pack("=Q", self._registers()["rax"]))[0]
        self._set(before)
        return answer


@contextlib.contextmanager
def captive(pid):
    """The main thread of a process, at our word; it goes on between the calls, and afterwards, if it lives."""
    one = Captive(pid)
    try:
        yield one
    finally:
        os.close(one.mem)
