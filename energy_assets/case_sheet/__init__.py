"""The sheet of a theft case: one page that an analyst reads before a crew is sent, and that the crew takes along.

What belongs here: reading what is known of a meter or a transformer, drawing it, and setting it as HTML or PDF. What does not: which cases there are,
and what they are worth, which are handed in (`CaseFacts`); how scores come about (ml/theft).
"""
