"""The format of a billing source: one of the table, or the one its mapping says, read from the workspace or the package.

Finds and reads mappings; what stands in one is decided by ``models.mapping``, how it is computed by ``sql.mapped``.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from models.billing_apis import mapping_of
from models.errors import ConfigurationError
from models.mapping import FORMAT, parse_mapping, shipped
from models.settings import BillingSource
from pipelines.ingest.billing.formats import BILL_FORMATS, BillFormat, mapping_format
from pipelines.ingest.billing.list_prices import with_list_prices

MOST_BYTES = 1 << 20
"""A mapping is written by people."""


def bill_of(source: BillingSource, root: Path) -> BillFormat:
    """How a source's bills are read.

    Raises:
        ConfigurationError: its mapping is not there or not as it should be; names file, line and field.
    """
    name = source.mapping or mapping_of(source.api)
    if source.format != FORMAT and not name:
        bill = BILL_FORMATS[source.format]
        return with_list_prices(bill) if source.list_prices else bill
    assert name is not None  # the settings hold a source of this format to one
    return _format(*mapping_text(name, root))


def mapping_text(name: str, root: Path) -> tuple[str, str]:
    """Text and name in sentences of a mapping: a file of the workspace, else one of those that come with the package.

    Raises:
        ConfigurationError: there is none, or it cannot be read.
    """
    path = root / name
    try:
        if not path.is_file() and name in shipped():
            return shipped()[name], f"the mapping {name} of the package"
        if path.stat().st_size > MOST_BYTES:
            raise ConfigurationError(f"{name} is larger than a mapping can be: {MOST_BYTES} bytes")
        return path.read_text(encoding="utf-8"), name
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name} is no UTF-8: save it as UTF-8") from None
    except OSError as error:
        raise ConfigurationError(
            f"{name} cannot be read ({error.strerror}): name a mapping that is there"
        ) from None


@lru_cache(maxsize=100)
def _format(text: str, file: str) -> BillFormat:
    return mapping_format(parse_mapping(text, file))
