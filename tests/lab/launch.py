#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the daemon in a namespace the way a service manager would, and returns when it is ready.

Opens 127.0.0.1:PORT in the namespace this runs in (the machine's own, so that a browser here can reach the
dashboard) and hands the socket in as systemd does: descriptor 3, LISTEN_FDS=1, LISTEN_PID, LISTEN_FDNAMES=web.
Ready is READY=1 on NOTIFY_SOCKET; the API answers earlier, while packets still pass unjudged. Writes STATE/web-port,
STATE/pids/durward and STATE/log/durward.log. Exits 0 when ready; 1 with the daemon's last words if it ends or is not
ready in time.
See sd_listen_fds(3), sd_notify(3).
"""
import argparse
import os
import select
import signal
import socket
import sys
import time


def open_web(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind(("127.0.0.1", port))
    except OSError as e:
        sys.exit(f"lab: 127.0.0.1:{port} for the dashboard: {e.strerror}; LAB_WEB_PORT=0 takes any free port")
    s.listen(128)
    return s


def start_time(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(") ", 1)[1].split()[19]


def start(args, web, notify_path, log_path):
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    null = os.open("/dev/null", os.O_RDONLY)
    listener = os.dup(web.fileno()) if web.fileno() == 3 else web.fileno()
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(listener, 3)
    os.set_inheritable(3, True)
    os.closerange(4, 1024)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="web",
                      NOTIFY_SOCKET=notify_path)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    # `ip netns exec` enters the namespace, gives it its own resolv.conf, and execs in place: the pid stays ours
    os.execvp("ip", ["ip", "netns", "exec", args.netns] + args.command)


def wait_ready(args, pid, notify):
    """None when ready, else what went wrong."""
    end = time.monotonic() + args.timeout
    while time.monotonic() < end:
        if select.select([notify], [], [], 0.1)[0]:
            if b"READY=1" in notify.recv(4096).split(b"\n"):
                return None
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return f"it ended with {os.waitstatus_to_exitcode(status)} before it was ready"
    os.killpg(pid, signal.SIGKILL)
    return f"it was not ready within {args.timeout} s"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--netns", required=True)
    p.add_argument("--state", required=True)
    p.add_argument("--web-port", type=int, required=True)
    p.add_argument("--timeout", type=float, default=300)
    p.add_argument("command", nargs="+")
    args = p.parse_args()
    web = open_web(args.web_port)
    notify_path = os.path.join(args.state, "notify")
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(notify_path)
    os.chmod(notify_path, 0o777)
    log_path = os.path.join(args.state, "log", "durward.log")
    with open(os.path.join(args.state, "web-port"), "w") as f:
        f.write(f"{web.getsockname()[1]}\n")
    pid = start(args, web, notify_path, log_path)
    with open(os.path.join(args.state, "pids", "durward"), "w") as f:
        f.write(f"{pid} {start_time(pid)}\n")
    wrong = wait_ready(args, pid, notify)
    if wrong:
        with open(log_path, errors="replace") as f:
            words = f.read().strip().splitlines()[-15:]
        sys.exit("\n".join([f"lab: {args.command[0]}: {wrong}; its words:"] + words))


main()
