"""Sign-in as tests need it: a real local provider, a workspace that asks it, claims as a provider sends them, and a browser that
signs in. Nothing here knows a page's figures.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from oidc_provider_mock import User, run_server_in_thread
from playwright.sync_api import Page, expect

from models.settings import CLIENT_SECRET, COOKIE_SECRET
from tests.dashboards.browsing import WAIT_MS, settled
from tests.dashboards.fleet import Fleet

STRANGE = """people, "payments" <b>x</b> ' OR 1=1 -- {teams:Array(String)}"""
"""A team's name that is a list, a quote, a tag, a condition and a parameter, where somebody took it for more than text."""

GRANTS: list[dict[str, Any]] = [
    {"groups": ["payments-leads"], "roles": ["lead"], "teams": ["payments"]},
    {"groups": ["logistics"], "roles": ["viewer"], "teams": ["logistics"]},
    {"groups": ["finance"], "roles": ["finance"]},
    {"groups": ["on-call"], "roles": ["on-call"]},
    {"groups": ["platform"], "roles": ["platform"]},
    {"claim": "email", "values": ["ada@example.com"], "roles": ["admin"]},
    {"groups": ["strange"], "roles": ["lead"], "teams": [STRANGE]},
    {
        "groups": ["nowhere"],
        "roles": ["lead"],
        "teams": ["payments, logistics", "payments' OR 1=1 --", "%", "<b>payments</b>", "Payments", "people"],
    },
]
"""Who may see what in the fleet of these tests."""

PERSONS: Mapping[str, Mapping[str, Any]] = {
    "lee": {"name": "Lee Lead", "groups": ["payments-leads"]},
    "vic": {"name": "Vic Viewer", "groups": ["logistics"]},
    "fin": {"name": "Fin Finance", "groups": ["finance"]},
    "ona": {"name": "Ona Call", "groups": ["on-call"]},
    "pat": {"name": "Pat Platform", "groups": ["platform"]},
    "ada": {"name": "Ada Admin", "email": "ada@example.com", "email_verified": True},
    "sue": {"name": "Sue <b>Strange</b>", "groups": ["strange"]},
    "ned": {"name": "Ned Nowhere", "groups": ["nowhere"]},
    "noa": {"name": "Noa Nobody", "groups": ["elsewhere"]},
    "tex": {"name": "Tex Text", "groups": "payments-leads"},
}
"""Subject -> claims the provider adds."""

ENVIRONMENT = {CLIENT_SECRET: "client-secret", COOKIE_SECRET: secrets.token_hex(32)}


def renamed(fleet: Fleet, team: str, name: str) -> Fleet:
    """The fleet with another name for one of its teams."""
    tables = {
        table: [{**row, "team": name} if row.get("team") == team else row for row in rows]
        for table, rows in fleet.tables.items()
    }
    return Fleet(tables)


def claims_of(subject: str, ago_seconds: float = 60, **more: Any) -> dict[str, Any]:
    """What ``st.user`` has of a person who signed in so long ago."""
    issued = int(time.time() - ago_seconds)
    return {
        "is_logged_in": True,
        "iss": "http://localhost:1",
        "aud": "appfleet",
        "sub": subject,
        "iat": issued,
        "exp": issued + 3600,
        "nonce": f"nonce of {subject}",
        "provider": "default",
        **PERSONS.get(subject, {}),
        **more,
    }


def write_people(root: Path, grants: Sequence[Mapping[str, Any]] = tuple(GRANTS)) -> None:
    """The workspace's ``people.yaml``."""
    (root / "people.yaml").write_text(
        yaml.safe_dump({"people": [dict(one) for one in grants]}), encoding="utf-8"
    )


def write_sign_in(root: Path, issuer: str = "http://localhost:1", port: int = 8501, **more: Any) -> None:
    """Settings of a workspace whose pages are signed in to, served on this machine."""
    sign_in = {
        "provider": f"{issuer}/.well-known/openid-configuration",
        "client_id": "appfleet",
        "redirect": f"http://127.0.0.1:{port}",
        **more,
    }
    (root / "appfleet.yaml").write_text(json.dumps({"sign_in": sign_in}), encoding="utf-8")


@contextmanager
def identity_provider() -> Iterator[str]:
    """A provider of identities that knows ``PERSONS`` and lets each in by name; its address."""
    users = [User(sub=subject, claims=dict(claims)) for subject, claims in PERSONS.items()]
    with run_server_in_thread(user_claims=users) as server:
        yield f"http://localhost:{server.server_port}"


def sign_in(page: Page, address: str, subject: str) -> None:
    """Opens the pages and signs in as somebody, at the provider."""
    page.goto(address)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name=subject, exact=True).click()
    page.wait_for_url(f"{address}/**")
    settled(page)


def expect_door(page: Page, sentence: str) -> None:
    """The page shows nothing but why nobody is let in."""
    expect(page.get_by_text(sentence)).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_test_id("stDataFrame")).to_have_count(0)
    expect(page.get_by_test_id("stMetric")).to_have_count(0)
