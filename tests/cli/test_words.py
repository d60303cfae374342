"""What people read in the terminal: text that came from outside is text, and what fails is one sentence."""

from __future__ import annotations

import errno
import io

import pytest
from rich.table import Table

from models.errors import WarehouseError
from pipelines.commands import cli, cli_words

EVIL = "a\x1b[2J\x1b]0;title\x07b\nc\r\u202ed\u200b"
SHOWN = "a\\x1b[2J\\x1b]0;title\\x07b\\nc\\r\\u202ed\\u200b"


def test_a_table_and_a_line_show_outside_text_as_text() -> None:
    out = io.StringIO()
    console = cli_words.PlainConsole(
        file=out, highlight=False, markup=False, soft_wrap=True, width=cli_words.UNCUT_WIDTH
    )
    table = Table("object", title=EVIL)
    table.add_row(EVIL)
    console.print(table)
    console.print(f"refused: {EVIL} [bold]not markup[/bold]", style="yellow")
    assert out.getvalue().count(SHOWN) == 3
    assert "[bold]not markup[/bold]" in out.getvalue()
    assert not {"\x1b", "\x07", "\r", "\u202e", "\u200b"} & set(out.getvalue())


def test_every_command_prints_through_it() -> None:
    assert isinstance(cli_words.console_here(), cli_words.PlainConsole)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (WarehouseError(f"no table {EVIL}"), f"appfleet: no table {SHOWN}\n"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "appfleet: the disk of what appfleet writes to is full: make room and run again; what was published stays, and no "
            "input is refused\n",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "/w/statement.csv"),
            "appfleet: the disk of /w/statement.csv is full: make room and run again; what was published stays, and no input is "
            "refused\n",
        ),
        (
            OSError(errno.EACCES, "Permission denied", f"/w/{EVIL}"),
            f"appfleet: /w/{SHOWN}: Permission denied\n",
        ),
    ],
)
def test_an_error_is_one_sentence_of_visible_characters(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == said
