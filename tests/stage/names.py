"""A name server whose answers the test changes as it goes."""

import socket
import struct
import threading


class NameServer:
    """Answers questions for IPv4 addresses from `addresses`, and knows nothing else. A context manager."""

    def __init__(self, address="127.0.0.1", port=53, **addresses):
        self.addresses = {name.replace("_", "."): ip for name, ip in addresses.items()}
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, port))

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _serve(self):
        while True:
            try:
                question, peer = self.socket.recvfrom(1500)
                self.socket.sendto(self._answer(question), peer)
            except OSError:
                return

    def _answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]].decode())
            at += 1 + question[at]
        name, kind = ".".join(labels).lower(), int.from_bytes(question[at + 1 : at + 3])
        self.asked.append(name)
        address = self.addresses.get(name)
        found = [address] if address and kind == 1 else []
        # Flags: an answer, by who is asked; 3: no such name. TTL 1 s.
        head = question[:2] + struct.pack(">HHHHH", 0x8580 | (0 if address else 3), 1, len(found), 0, 0)
        records = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 1, 4) + socket.inet_aton(ip) for ip in found)
        return head + question[12 : at + 5] + records
