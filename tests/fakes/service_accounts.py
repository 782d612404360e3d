"""Service-account keys that no one else has: made for one run of the tests."""

import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

EMAIL = "svc@proj-fake.iam.gserviceaccount.com"
KEY_ID = "fake-key-id"


@cache
def private_key() -> RSAPrivateKey:
    """The key of all accounts."""
    return generate_private_key(public_exponent=65537, key_size=2048)


def pem() -> str:
    """The key as the file has it."""
    return private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def key_file(**members: Any) -> str:
    """A key file as the console gives it out, indented; members that are None are left out."""
    values = {
        "type": "service_account",
        "project_id": "proj-fake",
        "private_key_id": KEY_ID,
        "private_key": pem(),
        "client_email": EMAIL,
        "client_id": "1",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
    } | members
    return json.dumps({name: value for name, value in values.items() if value is not None}, indent=2)
