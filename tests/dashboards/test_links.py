"""Addresses: what they ask for is shown or said to be missing, and controls stand in them under keys that stay."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

SCRIPT = """
import streamlit as st
from dashboards.links import asked_choice, asked_choices, asked_text

place = st.container()
colour = asked_choice(place, "Colour", "colour", {"red": "Red!", "sea/blue": "Blue, deep"}, "colour", default="red")
size = asked_choice(place, "Size", "size", {"1": "One", "2": "Two"}, "size", default="2", as_segments=True)
tags = asked_choices(place, "Tags", "tags", {"a": "Tag A", "b": "Tag B"}, "tag")
text = asked_text(place, "Text", "text", "anything")
st.text(f"{colour}|{size}|{','.join(tags)}|{text}")
"""


def page(**query: str) -> AppTest:
    """The page of these controls at an address."""
    app = AppTest.from_string(SCRIPT, default_timeout=30)
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def shown(app: AppTest) -> list[str]:
    """What the page shows: its figures, or none."""
    assert not app.exception
    return [one.value for one in app.text]


def asked(app: AppTest) -> dict[str, list[str]]:
    """What the address says."""
    return {
        key: [value] if isinstance(value, str) else list(value) for key, value in app.query_params.items()
    }


def test_without_an_address_the_usual_is_shown_and_nothing_is_written() -> None:
    app = page()
    assert shown(app) == ["red|2||"]
    assert asked(app) == {}


def test_an_address_is_followed_and_stays() -> None:
    app = page(colour="sea/blue", size="1", tags="b,a", text="x y&z")
    assert shown(app) == ["sea/blue|1|b,a|x y&z"]
    assert asked(app) == {"colour": ["sea/blue"], "size": ["1"], "tags": ["b,a"], "text": ["x y&z"]}
    assert shown(app.run()) == ["sea/blue|1|b,a|x y&z"]


@pytest.mark.parametrize(
    ("query", "noun"),
    [
        ({"colour": "green"}, "colour “green”"),
        ({"colour": "Red!"}, r"colour “Red\!”"),
        ({"size": "3"}, "size “3”"),
        ({"tags": "a,c"}, "tag “c”"),
        ({"colour": "![x](http://h/i.png)`"}, r"colour “\!\[x\]\(http\:⁠\/\/h\/i\.png\)\`”"),
    ],
)
def test_what_is_not_there_is_said_and_nothing_else_is_shown_in_its_place(
    query: dict[str, str], noun: str
) -> None:
    app = page(**query)
    assert shown(app) == []
    assert [one.value for one in app.error] == [f"There is no {noun}, or it is not yours. Choose one above."]
    assert shown(app.run()) == []


def test_after_a_wrong_address_a_choice_leads_on() -> None:
    app = page(colour="green")
    app.selectbox[0].set_value("sea/blue").run()
    assert shown(app) == ["sea/blue|2||"]
    assert asked(app) == {"colour": ["sea/blue"]}
    app = page(tags="c")
    app.get("button_group")[1].set_value(["b"]).run()
    assert shown(app) == ["red|2|b|"]
    assert asked(app) == {"tags": ["b"]}


def test_controls_write_the_address_and_the_usual_leaves_it() -> None:
    app = page()
    app.selectbox[0].set_value("sea/blue").run()
    app.text_input[0].set_value("part").run()
    assert asked(app) == {"colour": ["sea/blue"], "text": ["part"]}
    app.selectbox[0].set_value("red").run()
    app.text_input[0].set_value("").run()
    assert asked(app) == {}
    assert shown(app) == ["red|2||"]


def test_a_new_address_wins_over_the_control() -> None:
    """A step back, or a link followed within the same session."""
    app = page(colour="sea/blue")
    app.query_params["colour"] = "red"
    assert shown(app.run()) == ["red|2||"]
    app.selectbox[0].set_value("sea/blue").run()
    assert shown(app) == ["sea/blue|2||"]
