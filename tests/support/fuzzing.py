"""Try the readers of deliveries for as long as you like: `make fuzz`, or `python tests/support/fuzzing.py --minutes 60`.

What belongs here: rounds over the properties of unit/test_landing_fuzz.py, each from a seed of its own, until the time is over; failures as
they are found. What does not: the properties. Failing examples are kept in .fuzz/ and tried first the next time; a failure
that was mended belongs into the repository, as an `@example` of its property or as an entry of support/bad_inputs.py.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from hypothesis import Phase, seed, settings
from hypothesis.database import DirectoryBasedExampleDatabase

KEPT = Path(__file__).parents[2] / ".fuzz"
EXAMPLES_A_ROUND = 200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="of the first round; each takes the next one"
    )
    parser.add_argument("--shrink", action="store_true", help="make failing examples small, which takes minutes each")
    told = parser.parse_args()
    sys.path[:0] = [str(KEPT.parent / "tests" / "unit"), str(KEPT.parent / "tests")]
    import test_landing_fuzz

    chosen = settings(
        max_examples=EXAMPLES_A_ROUND,
        database=DirectoryBasedExampleDatabase(KEPT),
        phases=[Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if told.shrink else [])],
        derandomize=False,
        deadline=None,
        print_blob=True,
    )
    found = {name: value for name, value in vars(test_landing_fuzz).items() if name.startswith("test_")}
    properties = {name: chosen(value) for name, value in found.items()}
    ends_at = time.monotonic() + 60 * told.minutes
    number, failures = told.seed, 0
    while time.monotonic() < ends_at:
        for name, holds in properties.items():
            failures += not _holds(name, seed(number)(holds), number)
        number += 1
    _say(
        f"{number - told.seed} rounds, seeds {told.seed} to {number - 1}, of {EXAMPLES_A_ROUND} examples of each of "
        f"{len(properties)} properties: {failures} failures" + (f", kept in {KEPT}" if failures else "")
    )
    return 1 if failures else 0


def _holds(name: str, holds: Callable[[], None], number: int) -> bool:
    try:
        holds()
    except BaseException as error:  # a panic of a library is no Exception
        if isinstance(error, KeyboardInterrupt):
            raise
        said = "".join(traceback.format_exception(error))
        _say(f"{name} fails with seed {number}:\n{said}")
        KEPT.mkdir(exist_ok=True)
        with (KEPT / "failures.txt").open("a") as kept:
            kept.write(f"{name} --seed {number}\n{said}\n")
        return False
    return True


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
