"""What prompts will cost, told by `LLMClient` before anything is sent. `aio.estimate` has the awaitable half."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from deluge_sync.client.prompts import as_prompts

if TYPE_CHECKING:
    from deluge_sync._adapters.call import Extras
    from deluge_sync._engine.estimate import Estimate, Estimation
    from deluge_sync.config import SamplingParams
    from deluge_sync.models import Model
    from deluge_sync.prompt import Prompt
    from deluge_sync.tool import AnyTool

__all__ = ["EstimateCalls"]


class EstimateCalls:
    """The estimates of a client. `LLMClient` inherits from it and makes what is declared here."""

    if TYPE_CHECKING:
        sampling_params: list[SamplingParams]
        _models: list[Model]

        def _extras(
            self,
            *,
            tools: Any,
            output_schema: Any,
            cache: str | None,
            service_tier: str | None,
            prefer_model: str | None,
        ) -> Extras: ...

    def estimate_sync(
        self,
        prompts: Iterable[Prompt] | Prompt,
        *,
        tools: Sequence[AnyTool] | None = None,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
    ) -> Estimate:
        """Tell tokens and cost of these prompts before anything is sent. Nothing is fetched, and no key is needed.

        `prompts` is read once and not kept, so it may be a generator of millions. 10,000 pages of 3 KB take about a
        second for each wire format among the models. An image at a URL is not looked at: it counts with a flat number.
        Arguments as in `process_prompts_sync`.

        Raises:
            ConfigError: an argument cannot work.
        """
        return self._estimation(
            prompts, tools=tools, output_schema=output_schema, cache=cache, service_tier=service_tier
        ).run()

    def _estimation(self, prompts: Any, **extras: Any) -> Estimation:
        from deluge_sync._engine.estimate import Estimation  # with the first estimate

        pool = list(zip(self._models, self.sampling_params, strict=True))
        return Estimation(as_prompts(prompts), pool, self._extras(prefer_model=None, **extras))
