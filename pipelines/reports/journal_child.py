"""The process a journal's template runs in, started by file and by nobody else: JSON in, the journal out.

It imports nothing of ours, so that a template finds nothing. ``pipelines.reports.journal`` starts it and ends it.
"""

from __future__ import annotations

import csv
import io
import json
import resource
import sys
import unicodedata
from collections.abc import Iterable
from typing import Any, NoReturn

SECONDS = 10
"""Processor seconds a template may take."""
START_SECONDS = 20
"""How long the process may take beside that on a busy machine, from its start to its end."""
MEMORY_BYTES = 512 * 2**20
OUTPUT_CHARACTERS = 64 * 10**6
REFUSED = 3
"""Exit code where the template is refused, with the sentence on stderr."""
TOO_LONG = "the template takes too long, or too much memory: it may not loop without end"


def _refuse(sentence: str) -> NoReturn:
    sys.stderr.write(sentence)
    sys.exit(REFUSED)


def _cells(values: Iterable[Any]) -> str:
    """Values as one line of CSV; text that a spreadsheet would run gets a leading ``'``."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="").writerow([_safe(str(one)) for one in values])
    return buffer.getvalue()


def _safe(text: str) -> str:
    start = unicodedata.normalize("NFKC", text.lstrip()[:1])
    is_amount = text[:1] == "-" and text[1:].replace(".", "", 1).isdigit()
    return f"'{text}" if start in ("=", "+", "-", "@") and not is_amount else text


def _rendered(template: str, context: dict[str, Any]) -> str:
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.exceptions import SecurityError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["cells"] = _cells
    parts: list[str] = []
    size = 0
    try:
        for part in environment.from_string(template).generate(context):
            size += len(part)
            if size > OUTPUT_CHARACTERS:
                _refuse(f"the template writes more than {OUTPUT_CHARACTERS:,} characters")
            parts.append(part)
    except SecurityError as error:
        _refuse(f"the template reaches for what it may not: {error}")
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        _refuse((f"line {line}: " if line else "") + " ".join(str(error.message or error).split()))
    except (MemoryError, RecursionError):
        _refuse(TOO_LONG)
    except OverflowError as error:
        _refuse(f"{error}")
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        _refuse(f"the template fails: {' '.join(str(error).split())}")
    return "".join(parts)


def main() -> None:
    """Reads template and values from stdin, writes the journal to stdout."""
    asked = json.loads(sys.stdin.buffer.read())
    resource.setrlimit(resource.RLIMIT_CPU, (asked["seconds"], asked["seconds"]))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    sys.stdout.buffer.write(_rendered(asked["template"], asked["context"]).encode())


if __name__ == "__main__":
    main()
