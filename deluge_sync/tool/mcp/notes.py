"""What a transport saw while it was open: the facts behind "the connection closed". Written and read in one loop."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Notes"]

_TAIL_BYTES = 2_000


@dataclass(slots=True)
class Notes:
    """Of one connection. `status` is that of the last HTTP reply that was an error, `exit_code` that of the process."""

    status: int | None = None
    exit_code: int | None = None
    has_lost_output: bool = False
    _stderr: bytearray = field(default_factory=bytearray, repr=False)

    def add_stderr(self, data: bytes) -> None:
        """Keep the end of what the process says to nobody in particular."""
        self._stderr += data[-_TAIL_BYTES:]
        del self._stderr[:-_TAIL_BYTES]

    @property
    def last_words(self) -> str:
        """The last line that the process wrote on stderr and that says something."""
        lines = [line.strip() for line in self._stderr.decode("utf-8", "replace").splitlines()]
        said = [line for line in lines if any(char.isalnum() for char in line)]
        errors = [line for line in said if "error" in line.lower()]
        return (errors or said or [""])[-1][:500]
