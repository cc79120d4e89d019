"""The morning run of a live home: yesterday, from raw to ClickHouse.

What belongs here: schedules. What does not: late deliveries (sensors.py).

No schedule fits the week's model: the run of the week's Monday does, on Tuesday morning, after Monday's run of the Sunday before.
Any earlier, say on Monday at five, it would learn without that Sunday, and a published model never changes.
"""

import dagster as dg

from energy_assets.automation.jobs import DAILY_JOB
from energy_assets.partitions import CALENDAR

morning = dg.build_schedule_from_partitioned_job(
    DAILY_JOB,
    name="morning",
    hour_of_day=6,
    minute_of_hour=0,
    description="Yesterday, from raw to ClickHouse. Stopped in a historical home, whose days have ended.",
    default_status=dg.DefaultScheduleStatus.STOPPED if CALENDAR.is_historical else dg.DefaultScheduleStatus.RUNNING,
)
