# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of the tests' own in the origin's namespace, on the addresses 198.51.100.7 and 2001:db8:2::7 (or 8, 9):
they know exactly what reached them.

Owns: its listening sockets and a thread a connection, until close().
"""
import itertools
import os
import re
import socket
import ssl
import struct
import subprocess
import tempfile
import threading

PEER = {4: "198.51.100.7", 6: "2001:db8:2::7"}
PEER8 = {4: "198.51.100.8", 6: "2001:db8:2::8"}
PEER9 = {4: "198.51.100.9", 6: "2001:db8:2::9"}
LINGER_RST = struct.pack("ii", 1, 0)


def add_addresses(lab, at):
    """Twice is no error."""
    lab.exec("origin", ["ip", "address", "add", at[4] + "/24", "dev", "eth0"])
    lab.exec("origin", ["ip", "address", "add", at[6] + "/64", "dev", "eth0", "nodad"])


class Connection:
    """What one connection brought: data (bytes so far), end: None, "fin" or "reset"."""

    def __init__(self, sock, source):
        self.sock, self.source, self.data, self.end = sock, source, b"", None
        self.finished = threading.Event()

    def hear(self, want=1 << 30):
        """Reads until that many bytes are there or the end; whether they are."""
        while len(self.data) < want and self.end is None:
            try:
                got = self.sock.recv(65536)
                self.data += got
                if not got:
                    self.end = "fin"
            except socket.timeout:
                self.end = "silence"
            except OSError:
                self.end = "reset"
        return len(self.data) >= want

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RST)
        self.sock.close()


LOST_TTL = 33  # a SYN sent with this passes the gateway, and is lost on its way to the origin's servers


def lose_far_syns(lab):
    """The origin drops SYNs with LOST_TTL, as routers between do with a small TTL."""
    for tool, match in (("iptables", ["-m", "ttl", "--ttl-eq"]), ("ip6tables", ["-m", "hl", "--hl-eq"])):
        lab.exec("origin", [tool, "-w", "-A", "INPUT", "-p", "tcp", "--syn", *match, str(LOST_TTL - 1), "-j", "DROP"], check=True)


class Peer:
    """A TCP server on both families; what it does with a connection is talk(connection)."""

    def __init__(self, lab, port, talk=None, timeout=60, at=PEER, space="origin"):
        if space == "origin":
            add_addresses(lab, at)
        self.port, self.talk, self.timeout = port, talk or Connection.hear, timeout
        self.connections, self.lock = [], threading.Lock()
        self.listeners = []
        with lab.inside(space):
            for family, address in ((socket.AF_INET, at[4]), (socket.AF_INET6, at[6])):
                self.listeners.append(socket.create_server((address, port), family=family, backlog=256))
        for s in self.listeners:
            threading.Thread(target=self._accept, args=(s,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for s in self.listeners:
            s.shutdown(socket.SHUT_RDWR)
            s.close()
        for c in self.connections:
            c.sock.close()

    def _accept(self, listener):
        while True:
            try:
                sock, source = listener.accept()
            except OSError:
                return
            sock.settimeout(self.timeout)
            threading.Thread(target=self._serve, args=(sock, source), daemon=True).start()

    def _serve(self, sock, source):
        connection = Connection(sock, source)
        with self.lock:
            self.connections.append(connection)
        try:
            self.talk(connection)
        except (OSError, ValueError):
            pass
        finally:
            connection.finished.set()
            if sock.fileno() >= 0:
                sock.close()

    def heard(self):
        """All bytes of all connections."""
        return b"".join(c.data for c in self.connections)


_numbers = itertools.count(1)


def fresh(kind):
    """A name of its own, as long for every kind of five letters: n0001.KIND.example."""
    return f"n{next(_numbers):04}.{kind}.example"


class Judge(Peer):
    """A TLS server that remembers every name for which OpenSSL accepted a hello. It answers `origin NAME`."""

    def __init__(self, lab, port=443, curve=None, **how):
        self.names, self.curve = [], curve
        with tempfile.TemporaryDirectory() as tmp:
            pem = os.path.join(tmp, "pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-subj", "/CN=judge", "-days", "2", "-keyout", pem, "-out", pem + ".crt"],
                           check=True, capture_output=True)
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(pem + ".crt", pem)
        if curve:
            self.context.set_ecdh_curve(curve)
        self.context.sni_callback = self._named
        super().__init__(lab, port, self._talk, **how)

    def _named(self, tls, name, _):
        tls.judged = name
        with self.lock:
            self.names.append(name)

    def _talk(self, connection):
        with self.context.wrap_socket(connection.sock, server_side=True) as tls:
            connection.sock = tls
            self.converse(connection, tls)

    def converse(self, _, tls):
        if tls.read(4096).startswith(b"GET "):
            tls.write(f"HTTP/1.0 200 OK\r\n\r\norigin {getattr(tls, 'judged', None)}\n".encode())


def take_upload(connection):
    """Reads a request and its body, and says how much that was."""
    while b"\r\n\r\n" not in connection.data and connection.hear(len(connection.data) + 1):
        pass
    head, _, _ = connection.data.partition(b"\r\n\r\n")
    size = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
    if connection.hear(len(head) + 4 + size):
        answer = f"received {size}\n"
        connection.sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n{answer}".encode())


class TlsUploads(Judge):
    def converse(self, connection, _):
        take_upload(connection)


class Far:
    """A fifth namespace behind the origin, which routes to it over a link that takes 1300 bytes only.

    Owns: the namespace PREFIX-far until close(); 203.0.113.2 and 2001:db8:3::2 are in it.
    """
    AT = {4: "203.0.113.2", 6: "2001:db8:3::2"}

    def __init__(self, lab, mtu=1300):
        self.name = f"{lab.prefix}-far"
        self.servers = []
        origin = f"{lab.prefix}-origin"
        for command in (f"netns add {self.name}",
                        f"-n {origin} link add far mtu {mtu} type veth peer name eth0 mtu {mtu} netns {self.name}",
                        f"-n {origin} link set far up", f"-n {self.name} link set eth0 up",
                        f"-n {self.name} link set lo up", f"-n {origin} address add 203.0.113.1/24 dev far",
                        f"-n {origin} address add 2001:db8:3::1/64 dev far nodad",
                        f"-n {self.name} address add 203.0.113.2/24 dev eth0",
                        f"-n {self.name} address add 2001:db8:3::2/64 dev eth0 nodad",
                        f"-n {self.name} route add default via 203.0.113.1",
                        f"-n {self.name} -6 route add default via 2001:db8:3::1"):
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)
        lab.exec("origin", ["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"])
        self.servers = [Peer(lab, 80, take_upload, at=self.AT, space="far"), TlsUploads(lab, at=self.AT, space="far")]

    def close(self):
        for s in self.servers:
            s.close()
        subprocess.run(["ip", "netns", "delete", self.name], check=False, capture_output=True)
