"""The file tokens of senders are kept in: who reads it sees the old content or the new, who writes it is alone.

It holds hashes, never a token. Several intakes may share it (one machine: the state folder; several: whatever brings a file to
each of them). What is in it is the business of ``models.sender_tokens``.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from models.errors import ConfigurationError
from models.sender_tokens import SenderToken, text_of, tokens_of
from models.settings import Settings
from sql.state import state_folder

TOKENS_VARIABLE = "APPFLEET_INTAKE_TOKENS"
FILE_NAME = "intake-tokens.json"

Signature = tuple[int, int, int]
"""What tells that a file is another one: its number, time and size."""

Change = Callable[[tuple[SenderToken, ...]], tuple[SenderToken, ...]]


class TokenFile:
    """Tokens at a path; a file that is not there holds none."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[SenderToken, ...]:
        """All tokens in it.

        Raises:
            ConfigurationError: it cannot be read, or is no file of tokens.
        """
        try:
            return tokens_of(self.path.read_text(encoding="utf-8"), str(self.path))
        except FileNotFoundError:
            return ()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigurationError(f"{self.path} cannot be read: {why}") from None

    def signature(self) -> Signature | None:
        """That of the file as it is now, or None where there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def change(self, change: Change) -> tuple[SenderToken, ...]:
        """Puts what ``change`` makes of the tokens in their place, on disk before it returns.

        Raises:
            ConfigurationError: the file cannot be read or written; it is as it was.
        """
        try:
            with self._alone():
                tokens = change(self.read())
                self._write(text_of(tokens))
        except OSError as error:
            raise ConfigurationError(f"{self.path} cannot be written: {error.strerror}") from None
        return tokens

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, text: str) -> None:
        descriptor, name = tempfile.mkstemp(prefix=f".{self.path.name}-", dir=self.path.parent)  # 0600
        draft = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def token_file(settings: Settings, environment: Mapping[str, str] = os.environ) -> TokenFile:
    """The file of a workspace: what the environment names, else the settings, else one in the state folder.

    Raises:
        ConfigurationError: the state folder cannot be made.
    """
    named = environment.get(TOKENS_VARIABLE)
    if named:
        return TokenFile(Path(named))
    return TokenFile(settings.intake.tokens or state_folder(settings.root) / FILE_NAME)
