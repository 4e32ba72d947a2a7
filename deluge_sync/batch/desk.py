"""What everybody who works on a job has at hand: its state and its journal, its accounts, and how long to wait.

`note` is the only way in which a job changes: the record is on the disk before anything follows from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from deluge_sync.batch.accounts import Account
    from deluge_sync.batch.manifest import Job, Part
    from deluge_sync.batch.patience import Pacer

__all__ = ["Desk"]


class Desk:
    """For one thread; `stop` may come from any other.

    append: writes a record to the manifest. open_account: opens the account of a route by its number.
    """

    def __init__(
        self,
        manifest: Path,
        job: Job,
        append: Callable[[Mapping[str, Any]], None],
        open_account: Callable[[int], Account],
        pacer: Pacer,
    ) -> None:
        self.manifest = manifest
        self.job = job
        self.pacer = pacer
        self._append = append
        self._open_account = open_account
        self._accounts: dict[int, Account] = {}

    def note(self, kind: str, part: Part | None = None, **facts: Any) -> None:
        """Write down that something has happened, or is about to, and take it in.

        Raises:
            OSError: the disk is full; it counts as not noted.
        """
        record = {"record": kind, **({} if part is None else {"part": part.number}), **facts}
        self._append(record)
        self.job.apply(record)

    def account(self, route: int) -> Account:
        """The account of a route, opened when it is first asked for.

        Raises:
            MissingKeyError: the route needs a key and there is none.
        """
        if route not in self._accounts:
            self._accounts[route] = self._open_account(route)
        return self._accounts[route]

    def account_of(self, part: Part) -> Account:
        """The account of a part. Raises like `account`."""
        return self.account(part.route)

    def stop(self) -> None:
        """Cut the call under way and end all waiting."""
        self.pacer.stop()
        for account in list(self._accounts.values()):
            account.wire.cut()
