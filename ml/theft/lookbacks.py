"""How much evidence of theft reads: apart, so that whoever only plans days imports no arrays.

What belongs here: these numbers. What does not: what is done with the days.
"""

LOOKBACK_DAYS = 112
"""Days of traits that evidence reads, the scored day included: four months, so that most onsets of interest have a stretch before them."""
YEAR_DAYS = 364
"""A year before, to the same day of the week."""
SEASON_DAYS = 28
"""Days of either year by which a level is held against the same weeks of the year before."""
TRAIT_SPANS = ((0, LOOKBACK_DAYS - 1), (YEAR_DAYS, YEAR_DAYS + SEASON_DAYS - 1))
"""Days whose traits evidence of a day reads, nearest and farthest before it of each span. What lies between them is not read: who is late there owes nothing."""
BALANCE_DAYS = 56
"""Days of intervals that explanations read: eight weeks tell as much as sixteen, at half the cost."""
PURCHASE_DAYS = 56
"""Days of a prepaid meter's use that are held against its purchases."""
CARRIED_DAYS = LOOKBACK_DAYS - PURCHASE_DAYS
"""Days before those, whose purchases may still have been there: who buys three months at once buys nothing for eight weeks."""
LEAST_METERS = 10
"""A meter is held against its fleet: a smaller one has no evidence and no scores."""
LABEL_DAYS = 728
"""Visits of two years teach: what was stolen by before that says little of today, and each day of visits costs reading its fleet's evidence."""
EVIDENCE_DAYS = 7
"""A visit teaches by the newest evidence before it, which is no older than that."""
