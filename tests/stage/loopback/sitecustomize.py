"""For Python programs that run with this folder in PYTHONPATH: they reach this machine and nothing else.

Python loads a module of this name before the program. Whatever the program would ask elsewhere fails as without a network.
"""

import ipaddress
import socket


def is_here(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def only_here(method):
    def guarded(self, *arguments):
        # The address is the last argument: connect(address), sendto(bytes, [flags,] address).
        address = arguments[-1]
        if self.family in (socket.AF_INET, socket.AF_INET6) and not is_here(address[0]):
            raise OSError(f"{address[0]} is not this machine")
        return method(self, *arguments)

    return guarded


def getaddrinfo(host, *arguments, _ask=socket.getaddrinfo, **options):
    if host is not None and not is_here(host.decode() if isinstance(host, bytes) else host):
        raise socket.gaierror(socket.EAI_NONAME, f"{host} is not this machine")
    return _ask(host, *arguments, **options)


for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, only_here(getattr(socket.socket, name)))
socket.getaddrinfo = getaddrinfo
