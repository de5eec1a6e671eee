"""Which addresses are asked, and what a name's addresses are."""

from __future__ import annotations

import ipaddress
import threading
from contextlib import suppress
from socket import SOCK_STREAM, gaierror, getaddrinfo, inet_aton, inet_ntoa

import httpcore2

from uptake.errors import UptakeError

_METADATA = ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")
"""Where Alibaba, Azure, Oracle and Amazon (IPv6) serve what a machine may; the others do at 169.254.169.254."""


class Refused(UptakeError):
    """A server is not asked, or its answer is not taken, for it goes beyond the bounds."""


def resolve(host: str, port: int, seconds: float) -> list[str]:
    """The addresses of a name, looked up in a thread of its own: the look-up itself knows no time-out."""
    found: list[str] = []
    failed: list[OSError] = []

    def look_up() -> None:
        try:
            found.extend(str(info[4][0]) for info in getaddrinfo(host, port, type=SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            failed.append(error if isinstance(error, OSError) else gaierror(f"{host} is no name"))

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise httpcore2.ConnectTimeout(f"{host} was not found in time")
    if failed:
        raise httpcore2.ConnectError(str(failed[0])) from failed[0]
    return list(dict.fromkeys(found))


def literal(host: str) -> str | None:
    """The address that a host is written as, of which IPv4 has several spellings; None for a name."""
    with suppress(ValueError):
        return str(ipaddress.ip_address(host.strip("[]")))
    with suppress(OSError):
        return inet_ntoa(inet_aton(host))
    return None


def is_forbidden(address: str) -> bool:
    """Whether an IP address is link-local or one of a cloud's metadata, also where IPv6 holds an IPv4 address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in ipaddress.ip_network("64:ff9b::/96"):  # IPv4 as IPv6 networks write it (RFC 6052)
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_forbidden(str(inner))
    return ip.is_link_local or str(ip) in _METADATA


def forbidden(host: str) -> Refused:
    """Why a host is not asked."""
    return Refused(
        f"{host} is not asked: it is a link-local address, or one where a cloud keeps a machine's credentials",
        fix="correct the address of the server",
    )
