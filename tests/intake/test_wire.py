"""Unpacking, the structural check and the framing, against zlib, Protobuf's own classes and hand-made bytes."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path

import pytest
from backports import zstd
from google.protobuf.internal.encoder import _VarintBytes
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.ingest.intake.limits import Refused
from pipelines.ingest.intake.wire import (
    JSON,
    PROTOBUF,
    frame_ends,
    framed,
    grpc_coding,
    unpacked,
)
from tests.intake.otlp import spans

BODY = spans(1, 20).SerializeToString()


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("identity", BODY),
        ("gzip", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("zlib", zlib.compress(BODY)),
        ("deflate", zlib.compress(BODY)[2:-4]),
        ("zstd", zstd.compress(BODY)),
        ("zstd", zstd.compress(BODY[:100]) + zstd.compress(BODY[100:])),
    ],
)
def test_what_was_packed_comes_out(coding: str, packed: bytes) -> None:
    assert unpacked(packed, coding, len(BODY)) == BODY
    with pytest.raises(Refused) as refusal:
        unpacked(packed, coding, len(BODY) - 1)
    assert refusal.value.status == 413


def test_gzip_of_two_members_is_read_fully() -> None:
    assert unpacked(gzip.compress(BODY) + gzip.compress(BODY), "gzip", 1 << 20) == BODY * 2


@pytest.mark.parametrize(
    ("coding", "packed", "status"),
    [
        ("gzip", gzip.compress(BODY)[:-9], 400),
        ("gzip", gzip.compress(BODY) + b"tail", 400),
        ("gzip", BODY, 400),
        ("deflate", zlib.compress(BODY)[:-9], 400),
        ("zstd", zstd.compress(BODY)[:-3], 400),
        ("zstd", BODY, 400),
        ("zstd", zstd.compress(BODY) + b"tail", 400),
        ("br", BODY, 415),
        ("gzip, gzip", BODY, 415),
    ],
)
def test_what_cannot_be_unpacked_is_refused(coding: str, packed: bytes, status: int) -> None:
    with pytest.raises(Refused) as refusal:
        unpacked(packed, coding, 1 << 20)
    assert refusal.value.status == status


def test_a_packed_grpc_message_is_told_from_a_plain_one() -> None:
    assert grpc_coding(BODY) == "identity"
    assert grpc_coding(b"") == "identity"
    assert grpc_coding(gzip.compress(BODY)) == "gzip"
    assert grpc_coding(zstd.compress(BODY)) == "zstd"
    assert [grpc_coding(zlib.compress(BODY, level)) for level in (0, 1, 6, 9)] == ["deflate"] * 4


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=400), max_size=8), st.integers(0, 400))
def test_a_torn_segment_keeps_its_whole_frames(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], torn: int
) -> None:
    path = tmp_path_factory.mktemp("frames") / "segment"
    expected, data = [], io.BytesIO()
    for payload in payloads:
        assert framed(payload, PROTOBUF) == _VarintBytes(len(payload)) + payload
        data.write(framed(payload, PROTOBUF))
        expected.append(data.tell())
    whole = data.getvalue()
    path.write_bytes(whole[: max(0, len(whole) - torn)])
    assert frame_ends(path, PROTOBUF) == [end for end in expected if end <= max(0, len(whole) - torn)]


def test_torn_lines(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(framed(b"{}", JSON) + framed(b'{"a":1}', JSON) + b'{"b"')
    assert frame_ends(path, JSON) == [3, 11]
