"""Which Postgres types a column may have, so that a declared width is a minimum.

What belongs here: names as `format_type` gives them. What does not: which column has which (one module a schema).
"""

DATE = ("date",)
TEXT = ("text",)
INSTANT = ("timestamp with time zone",)
BOOLEAN = ("boolean",)
FLOAT = ("double precision",)
NUMERIC = ("numeric",)
MEASURED = ("double precision", "numeric")
SMALLINT = ("smallint", "integer", "bigint")
INTEGER = ("integer", "bigint")
BIGINT = ("bigint",)
BIGINTS = ("bigint[]",)
REALS = ("real[]",)

INTERVAL_MINUTES = (15, 30, 60, 1440)
"""Lengths that an interval may have, in minutes."""
