"""Tokens made and opened by libsodium (PyNaCl), from the format's description alone.

Reads {"seal": [{"public", "namespace", "secret"}], "open": [{"private", "token"}]} as
JSON: keys as OpenSSH texts, bytes as base64. Writes {"seal": [token],
"open": [{"namespace", "secret"} or {"refused": why}]}.
"""

import base64
import hashlib
import json
import struct
import sys

from nacl.bindings import (
    crypto_sign_ed25519_pk_to_curve25519,
    crypto_sign_ed25519_sk_to_curve25519,
)
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox


def short_hash(data):
    return base64.b64encode(hashlib.blake2b(data, digest_size=6).digest()).decode()


def string(data, start):
    """A length of four bytes, and as many bytes; where the next one begins."""
    end = start + 4 + struct.unpack_from(">I", data, start)[0]
    return data[start + 4 : end], end


def public_key(text):
    blob = base64.b64decode(text.split()[1])
    kind, at = string(blob, 0)
    assert kind == b"ssh-ed25519"
    return string(blob, at)[0]


def private_key(text):
    """The 64 bytes of a private key without a passphrase (PROTOCOL.key)."""
    lines = text.strip().split("\n")[1:-1]
    data = base64.b64decode("".join(lines))
    magic = b"openssh-key-v1\0"
    assert data.startswith(magic)
    at = len(magic)
    for expected in (b"none", b"none", b""):
        field, at = string(data, at)
        assert field == expected
    at += 4
    _, at = string(data, at)
    section, _ = string(data, at)
    kind, at = string(section, 8)
    assert kind == b"ssh-ed25519"
    _, at = string(section, at)
    return string(section, at)[0]


def seal(case):
    public = public_key(case["public"])
    namespace, secret = case["namespace"].encode(), base64.b64decode(case["secret"])
    box = SealedBox(PublicKey(crypto_sign_ed25519_pk_to_curve25519(public)))
    sealed = base64.b64encode(box.encrypt(namespace + b":" + secret)).decode()
    return ":".join(["v2", *map(short_hash, (public, namespace, secret)), sealed])


def opened(case):
    private = private_key(case["private"])
    version, *hashes, sealed = case["token"].split(":")
    assert version == "v2"
    box = SealedBox(PrivateKey(crypto_sign_ed25519_sk_to_curve25519(private)))
    try:
        plaintext = box.decrypt(base64.b64decode(sealed, validate=True))
    except CryptoError:
        return {"refused": "box"}
    namespace, secret = plaintext.split(b":", 1)
    if hashes != [short_hash(part) for part in (private[32:], namespace, secret)]:
        return {"refused": "label"}
    return {"namespace": namespace.decode(), "secret": base64.b64encode(secret).decode()}


cases = json.load(sys.stdin)
answer = {"seal": [seal(case) for case in cases["seal"]], "open": [opened(case) for case in cases["open"]]}
json.dump(answer, sys.stdout)
