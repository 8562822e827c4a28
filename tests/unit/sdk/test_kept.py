"""What is kept for a while, and asked for again afterwards."""

from gateway.sdk.kept import Kept


def test_what_is_known_is_not_asked_for_until_it_is_old():
    now, asked = [0.0], []
    kept = Kept[str](60, clock=lambda: now[0])

    def name():
        asked.append(now[0])
        return f"Support {len(asked)}"

    told = []
    for now[0] in (0.0, 60.0, 61.0, 62.0):
        told.append(kept.get("q-1", name))

    assert told == ["Support 1", "Support 1", "Support 2", "Support 2"]
    assert asked == [0.0, 61.0]


def test_what_is_old_takes_no_room():
    now = [0.0]
    kept = Kept[str](60, clock=lambda: now[0])
    kept["q-1"] = "Support"
    now[0] = 61.0

    assert "q-1" not in kept
    assert kept._values == {}


def test_what_could_not_be_had_is_asked_for_again():
    kept, told = Kept[str](60), [RuntimeError("down"), "Support"]

    def name():
        found = told.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    for _ in range(2):
        try:
            answer = kept.get("q-1", name)
        except RuntimeError:
            answer = None

    assert answer == "Support"
