"""Tokens made in a test: well signed with the node's key, or wrong in one way. Signing is left to openssl."""
import base64
import json
import subprocess
import tempfile
from pathlib import Path

PKCS8 = bytes.fromhex("302e020100300506032b657004220420")  # RFC 8410: what stands before an Ed25519 seed


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parts(token):
    """Header, claims, signature."""
    header, claims, signature = token.split(".")
    return json.loads(unb64(header)), json.loads(unb64(claims)), unb64(signature)


def node_seed(node, kid=None):
    keys = sorted((node.dir / "keys").glob(f"{kid or '*'}.key"))
    assert keys, "no signing key"
    return unb64(keys[0].read_text().strip())


def sign(seed, signed):
    with tempfile.TemporaryDirectory() as home:
        key, text, out = (Path(home) / name for name in ("key", "text", "out"))
        key.write_bytes(PKCS8 + seed)
        text.write_bytes(signed)
        subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-inkey", key, "-in", text,
                        "-out", out], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return out.read_bytes()


def make(seed, header, claims):
    """`header` and `claims`: objects, or the very bytes."""
    def text(value):
        return value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    signed = f"{b64(text(header))}.{b64(text(claims))}"
    return f"{signed}.{b64(sign(seed, signed.encode()))}"
