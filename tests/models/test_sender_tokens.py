"""Tokens: a form that scanners and typing errors are caught by, and what opens at which moment."""

from __future__ import annotations

import hashlib
import re
import zlib
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ConfigurationError
from models.sender_tokens import (
    DIGITS,
    LENGTH,
    SenderToken,
    TokenKey,
    digest,
    is_token,
    key_id,
    period,
    text_of,
    token_name,
    token_text,
    tokens_of,
)

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOKEN = token_text("".join(Random(1).choices(DIGITS, k=51)))


def key(
    made: datetime = NOON, ends: datetime | None = None, revoked: datetime | None = None, id: str = "a"
) -> TokenKey:
    return TokenKey(id, "0" * 64, made, ends, revoked)


@given(st.text(DIGITS, min_size=51, max_size=51))
@settings(max_examples=50)
def test_a_token_says_what_it_is_and_that_it_is_whole(digits: str) -> None:
    token = token_text(digits)
    assert re.fullmatch(r"appfleet_[0-9A-Za-z]{57}", token) and len(token) == LENGTH
    assert is_token(token) and key_id(token) == digits[:8]
    number = 0
    for letter in token[-6:]:
        number = number * 62 + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".index(letter)
    assert number == zlib.crc32(token[:-6].encode())
    assert digest(token) == hashlib.sha256(token.encode()).hexdigest()


def test_a_slip_of_one_letter_is_no_token() -> None:
    for place in range(len(TOKEN)):
        for letter in "0aZ_ ":
            slip = TOKEN[:place] + letter + TOKEN[place + 1 :]
            assert is_token(slip) == (slip == TOKEN)
    for place in range(len(TOKEN) - 1):
        swapped = TOKEN[:place] + TOKEN[place + 1] + TOKEN[place] + TOKEN[place + 2 :]
        assert is_token(swapped) == (swapped == TOKEN)
    assert not is_token(TOKEN + "0") and not is_token(TOKEN[:-1]) and not is_token("")


def test_a_key_opens_until_it_ends_or_is_revoked() -> None:
    assert [key(ends=NOON).state(NOON + wait) for wait in (-HOUR, -timedelta.resolution, timedelta(0))] == [
        "valid", "valid", "expired",
    ]  # fmt: skip
    assert key().state(NOON + 1000 * HOUR) == "valid"
    assert [key(ends=NOON, revoked=NOON).state(NOON + wait) for wait in (-HOUR, timedelta(0))] == [
        "valid",
        "revoked",
    ]


def test_a_token_opens_with_any_of_its_keys() -> None:
    def token(*keys: TokenKey) -> SenderToken:
        return SenderToken("a", ("x",), (), keys)

    over, gone = key(ends=NOON), key(revoked=NOON)
    assert token(over, key()).state(NOON) == "valid" == token(key(), gone).state(NOON)
    assert (token(gone, over).state(NOON), token(over, gone).state(NOON), token().state(NOON)) == (
        "expired", "revoked", "revoked",
    )  # fmt: skip


def test_a_rotation_leaves_the_older_keys_for_the_overlap_and_never_longer_than_they_had() -> None:
    soon, revoked, over = key(ends=NOON + HOUR), key(revoked=NOON - HOUR), key(ends=NOON - HOUR)
    before = SenderToken("a", ("x",), (), (key(), soon, key(ends=NOON + 9 * HOUR), revoked, over))
    new = key(NOON, id="new")
    after = before.rotated(new, 3 * HOUR)
    ends = [one.expires_at for one in after.keys]
    assert ends == [NOON + 3 * HOUR, NOON + HOUR, NOON + 3 * HOUR, None, NOON - HOUR, None]
    assert after.keys[-1] == new and after.keys[3:5] == (revoked, over)
    at_once = before.rotated(new, timedelta(0))
    assert [one.state(NOON) for one in at_once.keys] == ["expired"] * 3 + ["revoked", "expired", "valid"]


def test_a_new_key_lives_as_long_as_the_one_before_was_made_for() -> None:
    first = key(NOON - 5 * HOUR, NOON + 2 * HOUR)
    assert SenderToken("a", ("x",), (), (key(), first)).next_end(NOON) == NOON + 7 * HOUR
    assert SenderToken("a", ("x",), (), (first, key())).next_end(NOON) is None


def test_a_revoked_token_opens_nothing_and_keeps_when_it_was() -> None:
    token = SenderToken("a", ("x",), (), (key(), key(revoked=NOON - HOUR))).revoked(NOON)
    assert [one.revoked_at for one in token.keys] == [NOON, NOON - HOUR] and token.state(NOON) == "revoked"


def test_one_app_alone_is_pinned() -> None:
    for apps, teams, pinned in (
        (("x",), (), "x"),
        (("x", "y"), (), ""),
        (("x",), ("t",), ""),
        ((), ("t",), ""),
    ):
        assert SenderToken("a", apps, teams, ()).pinned_app == pinned


def test_what_is_written_is_read_again() -> None:
    tokens = (
        SenderToken(
            "a.b-c_1", ("x", "é"), ("Team, one",), (key(ends=NOON), key(revoked=NOON + timedelta.resolution))
        ),
        SenderToken("b", (), ("t",), ()),
    )
    assert tokens_of(text_of(tokens), "file") == tokens and tokens_of('{"version": 1}', "file") == ()


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", '{"version": 2}', '{"version": 1, "more": 1}', '{"version": 1, "tokens": [{"name": "a"}]}',
        text_of([SenderToken("a", (), (), (key(),))]).replace("0" * 64, "secret"),
        text_of([SenderToken("a", (), (), (key(),))]).replace("+00:00", ""),
        text_of([SenderToken("a", (), (), ())]).replace('"a"', '"a b"'),
    ],
)  # fmt: skip
def test_another_file_is_refused_in_a_sentence_without_what_is_in_it(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^tokens\.json is not a file of tokens") as refused:
        tokens_of(text, "tokens.json")
    assert "secret" not in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(("text", "hours"), [("12h", 12), ("90d", 90 * 24), ("2w", 14 * 24), ("1h", 1)])
def test_a_span_of_time_is_read(text: str, hours: int) -> None:
    assert period(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "0d", "d", "1", "1m", "-1d", "1.5d", "01d", "1d ", "9999999d"])
def test_what_is_no_span_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="it must be a span of time such as 12h, 90d or 2w"):
        period(text)


@pytest.mark.parametrize("name", ["", "a b", "-a", ".a", "a" * 101, "a\n", "ä"])
def test_a_name_is_one_that_can_be_typed(name: str) -> None:
    assert token_name("a" * 100) == "a" * 100
    with pytest.raises(ValueError, match="may hold letters"):
        token_name(name)
