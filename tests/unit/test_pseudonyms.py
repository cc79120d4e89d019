"""Keys take the place of identifiers in what is served, as values and as words, and of nothing else."""

from __future__ import annotations

import pyarrow as pa

from energy_assets.resources.pseudonyms import Pseudonyms, meter_key

KEY = b"of a home"
IDS = ("M12", "M123", "C-7", "meter 9", "4711")
NAMES = {name: meter_key(KEY, name) for name in IDS}


def test_a_column_of_persons_holds_keys_alone_also_of_unknown_ones() -> None:
    table = pa.table(
        {"meter_id": ["M12", "M999", None], "transformer_id": ["T1", "T1", "T2"], "total_kwh": [1.0, 2.0, 3.0]}
    )
    found = Pseudonyms(NAMES, KEY).replaced(table)
    assert found["meter_id"].to_pylist() == [meter_key(KEY, "M12"), meter_key(KEY, "M999"), None]
    assert found.drop_columns("meter_id").equals(table.drop_columns("meter_id"))
    assert found.schema.equals(table.schema)


def test_words_are_replaced_wherever_they_stand_and_no_longer_ones() -> None:
    table = pa.table(
        {
            "reason": ["M12 and M123; see M12-2024-01-08.", "near meter 9, C-7", "M1234 M12x", None],
            "subject_id": ["M12", "T1", "M123", "T2"],
        }
    )
    found = Pseudonyms(NAMES, KEY).replaced(table)
    assert found["reason"].to_pylist() == [
        f"{NAMES['M12']} and {NAMES['M123']}; see {NAMES['M12']}-2024-01-08.",
        f"near {NAMES['meter 9']}, {NAMES['C-7']}",
        "M1234 M12x",
        None,
    ]
    assert found["subject_id"].to_pylist() == [NAMES["M12"], "T1", NAMES["M123"], "T2"]


def test_places_are_rounded_to_a_kilometre() -> None:
    table = pa.table({"latitude": [4.10747, None], "longitude": [9.70988, 9.71175]})
    found = Pseudonyms(NAMES, KEY).replaced(table)
    assert found.to_pydict() == {"latitude": [4.11, None], "longitude": [9.71, 9.71]}


def test_keys_become_identifiers_again_by_the_same_names() -> None:
    table = pa.table({"meter_id": ["M12", "M123"], "reason": ["C-7 of M12", "none"]})
    back = Pseudonyms({key: name for name, key in NAMES.items()})
    assert back.replaced(Pseudonyms(NAMES, KEY).replaced(table)).equals(table)


def test_another_home_has_other_keys() -> None:
    assert meter_key(KEY, "M12") != meter_key(b"of another", "M12")
