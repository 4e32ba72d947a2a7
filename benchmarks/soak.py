"""The fault suite in its whole size, with the figures it measures: `python benchmarks/soak.py [options of pytest]`.

Every test marked `soak` in tests/faults and tests/cache runs once; together they take about twenty-five minutes, and
each ends by itself. `-k storm` picks one. The exit status is pytest's.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

_TESTS = Path(__file__).parent.parent / "tests"
_SUITES = (_TESTS / "faults", _TESTS / "cache")


class Figures:
    """A pytest plugin: prints what tests recorded (`record_property`) below the name and outcome of each."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            name = report.nodeid.rpartition("::")[2]
            print(f"\n{report.outcome:7} {report.duration:7.1f} s  {name}")
            for figure, value in report.user_properties:
                print(f"{'':21}{figure}: {value}")


def main() -> int:
    """Run the suite and print its figures."""
    options = sys.argv[1:]
    size = [] if "-m" in options else ["-m", "soak"]
    return pytest.main([*map(str, _SUITES), *size, "--no-header", "--tb=short", *options], plugins=[Figures()])


if __name__ == "__main__":
    sys.exit(main())
