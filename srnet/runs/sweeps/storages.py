"""Where a ledger is kept: optuna's journal in a file, or a database for many machines."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, get_storage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from sdnet.errors import InputError

LOCK = 7_312_016
"""PostgreSQL's number of the lock under which tables are made: any, that others don't use."""

optuna.logging.set_verbosity(optuna.logging.ERROR)


class _Lock(JournalFileOpenLock):
    """A lock on the journal itself, which ends with its process: one that is killed leaves none.

    Whoever gets it cuts off a last line that a killed writer left unfinished.
    """

    def __init__(self, path: str):
        super().__init__(path)
        self._path, self._file = path, -1

    def acquire(self) -> bool:
        import fcntl  # here, since not every system has it

        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        end = os.lseek(self._file, 0, os.SEEK_END)
        if end and os.pread(self._file, 1, end - 1) != b"\n":
            start = max(end - 2**20, 0)
            whole = os.pread(self._file, end - start, start).rfind(b"\n") + 1
            os.ftruncate(self._file, start + whole)
        return True

    def release(self) -> None:
        os.close(self._file)


def open_storage(storage: str) -> tuple[BaseStorage, Callable[[], None]]:
    """The storage at a path or a URL, and what closes its connections.

    Raises:
        InputError: it can't be reached, or isn't one.
    """
    if "://" in storage:
        return _database(storage)
    path = Path(storage)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_journal(path)
        lock = None if sys.platform == "win32" else _Lock(str(path))
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock)), lambda: None
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path}: can't be used as a study's journal ({reason})") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not the journal of a study ({type(error).__name__})") from None


def _check_journal(path: Path) -> None:
    """Raise ValueError or TypeError for a file of something else, before any line is added."""
    if path.exists():
        with path.open("rb") as file:
            first = file.readline()
        if first.endswith(b"\n") and "op_code" not in dict(json.loads(first)):
            raise ValueError("no operation of a journal")


def shown(storage: str) -> str:
    """A storage as it may be printed: a URL without its password."""
    if "://" not in storage:
        return storage
    from sqlalchemy.engine import make_url

    return make_url(storage).render_as_string(hide_password=True)


def _close(database: RDBStorage) -> None:
    database.remove_session()
    database.engine.dispose()


def _database(url: str) -> tuple[BaseStorage, Callable[[], None]]:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    try:
        place = make_url(url)
        if place.drivername in ("postgresql", "postgres"):
            place = place.set(drivername="postgresql+psycopg")
        name = place.render_as_string(hide_password=True)
        text = place.render_as_string(hide_password=False)
    except ArgumentError:
        raise InputError(
            "storage: not the URL of a database, expected such as postgresql://user@host/name"
        ) from None
    try:
        with _alone(place):
            database = RDBStorage(text, engine_kwargs={"pool_pre_ping": True})
    except ImportError as error:
        raise InputError(
            f"storage {name}: needs {error.name or 'psycopg'}: pip install symdisc[sweeps]"
        ) from None
    except (NoSuchModuleError, ArgumentError) as error:
        raise InputError(f"storage {name}: no such kind of database ({error})") from None
    except (SQLAlchemyError, RuntimeError) as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
        raise InputError(f"storage {name}: can't be used ({reason})") from None
    return get_storage(database), partial(_close, database)


@contextlib.contextmanager
def lost_is_told(storage: str) -> Iterator[None]:
    """Raise InputError where a database that was open can't be reached any more."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ or error
        reason = " ".join(str(getattr(cause, "orig", None) or cause).split())[:300]
        raise InputError(
            f"storage {shown(storage)}: was lost during the study ({reason}); the same command "
            "with --resume goes on"
        ) from None


@contextlib.contextmanager
def _alone(place: Any) -> Iterator[None]:
    """One process at a time, of all machines: optuna's tables can't be made by several at once."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    if not place.drivername.startswith("postgresql"):
        yield
        return
    with create_engine(place, poolclass=NullPool).connect() as connection:
        connection.execute(text(f"SELECT pg_advisory_lock({LOCK})"))
        yield  # the lock ends with the connection
