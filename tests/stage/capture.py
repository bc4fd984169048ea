"""What went over a cable: tcpdump writes it down, and here it is read."""

import re
import signal
import socket
import struct
import subprocess
from pathlib import Path

_IPV4, _ARP, _TCP = 0x0800, 0x0806, 6


class Capture:
    """Everything that passes an interface between entering and leaving. A context manager."""

    def __init__(self, interface, file):
        self.interface, self.file = interface, Path(file)

    def __enter__(self):
        arguments = ["tcpdump", "-i", self.interface, "-B", "65536", "-s", "0", "-Z", "root", "-w", str(self.file)]
        self.process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
        heard = []
        for line in self.process.stderr:
            heard.append(line)
            if "listening on" in line:
                return self
        raise RuntimeError(f"tcpdump does not start: {''.join(heard)}")

    def __exit__(self, *_):
        # It writes what the kernel still holds before it ends.
        self.process.send_signal(signal.SIGINT)
        words = self.process.communicate(timeout=30)[1]
        self.lost = int(re.search(r"(\d+) packets dropped by kernel", words)[1])

    def frames(self):
        data = self.file.read_bytes()
        order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
        at = 24
        while at < len(data):
            _, _, held, length = struct.unpack_from(order + "IIII", data, at)
            assert held == length, "the capture is cut short"
            yield data[at + 16 : at + 16 + held]
            at += 16 + held

    def seen(self):
        """Each packet as (address asked for,) of ARP, or (source, port, destination, port, payload) of TCP over IPv4. Anything
        else is named: the tests know of nothing else that may be there."""
        for frame in self.frames():
            kind = int.from_bytes(frame[12:14])
            if kind == _ARP:
                yield (socket.inet_ntoa(frame[38:42]),)
                continue
            header = (frame[14] & 15) * 4
            if kind != _IPV4 or frame[23] != _TCP:
                yield ("unexpected", frame.hex())
                continue
            ends = [socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34])]
            segment = frame[14 : 14 + int.from_bytes(frame[16:18])][header:]
            ports = struct.unpack_from(">HH", segment)
            yield ends[0], ports[0], ends[1], ports[1], segment[(segment[12] >> 4) * 4 :]

    def streams(self):
        """What was said in each direction of each connection, put together."""
        said = {}
        for packet in self.seen():
            if len(packet) == 5:
                said.setdefault(packet[:4], bytearray()).extend(packet[4])
        return {ends: bytes(octets) for ends, octets in said.items()}
