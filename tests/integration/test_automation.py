"""Automation: what lands becomes served rows by the sensors and the schedule alone, and nothing is asked for twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from datetime import date

import pytest
from graph import METERS, Graph, day, days, materialized, window_of

from energy_assets.automation.schedules import morning
from energy_assets.automation.sensors import due_days_sensor
from energy_assets.days import DayWindow
from energy_assets.keys import ML, checkpoint_key, table_key
from energy_assets.resources import due
from energy_assets.resources.gates import accept, day_states
from energy_assets.settings import settings

SERVED_DAY = range(METERS * 48 - 20, METERS * 48 + 1)
"""Rows of a sound day: a few of its readings are missing or cannot be read."""


def test_a_corrected_delivery_turns_a_red_day_green_by_the_sensors_alone(graph: Graph) -> None:
    graph.deliver(days(1, 3), red=[day(2)])
    first = graph.settle()
    assert [window_of(run) for run in first if window_of(run)] == [days(1, 3), days(1, 1), days(3, 3)]
    assert set(graph.served()) == {day(1), day(3)}

    graph.deliver(day(2))
    second = graph.settle()

    assert graph.states(day(2)).keys() == graph.states(day(1)).keys()
    assert set(graph.states(day(2)).values()) == {"green"}
    assert all(graph.served()[of] in SERVED_DAY for of in days(1, 3))
    assert [window_of(run) for run in second if window_of(run)] == [days(2, 2), days(3, 3)]
    assert all(run.success for run in second)
