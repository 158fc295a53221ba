# SPDX-License-Identifier: GPL-3.0-or-later
"""spoof.py 4|6 PORT RATE [MACS] - SYNs to the origin's PORT from addresses on the client's own segment that nobody has, about RATE
a second, until its standard input ends. MACS: from as many hardware addresses; without it from one's own. Says "going" after
the first hundred, and at its end how many there were. Run inside the client's namespace by test_refusal_flood.py.
"""
import itertools
import os
import random
import select
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import forge  # noqa: E402
import labkit  # noqa: E402


def addresses(v6):
    if v6:
        return [f"2001:db8:1::bad:{i:x}" for i in range(4000)]
    return [f"192.0.2.{i}" for i in range(10, 250)]


def frames(v6, port, macs):
    ours = bytes.fromhex(labkit.MAC["client"].replace(":", ""))
    gateway = bytes.fromhex(forge.GATEWAY_MAC.replace(":", ""))
    senders = [b"\x02" + os.urandom(5) for _ in range(macs)] or [ours]
    dst = labkit.ORIGIN[6 if v6 else 4]
    out = []
    for src in itertools.islice(itertools.cycle(addresses(v6)), 8000):
        sport = random.randrange(1024, 65535)
        syn = forge.tcp_segment(src, dst, sport, port, random.randrange(1 << 32), 0, forge.SYN, b"", b"\2\4\5\xb4")
        out.append(gateway + random.choice(senders) + struct.pack("!H", 0x86dd if v6 else 0x0800)
                   + forge.ip_header(src, dst, 6, syn, 64))
    return out


def main():
    v6, port, rate = sys.argv[1] == "6", int(sys.argv[2]), int(sys.argv[3])
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    link.bind(("eth0", 0))
    begun, sent = time.monotonic(), 0
    for frame in itertools.cycle(frames(v6, port, int(sys.argv[4]) if len(sys.argv) > 4 else 0)):
        try:
            link.send(frame)
        except BlockingIOError:
            continue
        except OSError:
            time.sleep(0.001)
        sent += 1
        if sent == 100:
            print("going", flush=True)
        if sent % 50 == 0:
            wait = begun + sent / rate - time.monotonic()
            if select.select([sys.stdin], [], [], max(wait, 0))[0]:
                break
    print(sent, flush=True)


main()
