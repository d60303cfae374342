"""`appfleet map`: a mapping proposed for a file, held to what a mapping must be; the person decides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from models.errors import ConfigurationError
from models.mapping import parse_mapping, read_header
from models.mapping_proposal import propose, unsure_lines
from models.text import visible
from pipelines.ingest.billing.samples import sample_of


def propose_mapping(path: Path, out: Path | None, say: Callable[[str], None]) -> str:
    """The proposed mapping of a file, written to ``out`` where that is given; ``say`` is told what is left for a person.

    Raises:
        ConfigurationError: there is no such file, or ``out`` is there already.
        InputRefused: it is no file a mapping can read.
    """
    if out is not None and out.exists():
        raise ConfigurationError(f"{out} exists already: `map` never overwrites; choose another name")
    with TemporaryDirectory() as room:
        sample = sample_of(path, Path(room))
    text = propose(sample.names, sample.rows, path.name)
    if out is not None:
        out.write_text(text, encoding="utf-8")
    for line in unsure_lines(text):
        say(visible(line))
    try:
        read_header(parse_mapping(text, str(out or "the mapping")), sample.names)
    except ConfigurationError as error:
        say(f"it loads nothing yet: {visible(str(error))}")
    return text
