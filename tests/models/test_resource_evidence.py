"""Resources that telemetry names, against loops over tuples that share nothing with the model."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import polars as pl

from models.resource_evidence import NAMED, named_resources, resource_attributes

DAY = datetime(2026, 5, 1, tzinfo=UTC)


def bill(*rows: tuple[str, str]) -> pl.DataFrame:
    """Identities by place: resource id and name."""
    return pl.DataFrame(
        [(place, *row) for place, row in enumerate(rows)],
        schema={"place": pl.UInt32, "resource_id": pl.String, "resource_name": pl.String},
        orient="row",
    )


def seen(*rows: tuple[str, str, str], spans: int = 3) -> pl.DataFrame:
    """App, attribute and value, each seen on a day of its own."""
    lines = [
        (*row, spans, DAY + timedelta(days=number), DAY + timedelta(days=number + 1))
        for number, row in enumerate(rows)
    ]
    return pl.DataFrame(lines, schema=NAMED, orient="row")


def answers(identities: pl.DataFrame, said: pl.DataFrame) -> dict[int, tuple[str, str]]:
    found = named_resources(identities, said).answers
    return {
        place: (app, attribute)
        for place, app, attribute in found.select("place", "app_id", "attribute").rows()
    }


INSTANCE = "arn:aws:ec2:eu:1:instance/I-0A"
DATABASE = "/subscriptions/1/servers/Orders-DB"


def test_each_attribute_is_compared_with_what_its_line_says() -> None:
    identities = bill((INSTANCE, ""), (DATABASE, "orders"), ("", "Queue.One"))
    for said, want in (
        (("a", "cloud.resource_id", f" {INSTANCE.lower()} "), {0: ("a", "cloud.resource_id")}),
        (("a", "cloud.resource_id", "i-0a"), {}),  # an id is compared whole
        (("a", "host.id", "i-0A"), {0: ("a", "host.id")}),
        (("a", "db.namespace", "ORDERS"), {1: ("a", "db.namespace")}),
        (("a", "server.address", "orders-db.abc.rds.amazonaws.com"), {1: ("a", "server.address")}),
        (("a", "server.address", "10.0.0.1"), {}),
        (("a", "messaging.destination.name", "queue.one"), {2: ("a", "messaging.destination.name")}),
        (("a", "http.route", "orders"), {}),  # names no resource
    ):
        assert answers(identities, seen(said)) == want, said


def test_two_apps_named_equally_sure_have_nothing_and_the_surest_attribute_decides() -> None:
    identities = bill((DATABASE, ""), (INSTANCE, ""))
    said = seen(
        ("b", "server.address", "orders-db.internal"), ("a", "db.namespace", "orders-db"),
        ("b", "server.address", "i-0a"), ("a", "host.id", "i-0a"),
    )  # fmt: skip
    found = named_resources(identities, said)
    assert answers(identities, said) == {1: ("a", "host.id")}
    assert found.ambiguous.rows() == [(0, "named by 2 apps, a, b (db.namespace orders-db)")]


def test_a_name_of_several_resources_names_none_of_them_but_their_ids_do() -> None:
    identities = bill(("arn:x:eu/db", ""), ("arn:x:us/db", ""), ("arn:x:us/db", "another tag"))
    said = seen(("a", "db.namespace", "db"))
    found = named_resources(identities, said)
    assert found.answers.is_empty()
    assert (
        found.ambiguous["evidence"].to_list() == ["2 resources of the bill are called db (db.namespace)"] * 3
    )
    said = pl.concat([said, seen(("a", "cloud.resource_id", "arn:x:us/db"))])
    assert answers(identities, said) == {1: ("a", "cloud.resource_id"), 2: ("a", "cloud.resource_id")}


def test_evidence_is_added_up_and_no_order_matters() -> None:
    chance = random.Random(3)
    identities = bill(*((f"arn:p:{number}/r{number % 9}", f"n{number % 7}") for number in range(20)))
    attributes = resource_attributes()
    rows = [
        (
            chance.choice("abc"),
            chance.choice(attributes).attribute,
            chance.choice([f"arn:p:{n}/r{n % 9}" for n in range(20)] + [f"r{n}" for n in range(9)] + [f"n{n}.x" for n in range(7)]),
        )
        for _ in range(120)
    ]  # fmt: skip
    said = seen(*rows)
    first = named_resources(identities, said)
    assert first.answers.height > 3 and first.ambiguous.height > 3
    for seed in (1, 2):
        again = named_resources(
            identities.sample(fraction=1, shuffle=True, seed=seed),
            said.sample(fraction=1, shuffle=True, seed=seed),
        )
        assert again.answers.sort("place").equals(first.answers.sort("place"))
        assert again.ambiguous.equals(first.ambiguous)
    for place, app, attribute, value, spans, since, until in first.answers.select(
        "place", "app_id", "attribute", "value", "spans", "first_seen", "last_seen"
    ).rows():
        label = next(one.first_label for one in attributes if one.attribute == attribute)
        own = [
            number
            for number, (who, key, what) in enumerate(rows)
            if (who, key, what.partition(".")[0] if label else what) == (app, attribute, value)
        ]
        assert (spans, since, until) == (
            3 * len(own),
            DAY + timedelta(days=own[0]),
            DAY + timedelta(days=own[-1] + 1),
        ), place


def test_the_attributes_are_what_the_file_says() -> None:
    found = {one.attribute: one for one in resource_attributes()}
    assert {"cloud.resource_id", "faas.id", "host.id", "db.namespace", "server.address"} <= set(found)
    assert all(0 < one.confidence < 1 for one in found.values())
    assert all(
        set(one.against) <= {"resource_id", "resource_tail", "resource_name"} for one in found.values()
    )
