"""What the secret of an AWS credential may look like. Pure."""

import re

_VISIBLE_ASCII = re.compile(r"[!-~]+")
_ACCESS_KEY_ID = re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{8,}")


def check_secret(secret: str) -> str | None:
    """Return what is wrong with a secret as it was pasted, None when nothing is; holds nothing of it."""
    if secret.startswith(("{", "[")):
        return "Paste the secret access key alone; the access key ID and the region have fields of their own."
    if not _VISIBLE_ASCII.fullmatch(secret):
        return "This isn't a key: it holds spaces, line breaks or letters that no key has."
    if _ACCESS_KEY_ID.match(secret):
        return (
            "This begins with an access key ID, which has a field of its own. Paste the secret access key, "
            "for temporary keys followed by a colon and the session token."
        )
    return None
