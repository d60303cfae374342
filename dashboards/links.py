"""What an address asks a page for, and how a page's controls stand in its address: keys that do not change, whatever
people read for them. An address that asks for what is not there, or is not the viewer's, is told so and shows nothing
else in its place. What the choice is used for does not belong here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import streamlit as st

from dashboards.formats import as_text

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

_SEEN = "address of "
"""Before a control's key: what the address said for it when the page was last drawn."""


def address(page: str, **asked: str) -> str:
    """Address of a page on these pages, with what it is asked for: ``/app?app=checkout``."""
    return f"/{page}?{urlencode(asked)}" if asked else f"/{page}"


def asked_choice(
    place: DeltaGenerator,
    label: str,
    key: str,
    options: Mapping[str, str],
    noun: str,
    *,
    default: str | None = None,
    as_segments: bool = False,
    help: str | None = None,
) -> str:
    """The option an address or the control asks for: one of ``options`` (key in the address to words on the page).

    Without either it is ``default``, or the first option. An address that asks for another is answered in one
    sentence beside the control, and the page ends there. ``noun`` says what the options are, as in "no team x".
    """
    usual = default if default is not None else next(iter(options))
    given = _given(key, lambda text: text if text in options else None, usual)
    drawn: dict[str, Any] = {"format_func": lambda name: options.get(name, name), "key": key, "help": help}
    chosen: str | None
    if as_segments:
        chosen = place.segmented_control(label, list(options), required=usual == default, **drawn)
    else:
        chosen = place.selectbox(label, list(options), placeholder=f"Choose a {noun}", **drawn)
    if chosen is None:
        st.error(_unknown(noun, given) if given else f"Choose a {noun}.")
        st.stop()
    _say(key, "" if chosen == usual else chosen)
    return chosen


def asked_choices(
    place: DeltaGenerator, label: str, key: str, options: Mapping[str, str], noun: str
) -> tuple[str, ...]:
    """The options an address or the control asks for, none or some; an unknown one is told and not narrowed by.

    In an address they stand with commas between.
    """
    given = _given(key, lambda text: [one for one in text.split(",") if one in options], [])
    chosen: list[str] = place.pills(
        label,
        list(options),
        selection_mode="multi",
        format_func=options.__getitem__,
        key=key,
        on_change=_forget,
        args=(key,),
    )
    unknown = [one for one in given.split(",") if one and one not in options]
    if unknown:
        st.error(_unknown(noun, ", ".join(unknown)))
        st.stop()
    _say(key, ",".join(chosen))
    return tuple(chosen)


def asked_text(place: DeltaGenerator, label: str, key: str, placeholder: str) -> str:
    """The text an address or the field asks for, empty for none."""
    _given(key, str, "")
    text: str = place.text_input(label, key=key, type="search", placeholder=placeholder) or ""
    _say(key, text)
    return text


def _given(key: str, read: Callable[[str], Any], usual: Any) -> str:
    """What the address says for a control; an address that is new (a link, a step back) sets the control."""
    given = str(st.query_params.get(key, ""))
    if key not in st.session_state or st.session_state.get(_SEEN + key) != given:
        st.session_state[key] = read(given) if given else usual
        st.session_state[_SEEN + key] = given
    return given


def _say(key: str, value: str) -> None:
    """Writes a control's value into the address; what is usual is left out of it."""
    st.session_state[_SEEN + key] = value
    if value:
        st.query_params[key] = value
    elif key in st.query_params:
        del st.query_params[key]


def _forget(key: str) -> None:
    """Drops what the address said: the control has been used since."""
    st.session_state[_SEEN + key] = ""
    if key in st.query_params:
        del st.query_params[key]


def _unknown(noun: str, given: str) -> str:
    """One sentence for an address that asks for what is not there or not the viewer's; text from outside stays text."""
    return f"There is no {noun} “{as_text(given[:80])}”, or it is not yours. Choose one above."
