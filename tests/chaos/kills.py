"""kill -9 at random moments of every stage, `up` and a retry, until the run is through; then every table is compared.

What belongs here: which moments (drawn from a seed), doing it, recording it. What does not: other disasters (disasters.py).

A cycle is one new home and one delivery. Its kills fall in the order in which a run passes the stages, each on another victim, so
that a run is killed, brought up, tried again, killed, … and must end as if nothing had been.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chaos.trial import STAGES, Command, Follow, Trial, ended_at_last, stage_of

VICTIMS = ("run", "postgres", "clickhouse")
MOST_RETRIES = 4
"""So often may the retry after the last kill itself be tried again; more is a manual repair. One is what is promised."""
LONGEST_OUTAGE_SECONDS = 4.0
START_OR_END = {"start": "", "after the run": "after"}
"""How spans name the time before the first step, and after the last."""

Record = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Span:
    """When a step of the undisturbed run began and how long it took, in seconds since its command started."""

    step: str
    began: float
    seconds: float

    @property
    def stage(self) -> str:
        return {name: stage for stage, name in START_OR_END.items()}.get(self.step) or stage_of(self.step)


@dataclass(frozen=True)
class Aim:
    """A kill to do: of `victim`, with all its processes or the first alone, when `fraction` of a step of `stage` is done.

    The step is `step` where the run comes to it; a retry leaves out what is done, then it is the next one of the stage.
    """

    stage: str
    step: str
    fraction: float
    victim: str
    whole_family: bool
    outage_seconds: float


@dataclass
class Kill:
    """A kill that was done. `stage` is where the run was, which may be a step behind the one aimed at."""

    cycle: int
    victim: str
    stage: str
    step: str
    aimed_at: str
    whole_family: bool
    after_seconds: float
    said: str = ""
    """The last line of what the run printed, where it ended by the kill of a store."""


def undisturbed(trial: Trial) -> tuple[list[Span], dict[str, Any]]:
    """Ingest once without harm: the spans of its steps, and the state that it comes to. Raises RuntimeError where it fails."""
    command = trial.ingest()
    spans, current, began = [], "", command.began
    with ended_at_last(command):
        for where in trial.watch(command):
            step = "after" if where.stage == "after the run" else where.step
            if step != current:
                now = time.monotonic()
                spans.append(Span(current, began - command.began, now - began))
                current, began = step, now
        spans.append(Span(current, began - command.began, time.monotonic() - began))
    if command.code:
        raise RuntimeError(f"the undisturbed run failed:\n{command.said[-3000:]}")
    return spans, trial.state()


def plan(spans: Sequence[Span], *, seed: int, cycle: int, stages: Sequence[str] = STAGES) -> list[Aim]:
    """One kill in each stage that `spans` have, in the order of the undisturbed run; over three cycles each stage loses each victim."""
    chance = random.Random(f"{seed}/{cycle}")  # noqa: S311 (a plan that can be repeated)
    offsets = random.Random(str(seed)).sample(range(len(stages)), len(stages))  # noqa: S311
    drawn = []
    for offset, stage in zip(offsets, stages, strict=True):
        if not (of_stage := [span for span in spans if span.stage == stage]):
            continue
        span = chance.choices(of_stage, weights=[span.seconds for span in of_stage])[0]
        fraction = chance.random()
        victim = VICTIMS[(offset + cycle) % len(VICTIMS)]
        aim = Aim(stage, span.step, fraction, victim, chance.random() < 0.5, chance.random() * LONGEST_OUTAGE_SECONDS)
        drawn.append((span.began + fraction * span.seconds, aim))
    return [aim for _, aim in sorted(drawn, key=lambda entry: entry[0])]


@dataclass
class Through:
    """How a cycle ended: `retries` of the command after the last kill, and whether anything but `up` and that was needed."""

    kills: list[Kill]
    not_reached: list[str]
    retries: int
    repairs: int
    seconds: float
    printed: str


def disturb(
    trial: Trial, aims: Sequence[Aim], usual: Mapping[str, float], cycle: int, say: Callable[[str], None]
) -> Through:
    """Ingest into the new home of `trial` under the kills of `aims`, with `up` and a retry after each, then to its end."""
    began, kills, not_reached = time.monotonic(), [], []
    command: Command | None = None
    try:
        for aim in aims:
            kill = None
            for _ in range(2):  # a run that ended by the kill before is started again, once
                if command is None or command.code is not None:
                    if command is not None and command.code == 0:
                        break
                    command = _again(trial)
                kill = _kill(trial, command, aim, cycle, usual)
                if kill or command.code == 0:
                    break
            if kill is None:
                not_reached.append(f"{aim.victim} in {aim.stage}")
                continue
            kills.append(kill)
            say(f"  cycle {cycle}: killed {kill.victim} in {kill.stage} ({kill.step or '-'})")
            if aim.victim == "run":
                command.process.wait()
            else:
                time.sleep(aim.outage_seconds)
                trial.bring_up_stores()
        retries = 0
        while True:
            if command is not None:
                trial.finish(command)
                if command.code == 0:
                    break
                if kills:
                    kills[-1].said = _last_line(command)
            if retries > MOST_RETRIES:
                break
            command = _again(trial)
            retries += 1
    finally:
        if command is not None and command.code is None:
            trial.kill(trial.victims("run", command, whole_family=False))
            command.process.wait()
    repairs = 0 if command is not None and command.code == 0 else 1
    return Through(kills, not_reached, retries, repairs, time.monotonic() - began, command.said if command else "")


def _again(trial: Trial) -> Command:
    """What a user does after any of it: the same command again, which starts what does not run, as `up` does."""
    return trial.ingest()


def _kill(trial: Trial, command: Command, aim: Aim, cycle: int, usual: Mapping[str, float]) -> Kill | None:
    """Kill as `aim` says; None where the run ended before. `usual`: step -> seconds that it takes undisturbed."""
    at, at_step, fraction = 0.0, None, aim.fraction
    for where in trial.watch(command):
        is_there = where.stage == aim.stage and (where.is_running or where.stage in ("start", "after the run"))
        if not is_there:
            if at_step is not None:  # it was quicker than usual: sooner next time
                at_step, fraction = None, fraction / 2
            continue
        if where.step != at_step:
            at_step, at = (
                where.step,
                time.monotonic() + fraction * usual.get(where.step or START_OR_END[aim.stage], 0.1),
            )
        if time.monotonic() < at:
            continue
        victims = trial.victims(aim.victim, command, whole_family=aim.whole_family)
        if not victims:
            continue  # a store that is still to be started
        follow = Follow(trial.log, command.log_from)
        if not trial.kill(victims):
            continue
        follow.read()
        now = follow.where
        elapsed = time.monotonic() - command.began
        return Kill(cycle, aim.victim, now.stage, now.step, aim.stage, aim.whole_family, round(elapsed, 2))
    return None


def _last_line(command: Command) -> str:
    lines = [line for line in command.said.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def as_json(kill: Kill) -> dict[str, Any]:
    return {"kind": "kill", **asdict(kill)}
