"""Data Docs of what the daemon's runs judged, and a person accepted.

What belongs here: when to build. What does not: the site (resources/data_docs.py), command line runs, which build it themselves.

One sensor rather than one for each way in which a run may end: it asks what was judged, not who ended. So verdicts show while
a long range still runs, after a run that was cancelled or killed, and where the command line could not build them.
"""

import dagster as dg

from energy_assets.resources.data_docs import build, is_current
from energy_assets.resources.warehouse import Warehouse


@dg.sensor(
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Builds Data Docs after days were judged, whatever became of their run, or accepted. It asks for no run.",
)
def data_docs_sensor(context: dg.SensorEvaluationContext, warehouse: Warehouse) -> dg.SkipReason:
    if is_current(warehouse):
        return dg.SkipReason("Data Docs show what was judged")
    index = build(warehouse)
    if index is None:
        return dg.SkipReason("no day was judged yet")
    context.log.info(f"built {index}")
    return dg.SkipReason("Data Docs were built anew")
