"""Keys and tokens, good and bad ones."""
import base64
import json
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    def __init__(self, kid):
        self.kid, self.private = kid, Ed25519PrivateKey.generate()

    def line(self):
        public = self.private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return f"{self.kid} {b64(public)}\n"

    def token(self, user, device, issued_at=None, ttl=3600, kid=True, **claims):
        now = int(time.time()) if issued_at is None else issued_at
        header = {"alg": "EdDSA", "typ": "JWT"} | ({"kid": self.kid} if kid else {})
        body = {"sub": user, "dev": device, "iat": now, "exp": now + ttl} | claims
        signed = ".".join(b64(json.dumps(part, separators=(",", ":")).encode()) for part in (header, body))
        return f"{signed}.{b64(self.private.sign(signed.encode()))}"
