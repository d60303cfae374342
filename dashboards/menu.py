"""The pages there are, as data: address, title, file, and the right without which a page is not there. How a page is drawn, and
who has a right, do not belong here.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.people import SEE_ACCESS_LOG, SEE_STATEMENTS

HOME = "home"
"""Address of the page everybody comes in by; it is the Fleet page's second one."""


@dataclass(frozen=True)
class MenuPage:
    """A page of the menu; ``view`` is its file below ``dashboards/views`` without the ending."""

    path: str
    title: str
    view: str
    right: str = ""


MENU = (
    MenuPage(HOME, "Fleet", "fleet"),
    MenuPage("fleet", "Fleet", "fleet"),
    MenuPage("app", "App", "one_app"),
    MenuPage("team", "Team", "team"),
    MenuPage("oncall", "On-call", "oncall"),
    MenuPage("anomalies", "Anomalies", "anomalies"),
    MenuPage("coverage", "Coverage", "coverage"),
    MenuPage("finance", "Finance", "finance", SEE_STATEMENTS),
    MenuPage("access", "Access", "access_log", SEE_ACCESS_LOG),
)
