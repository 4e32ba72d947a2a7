"""Keeps jobs within their budgets: holds money for each request before it is sent, and lets jobs wait for it.

A job that waits is in no queue of the dispatcher and holds no worker. When another request turns out to have cost less
than was held for it, or nothing, those that find room now are queued again; those that never will end as errors.

    admit -> (job.claim is held) -> sent -> settle(outcome)
       └──> waits here -> taken up again | refused | withdrawn

What may have been bought counts as bought, at the most it can have cost, until the provider has told what it did cost.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING

from deluge_sync._adapters.call import ModelReply
from deluge_sync._engine.budget import Claim, ClaimState
from deluge_sync._engine.forecast import most_usd
from deluge_sync._fork import start_afresh_in_child
from deluge_sync.models.pricing import cost_usd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from deluge_sync._adapters.call import Call
    from deluge_sync._adapters.failure import Failure
    from deluge_sync._engine.job import Job

__all__ = ["Spending"]


log = logging.getLogger(__name__)


class Spending:
    """Thread-safe; `_lock` guards the set of those that wait. A job's claim belongs to whoever has the job.

    take_up: queue a job again. refuse: end a job, with a sentence that says why.
    """

    def __init__(self, *, take_up: Callable[[Job], None], refuse: Callable[[Job, str], None]) -> None:
        self._take_up = take_up
        self._refuse = refuse
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        # In a forked child: the parent's jobs stay the parent's.
        self._lock = threading.Lock()
        self._in_thread = threading.local()
        self._waiting: set[Job] = set()

    def admit(self, job: Job, call: Call) -> bool:
        """Whether the job may be sent. If not it has ended, or waits here: it is the caller's no more."""
        budget = job.run.budget
        if budget is None:
            return True
        price = most_usd(call)
        if price is None:
            self._refuse(job, f"not sent: no price is known for {call.model.id!r}, so max_cost cannot be kept")
            return False
        if job.claim is not None:  # it has waited
            if price <= job.claim.most_usd:
                return True
            self.forfeit(job)  # meanwhile it was routed to a dearer model
        job.claim = claim = Claim(budget, price, (self, job))
        with self._lock:  # before it waits: from then on it may be taken up by another thread
            self._waiting.add(job)
        if budget.enter(claim) is ClaimState.WAITING:
            return False
        self._forget(job)
        if claim.state is ClaimState.REFUSED:
            self._refuse_claim(claim)
            return False
        return True

    def sent(self, job: Job) -> None:
        """The job's request goes out: from now on its money may be spent."""
        if job.claim is not None:
            job.claim.was_sent = True

    def settle(self, job: Job, outcome: ModelReply | Failure) -> None:
        """Put what the request cost in the place of what was held for it."""
        claim, job.claim = job.claim, None
        if claim is not None:
            self._carry_on(claim.budget.settle(claim, _cost_usd(job, outcome, claim)))

    def forfeit(self, job: Job) -> None:
        """Count what is held for the job as spent if its request went out, because nobody knows; else give it back."""
        claim, job.claim = job.claim, None
        if claim is not None:
            self._carry_on(claim.budget.settle(claim, claim.most_usd if claim.was_sent else 0.0))

    def withdraw(self, jobs: Iterable[Job]) -> list[Job]:
        """Take those of `jobs` out that wait, and return them."""
        with self._lock:
            waiting = [job for job in jobs if job in self._waiting]
        return self._withdraw(waiting)

    def withdraw_all(self) -> list[Job]:
        """Take out all that wait, and return them."""
        with self._lock:
            waiting = list(self._waiting)
        return self._withdraw(waiting)

    def _withdraw(self, jobs: Iterable[Job]) -> list[Job]:
        withdrawn, served = [], []
        for job, claim in [(job, job.claim) for job in jobs]:
            did_wait, now_served = (False, []) if claim is None else claim.budget.withdraw(claim)
            served += now_served
            if did_wait:
                withdrawn.append(job)
                job.claim = None
                self._forget(job)
        self._carry_on(served)
        return withdrawn

    def _carry_on(self, claims: Iterable[Claim]) -> None:
        """See to those whose turn has come. Each is in the hands of this thread alone.

        What is done for one of them may give money back and so serve others. They wait for their turn in this thread,
        because thousands may follow from each other so, when the client is closed.
        """
        served: deque[Claim] | None = getattr(self._in_thread, "served", None)
        if served is not None:
            served.extend(claims)
            return
        self._in_thread.served = served = deque(claims)
        try:
            while served:
                self._serve(served.popleft())
        finally:
            self._in_thread.served = None

    def _serve(self, claim: Claim) -> None:
        home, job = claim.owner  # a client's budget is that of several engines
        home._forget(job)
        try:
            if claim.state is ClaimState.HELD:
                home._take_up(job)
            else:
                home._refuse_claim(claim)
        except BaseException:  # of the user's callback; it keeps none of the others from its turn
            log.exception("job %s ended by an unforeseen error", job.id)

    def _refuse_claim(self, claim: Claim) -> None:
        _, job = claim.owner
        job.claim, full = None, claim.blocker or claim.budget
        self._refuse(
            job,
            f"not sent: it may cost ${claim.most_usd:.6f}, and of {full.name}={full.max_usd:g} US dollars "
            f"{full.spent_usd:.6f} are spent",
        )

    def _forget(self, job: Job) -> None:
        with self._lock:
            self._waiting.discard(job)


def _cost_usd(job: Job, outcome: ModelReply | Failure, claim: Claim) -> float:
    """What a request cost. Where the provider does not tell, the most it can have cost."""
    if not isinstance(outcome, ModelReply):
        return claim.most_usd if outcome.may_have_been_processed else 0.0
    if outcome.usage is None:
        return claim.most_usd
    cost = cost_usd(job.route.model, outcome.usage, service_tier=outcome.service_tier)
    return claim.most_usd if cost is None else cost
