"""The one HTTP client: bounded in time and size, and in whom it talks to.

A server may be slow, broken or hostile, or send us elsewhere. An exchange (redirects included) ends at its deadline,
whatever comes in until then: a byte of a header now and then, or `100 Continue` without end. A body is read up to a
number of bytes. Redirects lead to the same host only. Link-local addresses and those where clouds keep their machines'
credentials are never asked; loopback and private networks are, since inference servers run there.
"""

from __future__ import annotations

from uptake.http.addresses import Refused
from uptake.http.client import TooLong, client
from uptake.http.retries import AGAIN, LONGEST_PAUSE, Again, asked_pause, retrying

__all__ = ["AGAIN", "LONGEST_PAUSE", "Again", "Refused", "TooLong", "asked_pause", "client", "retrying"]
