import base64

import pytest

from credentials.keyring import InvalidKeyRing, parse_key_ring

ONE, TWO = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


def test_the_first_key_is_the_newest() -> None:
    ring = parse_key_ring(f" k2:{TWO} , k1:{ONE},")
    assert ring.newest == "k2"
    assert ring.keys == {"k2": b"\x02" * 32, "k1": b"\x01" * 32}


def test_a_ring_shows_no_key() -> None:
    assert repr(parse_key_ring(f"k1:{ONE}")) == "KeyRing(newest='k1')"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "AXIOM_KEYS is not set"),
        (" , ", "AXIOM_KEYS is not set"),
        (ONE, "Entry 1 of AXIOM_KEYS has no id"),
        (f"k1:{ONE},:{TWO}", "Entry 2 of AXIOM_KEYS has no id"),
        (f"k 1:{ONE}", "Entry 1 of AXIOM_KEYS has no id"),
        (f"{'k' * 33}:{ONE}", "Entry 1 of AXIOM_KEYS has no id"),
        (f"k1:{ONE},k1:{TWO}", "two keys with the id k1"),
        ("k1:???", "The key k1 of AXIOM_KEYS is not base64"),
        (f"k1:{ONE[:-1]}", "The key k1 of AXIOM_KEYS is not base64"),
        ("k1:", "The key k1 of AXIOM_KEYS is not 32 bytes long"),
        (f"k1:{base64.b64encode(bytes(16)).decode()}", "The key k1 of AXIOM_KEYS is not 32 bytes long"),
    ],
)
def test_a_ring_that_cannot_be_used_says_why_and_shows_no_key(text: str, complaint: str) -> None:
    with pytest.raises(InvalidKeyRing, match=complaint) as caught:
        parse_key_ring(text)
    assert ONE not in str(caught.value)
    assert TWO not in str(caught.value)
