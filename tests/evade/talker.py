#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of cleartext preambles that turn into TLS, as lenient as can be: talker.py FOLDER ADDRESS... (in the origin).

It greets, answers one line to each line, never loses patience, and takes TLS after whatever was said before. On all
ports but 25 it throws away what it has read ahead when it turns to TLS, as mail servers do since 2011.
Owns: its sockets; one thread. Ends with its process.
"""
import re
import selectors
import socket
import ssl
import sys

PORTS = {25: b"smtp", 587: b"smtp", 143: b"imap", 110: b"pop3", 21: b"ftp"}
ASK = {b"smtp": rb"\s*STARTTLS\s*\Z", b"imap": rb"\s*\S+ STARTTLS\s*\Z", b"pop3": rb"\s*STLS\s*\Z", b"ftp": rb"\s*AUTH\s+(TLS|SSL)\s*\Z"}


class Connection:
    def __init__(self, sock, port, contexts):
        self.sock, self.port, self.proto, self.contexts = sock, port, PORTS[port], contexts
        self.text, self.tls, self.into, self.out = b"", None, ssl.MemoryBIO(), ssl.MemoryBIO()
        sock.sendall(b"220 talker\r\n")

    def named(self, tls, name, _):
        blocked = name and (name.lower().rstrip(".") + ".").endswith("blocked.example.")
        tls.context = self.contexts["blocked" if blocked else "other"]

    def hear(self, data):
        if self.tls:
            self.into.write(data)
            self.shake()
            return
        self.text += data
        while b"\n" in self.text and not self.tls:
            line, self.text = self.text.split(b"\n", 1)
            self.line(line.rstrip(b"\r"))

    def line(self, line):
        line = re.sub(rb"\xff[\xf0-\xff]", b"", line).split(b"\0")[0]
        if not re.match(ASK[self.proto], line, re.I):
            self.sock.sendall(b"500 what\r\n")
            return
        self.sock.sendall(b"220 go\r\n")
        context = self.contexts["other"]
        self.tls = context.wrap_bio(self.into, self.out, server_side=True)
        context.sni_callback = self.named
        if self.port == 25 and self.text:
            self.hear(self.text)
        self.text = b""

    def shake(self):
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        finally:
            out = self.out.read()
            if out:
                self.sock.sendall(out)


def main():
    folder, addresses = sys.argv[1], sys.argv[2:]
    contexts = {}
    for name in ("blocked", "other"):
        contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contexts[name].load_cert_chain(f"{folder}/{name}.pem", f"{folder}/{name}.key")
    ready = selectors.DefaultSelector()
    for address in addresses:
        for port in PORTS:
            s = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET, backlog=512)
            s.setblocking(False)
            ready.register(s, selectors.EVENT_READ, port)
    while True:
        for key, _ in ready.select():
            try:
                if isinstance(key.data, int):
                    sock, _ = key.fileobj.accept()
                    sock.settimeout(1)
                    ready.register(sock, selectors.EVENT_READ, Connection(sock, key.data, contexts))
                    continue
                data = key.fileobj.recv(65536)
                if data:
                    key.data.hear(data)
                    continue
            except BlockingIOError:
                continue
            except OSError:  # ssl.SSLError too
                pass
            if not isinstance(key.data, int):
                ready.unregister(key.fileobj)
                key.fileobj.close()


if __name__ == "__main__":
    main()
