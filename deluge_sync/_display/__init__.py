"""Shows how a run is going. The only part of the package that writes to a terminal.

It reads `Snapshot`s and nothing else; `client` opens a display around a call that asked for progress.

    open_display -> painter (thread) -> surface (what can this stream show?) -> panel | bar | cell | lines | log
                                                                                  └── board (placing it on a terminal)

`live_text` shows a single answer while it arrives.

Rich and tqdm are heavy: each is imported by the module of its kind, and that when such a display is opened.
"""

from __future__ import annotations

from deluge_sync._display.live_text import LiveText
from deluge_sync._display.painter import Display, open_display
from deluge_sync._display.surface import Kind

__all__ = ["Display", "Kind", "LiveText", "open_display"]
