"""`python -m deluge_sync` is the command `deluge-sync`."""

from __future__ import annotations

from deluge_sync.cli import main

if __name__ == "__main__":
    main(prog_name="python -m deluge_sync")
