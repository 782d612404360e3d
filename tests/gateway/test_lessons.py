"""What is remembered of refusals, and for how long."""

from gateway.lessons import MOST_ENTRIES, Lessons
from gateway.types import Connection
from tests.gateway.targets import target


def test_lessons_are_kept_in_order_and_once_each() -> None:
    lessons, one = Lessons(), target(1)
    for lesson in ("b", "a", "b"):
        lessons.learn(one, "m", lesson)
    assert lessons.of(one, "m") == ("b", "a")


def test_lessons_are_of_one_credential_and_one_model() -> None:
    lessons, connection = Lessons(), Connection(base_url="http://x", headers=())
    one, other = target(1, connection=connection), target(2, connection=connection)
    assert lessons.of(one, "m") == ()
    lessons.learn(one, "m", "a")
    assert lessons.of(one, "n") == ()
    assert lessons.of(other, "m") == ()


def test_a_credential_that_was_changed_is_learned_anew() -> None:
    lessons = Lessons()
    lessons.learn(target(1), "m", "a")
    changed = target(1)
    assert lessons.of(changed, "m") == ()
    lessons.learn(changed, "m", "b")
    assert lessons.of(changed, "m") == ("b",)


def test_the_memory_is_bounded() -> None:
    lessons, one = Lessons(), target(1)
    for number in range(MOST_ENTRIES):
        lessons.learn(one, f"m{number}", "a")
    lessons.learn(one, "m0", "b")  # known already: nothing has to go
    assert lessons.of(one, "m1") == ("a",)
    lessons.learn(one, "one more", "a")
    assert lessons.of(one, "m1") == ()
    assert lessons.of(one, "one more") == ("a",)
