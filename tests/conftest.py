"""What holds for all tests: no connection leaves this machine, and examples do not depend on time or chance."""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import Any

from hypothesis import HealthCheck, settings

# The same examples on every machine; HYPOTHESIS_PROFILE=thorough looks for new ones. Neither judges by the clock.
settings.register_profile(
    "default", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", settings.get_profile("default"), derandomize=False, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

_LOCAL_NAMES = frozenset({"", "localhost", socket.gethostname()})


class OutsideWorldError(RuntimeError):
    """A test tried to reach another machine; not an OSError, so that no retry in the code under test hides it."""


def _is_local(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    if name in _LOCAL_NAMES or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _refuse_outside(host: object) -> None:
    if not _is_local(host):
        raise OutsideWorldError(f"tests may connect to this machine only, not to {host}")


class _LocalSocket(socket.socket):
    """A socket that connects and sends to this machine only; Unix sockets always are."""

    def connect(self, address: Any) -> None:
        self._check(address)
        super().connect(address)

    def connect_ex(self, address: Any) -> int:
        self._check(address)
        return super().connect_ex(address)

    def sendto(self, *arguments: Any) -> int:
        self._check(arguments[-1])
        return super().sendto(*arguments)

    def _check(self, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            _refuse_outside(address[0])


def _local_getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
    _refuse_outside(host)
    return _getaddrinfo(host, *arguments, **options)


_getaddrinfo = socket.getaddrinfo


def pytest_configure() -> None:
    """Close the way out before any test module is imported."""
    socket.socket = _LocalSocket  # type: ignore[misc]
    socket.getaddrinfo = _local_getaddrinfo
