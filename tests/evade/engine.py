# SPDX-License-Identifier: GPL-3.0-or-later
"""Many flights at once from one process inside the client's namespace: frames out, frames in, timers.

The addresses that flights come from belong to nobody there, so the kernel neither answers nor resets; the gateway
knows them by neighbour entries that origin.py made. One thread; a flight is an object with start(now), packet(now,
proto, bytes), timer(now), and done.
"""
import ctypes
import errno
import heapq
import itertools
import os
import select
import socket
import struct
import time

import wire

GATEWAY_MAC, CLIENT_MAC = bytes.fromhex("00005e005301"), bytes.fromhex("00005e005302")
CLONE_NEWNET = 0x40000000
SOURCES = 40


def client_address(v6, n):
    return f"2001:db8:1::1:{n:x}" if v6 else f"192.0.2.{100 + n}"


def enter(space):
    with open(f"/run/netns/{space}", "rb") as f:
        if ctypes.CDLL(None, use_errno=True).setns(f.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


class Engine:
    def __init__(self, width=128):
        self.width = width
        self.socks, self.heads = {}, {}
        for v6, proto in ((False, 0x0800), (True, 0x86DD)):
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(proto))
            s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
            s.setsockopt(socket.SOL_SOCKET, 32, 8 << 20)  # SO_SNDBUFFORCE
            s.bind(("eth0", proto))
            s.setblocking(False)
            self.socks[v6] = s
            self.heads[v6] = GATEWAY_MAC + CLIENT_MAC + proto.to_bytes(2, "big")
        self.live, self.timers, self.tick = {}, [], itertools.count()
        self.ports = itertools.count(os.getpid() * 7919 % 20000)
        self.sent = self.received = 0

    def place(self, v6):
        """A source address and port that no recent flight had."""
        n = next(self.ports)
        return client_address(v6, n % SOURCES), 20000 + n // SOURCES * 7 % 40000

    def send(self, v6, packet):
        sock, frame = self.socks[v6], self.heads[v6] + packet
        self.sent += 1
        for _ in range(50):
            try:
                sock.send(frame)
                return
            except OSError as e:
                if e.errno == errno.EMSGSIZE:
                    return  # a combination too long for a packet: as if it were lost
                if e.errno not in (errno.EAGAIN, errno.ENOBUFS):
                    raise
                time.sleep(0.001)

    def at(self, when, flight):
        heapq.heappush(self.timers, (when, next(self.tick), flight))

    def add(self, flight):
        self.live[flight.key] = flight
        flight.start(time.monotonic())

    def run(self, flights, finished, busy=lambda f: False, tell=lambda live, waiting: None):
        """Flies all of an iterator's flights, at most `width` at once; finished(flight) for each. busy(flight) says
        that its server can take no more just now: it waits."""
        waiting, more = [], True
        poll = select.poll()
        for s in self.socks.values():
            poll.register(s, select.POLLIN)
        while more or self.live or waiting:
            tell(self.live, waiting)
            held = []
            for f in waiting:
                if len(self.live) < self.width and not busy(f):
                    self.add(f)
                else:
                    held.append(f)
            waiting = held
            while more and len(self.live) < self.width and len(waiting) < self.width:
                f = next(flights, None)
                if f is None:
                    more = False
                elif busy(f):
                    waiting.append(f)
                else:
                    self.add(f)
            self.turn(poll)
            for f in [f for f in self.live.values() if f.done]:
                del self.live[f.key]
                finished(f)

    def turn(self, poll):
        now = time.monotonic()
        wait = max(0.0, min(0.05, self.timers[0][0] - now)) if self.timers else 0.01
        if poll.poll(int(wait * 1000) + (wait > 0)):
            for v6, s in self.socks.items():
                self.drain(v6, s)
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now:
            flight = heapq.heappop(self.timers)[2]
            if not flight.done:
                flight.timer(now)

    def drain(self, v6, sock):
        now = time.monotonic()
        for _ in range(512):
            try:
                frame = sock.recv(70000)
            except BlockingIOError:
                return
            if frame[:6] != CLIENT_MAC:
                continue
            got = wire.read(frame[14:])
            if got is None or len(got[3]) < 8:
                continue
            proto, _, dst, body = got
            flight = self.live.get((proto, dst, int.from_bytes(body[2:4], "big")))
            if flight and not flight.done:
                self.received += 1
                flight.packet(now, proto, body)
            elif proto == wire.TCP and not body[13] & wire.RST and body[13] & wire.ACK:
                self.refuse(v6, got[1], dst, body)

    def refuse(self, v6, server, client, body):
        """What a kernel says to a segment that belongs to no connection."""
        sport, dport, _, ack = struct.unpack_from("!HHII", body)
        ends = wire.Ends.__new__(wire.Ends)
        ends.v6, ends.src, ends.dst, ends.pair = v6, client, server, client + server
        self.send(v6, wire.packets(ends, wire.TCP, wire.tcp(ends, dport, sport, ack, 0, wire.RST))[0])
