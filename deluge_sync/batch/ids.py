"""What submitting a batch job gives: the ids of its batches, which know where their manifest is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from deluge_sync.errors import ConfigError

__all__ = ["BatchIds"]


class BatchIds(list[str]):
    """The ids of a job's batches, in the order of its prompts: a plain list of texts to everybody else.

    A batch that the provider has not taken yet, because too much is queued, stands in it with a name of ours, which
    serves as well. `manifest` is the job's file. `providers` has the provider of each id.
    """

    def __init__(
        self, ids: Iterable[str], *, manifest: Path, providers: Iterable[str], output_schema: Any = None
    ) -> None:
        super().__init__(ids)
        self.manifest = manifest
        self.providers = tuple(providers)
        self.output_schema = output_schema

    def of(self, provider: str) -> BatchIds:
        """Those of one provider.

        Raises:
            ConfigError: the job has none there.
        """
        mine = [batch_id for batch_id, other in zip(self, self.providers, strict=True) if other == provider]
        if not mine:
            raise ConfigError(f"the job has no batch at {provider!r}; it has some at {sorted(set(self.providers))}")
        schema = self.output_schema
        return BatchIds(mine, manifest=self.manifest, providers=[provider] * len(mine), output_schema=schema)
