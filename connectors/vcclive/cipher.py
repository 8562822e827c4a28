"""Encrypted bodies: base64 of the ciphertext, with the initialization vector in hexadecimal in the URL.

https://vcc.live/developers/webhook/overview/securing-requests; the sample beside it decrypts with PHP's
`openssl_decrypt`, which fills up a key or a vector that is too short with zeros and cuts one that is too long.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, CTR
from cryptography.hazmat.primitives.padding import PKCS7

from gateway.sdk import RejectedError
from gateway.sdk.reading import read_object

MODES: dict[str, type[CTR | CBC]] = {"ctr": CTR, "cbc": CBC}
METHODS = tuple(f"aes-{bits}-{mode}" for mode in MODES for bits in (256, 192, 128))

BLOCK = 16


def opened(body: bytes, iv: str | None, *, method: str, keys: Sequence[str]) -> bytes:
    """The JSON object in the body, by whichever key gives one. RejectedError: none does."""
    try:
        ciphertext = base64.b64decode(body.strip(), validate=True)
        vector = _fitted(bytes.fromhex(iv or ""), BLOCK)
    except (binascii.Error, ValueError):
        raise RejectedError("The body must be base64 and iv hexadecimal: is the encryption of bodies on?") from None
    for key in keys:
        plain = _decrypted(ciphertext, vector, method, key.encode())
        if _is_object(plain):
            return plain
    raise RejectedError("The body is not encrypted with this key and method.")


def _decrypted(ciphertext: bytes, vector: bytes, method: str, key: bytes) -> bytes:
    """What the key makes of it; nothing where the padding shows that it is the wrong one."""
    _, bits, mode = method.split("-")
    decryptor = Cipher(AES(_fitted(key, int(bits) // 8)), MODES[mode](vector)).decryptor()
    try:
        plain = decryptor.update(ciphertext) + decryptor.finalize()
        if MODES[mode] is CTR:
            return plain
        padding = PKCS7(8 * BLOCK).unpadder()
        return padding.update(plain) + padding.finalize()
    except ValueError:
        return b""


def _fitted(value: bytes, length: int) -> bytes:
    return value[:length].ljust(length, b"\0")


def _is_object(body: bytes) -> bool:
    try:
        read_object(body)
    except RejectedError:
        return False
    return True
