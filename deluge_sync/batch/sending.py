"""Makes one batch of one request file: never none, never two, wherever the process was killed before.

The manifest says `creating` before a batch is ordered. Whoever finds a part in that phase, after a crash or after a
call whose outcome is unclear, looks for the batch at the provider and orders another only if there is none.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.failure import FailureKind
from deluge_sync.batch.backend import PartToSend
from deluge_sync.batch.manifest import failure_record
from deluge_sync.batch.patience import is_passing, is_unclear
from deluge_sync.batch.places import part_file
from deluge_sync.batch.wire import CallFailedError

if TYPE_CHECKING:
    from deluge_sync._adapters.failure import Failure
    from deluge_sync.batch.accounts import Account
    from deluge_sync.batch.desk import Desk
    from deluge_sync.batch.manifest import Part

__all__ = ["send"]

log = logging.getLogger(__name__)

# A batch may be there some moments before lists show it.
_LOOKS_FOR_A_BATCH: Final = 3
# An order may be a body of 256 MB: one that is refused for now is not sent again at once, but when it is due.
_REFUSALS: Final = 2
_ACCOUNT_TROUBLE: Final = frozenset(
    {FailureKind.AUTH, FailureKind.PERMISSION, FailureKind.QUOTA, FailureKind.QUOTA_DAILY, FailureKind.TLS}
)


def send(desk: Desk, part: Part) -> None:
    """Bring the part to `created`; to `refused` where the provider will never take it, to `held` where it does not yet.

    Raises:
        CallFailedError: the provider cannot be reached, or the account is at fault. Another call goes on from here.
        StoppedError: nobody wants to wait any more.
    """
    account = desk.account_of(part)
    try:
        if part.phase == "written":
            _upload(desk, account, part)
        if part.phase == "creating":
            _adopt(desk, account, part)
        if part.phase in ("uploaded", "held", "creating"):
            _create(desk, account, part)
    except CallFailedError as error:
        if not _is_verdict(error.failure):
            raise
        desk.note("refused", part, problem=failure_record(error.failure))


def _upload(desk: Desk, account: Account, part: Part) -> None:
    upload = partial(account.backend.upload, account.wire, _to_send(desk, part))
    desk.note("uploaded", part, file_id=desk.pacer.insist(upload))


def _create(desk: Desk, account: Account, part: Part) -> None:
    """Order the batch. The part is created or held then. One that was held before is not insisted on."""
    was_held = part.phase == "held"
    if part.phase != "creating":  # else the mark of the first attempt holds: that may have made a batch after all
        mark = desk.pacer.insist(partial(account.backend.mark, account.wire, _to_send(desk, part)))
        desk.note("creating", part, mark=mark)
    failures = 0
    while part.phase == "creating":
        desk.pacer.check()
        try:
            batch_id = account.backend.create(account.wire, _to_send(desk, part))
        except CallFailedError as error:
            failures += 1
            _after_failure(desk, account, part, error, failures=desk.pacer.patience.attempts if was_held else failures)
        else:
            desk.note("created", part, batch_id=batch_id)


def _after_failure(desk: Desk, account: Account, part: Part, error: CallFailedError, *, failures: int) -> None:
    """Adopt, hold or wait; or pass the error on."""
    failure = error.failure
    is_last = failures >= desk.pacer.patience.attempts
    if is_unclear(failure):
        log.info("it is unclear whether part %d became a batch (%s); looking for it", part.number, failure.message)
        _adopt(desk, account, part)
        if part.phase == "created":
            return
    if failure.traits.pauses_key and (is_last or failures >= _REFUSALS):
        desk.note("held", part, problem=failure_record(failure))
        return
    if is_last or not is_passing(failure):
        if not is_unclear(failure):  # nothing was made, so that nobody has to look for it
            desk.note("uploaded", part, file_id=part.file_id)
        raise error
    desk.pacer.wait(desk.pacer.pause_s(failures - 1, hint_s=failure.retry_after_s))


def _adopt(desk: Desk, account: Account, part: Part) -> None:
    """Look whether the batch is there, some moments long; note it if it is."""
    for look in range(_LOOKS_FOR_A_BATCH):
        find = partial(account.backend.find, account.wire, _to_send(desk, part))
        batch_id = desk.pacer.insist(find)
        if batch_id is not None:
            desk.note("created", part, batch_id=batch_id, was_found=True)
            return
        if look + 1 < _LOOKS_FOR_A_BATCH:
            desk.pacer.wait(desk.pacer.patience.ceiling_s(look))


def _to_send(desk: Desk, part: Part) -> PartToSend:
    known = {batch_id for other in desk.job.parts for batch_id in other.provider_ids}
    values: dict[str, Any] = {"file_id": part.file_id, "mark": part.mark}
    return PartToSend(
        f"deluge-sync-{part.alias}",
        desk.job.routes[part.route].model,
        part_file(desk.manifest, part.number),
        part.requests,
        part.betas,
        known_ids=frozenset(known),
        **values,
    )


def _is_verdict(failure: Failure) -> bool:
    """Whether it is said of the requests, and will be said of them every time."""
    return not is_passing(failure) and failure.status is not None and failure.kind not in _ACCOUNT_TROUBLE
