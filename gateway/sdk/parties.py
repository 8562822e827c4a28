"""Who is outside, as most platforms tell it: one customer, or nobody."""

from __future__ import annotations

from gateway.domain.interactions import Party


def customer(
    *, phone: str | None = None, email: str | None = None, name: str | None = None, handle: str | None = None
) -> tuple[Party, ...]:
    """The customer; nobody where nothing is told of them."""
    if phone is None and email is None and name is None and handle is None:
        return ()
    return (Party(role="customer", phone=phone, email=email, name=name, handle=handle),)
