"""Why each expectation is there, by the name that it carries.

What belongs here: one sentence a family of expectations, for whoever wonders why a day is red. What does not: what
exactly must hold (one module a schema), what was found (validator.py).
"""

from __future__ import annotations

from fnmatch import fnmatchcase

REASONS = {
    "schema": "every reader names these columns; another type would change sums and joins silently",
    "*-not-null": "readers join and count on it: a row without it falls out of sums or counts towards nobody",
    "*-unique": "a row counted twice is energy that nobody used",
    "*-known": "readers tell cases apart by it; an unknown one would be in none of them",
    "*-in-range": "outside it the value cannot be true, and one such value outweighs thousands in a sum",
    "*-near-its-day": "a reading filed under the wrong day is missing in one sum and too much in another",
    "*-finite": "one value that is no number makes every sum with it none",
    "rejected-share": "single broken rows are quarantined; many mean that the delivery itself is broken",
    "*-plausible": "staging refuses such readings; many point at a wrong unit or a faulty meter",
    "*-not-negative": "staging refuses such readings; they come from feed-in, corrections or a reversed meter",
    "readings-delivered": "a day without any delivery is more often a broken export than a day without consumption",
    "accepted_wh-where-accepted": "only accepted readings count; the code is what tells a person why one does not",
    "reading_at-on-grid": "meters off the grid cannot be compared with others interval by interval",
    "ended_at-after-start": "such an outage hides nothing and excuses nothing: staging leaves it out",
    "off-within-the-day": "energy is not expected while supply is off: a wrong part of the day hides losses or makes them up",
    "ct_multiplier-positive": "energy is multiplied by it: zero or less makes a customer vanish from the balance",
    "transformer_id-registered": "a meter behind no known transformer is missing in one balance and shows as its loss",
    "no-estimate-*": "what was measured counts, and where supply was off nothing was used: an estimate there is energy that nobody drew",
    "loss-where-balanced": "an interval that is not balanced says nothing about losses, and must not be summed as if it did",
    "balanced-intervals": "what is left out of the balance is not looked at: theft in it goes unseen",
    "*-not-later": "evidence of a day that was still to come cannot be: whoever looks it up finds nothing",
    "interval-in-order": "what is most likely outside its own interval, or theft below zero, is a fault of the computation",
    "quantiles-in-order": "a lower quantile above a higher one is a fault of the computation, or the order of traits was changed",
    "*-where-explained": "energy that follows nothing, or a way that explains nothing, cannot be told to anybody",
    "meter-explains-once": "a meter is behind one transformer: its energy would be charged twice",
    "reasons-in-words": "whoever visits the meter must be told why, in words",
    "suspected-share": "so many suspects at once tell of the register or the balance, not of meters",
    "extent-in-order": "whoever looks a hit up looks there: a wrong stretch shows nothing",
    "counts-add-up": "an interval that is neither balanced nor left out would be counted by nobody",
    "parts-add-up": "energy that came in went somewhere: what is left over is the loss, to the last Wh",
    "implausible-share": "where so much cannot be, the register itself is broken, and no loss computed from it can be trusted",
    "no-energy-from-nowhere": "a balance below zero is a fault of the register, and its mirror image at another transformer looks like theft",
    "losses-of-the-rating": "technical loss is computed from them: units mixed up hide all theft, or make it up",
    "completeness": "totals of an incomplete day are too low, and look like savings or losses",
    "meters-not-silent": "a meter that stops delivering is a fault or a fraud, and its energy is missing in every total",
    "row-count-usual": "a delivery that is cut short or doubled changes how much there is before it changes anything else",
    "*total_wh-usual": "mixed up units and lost meters move the whole fleet's energy at once",
    "mean-temperature_c-usual": "a station that is stuck or in the wrong unit misleads whatever explains energy by weather",
    "mean-*_score-usual": "scores that shift as a whole tell of the model or the delivery, not of meters",
    "anomaly-share": "so many anomalies at once tell of the model or the delivery, not of meters",
    "shares-in-order": "a share outside its own interval is a fault of the computation",
    "dates-in-order": "what is not yet known on a day cannot be told of it",
    "rested-where-suppressed": "a crew would stand at the same door twice",
    "selected-by-place": "a visit that nothing ranks cannot be explained to the crew",
    "until_on-not-earlier": "a decision that ended before it was taken holds for no day",
    "visits-are-inspections": "an outcome in two places would be counted twice, or once in the wrong place",
    "counts-in-order": "a part larger than its whole is a fault of the computation",
    "compared-or-null": "a forecast is held against what came; against nothing it is neither right nor wrong",
    "forecast-in-order": "an expectation outside its own interval is a fault of the computation",
    "starts_at-next-day": "a forecast of a day that its origin already knew would look better than it is",
    "feeders-are-their-transformers": "who plans a feeder by its own number and its transformers by theirs must come to the same",
    "energy-in-order": "an extreme outside its total is a fault of the computation",
    "*-of-*": "energy must not be lost or made on the way from one table to the next",
    "*-length": "a profile of another length cannot be compared slot by slot",
    "*-where-scored": "a score without its model, or a model without its score, cannot be explained to anybody",
    "*-where-hit": "a finding without those whom it concerns cannot be followed up",
    "one-per-*": "what is neither there nor known to be missing would never be looked for",
}
"""By pattern of the name; the first that matches holds."""


def reason(rule_id: str) -> str:
    """Raises LookupError where nobody wrote down why."""
    for pattern, why in REASONS.items():
        if fnmatchcase(rule_id, pattern):
            return why
    raise LookupError(f"nobody says why {rule_id} must hold: add it to quality_suites/reasons.py")
