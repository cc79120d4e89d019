"""Texts in English and French, by key: how the sheet and the analyst's commands are said in their reader's language.

What belongs here: looking a text up, and the words that the sheet and the commands share. What does not: their own texts (case_sheet/words.py,
case_words.py), the pages of dashboards (dashboards/translate.py), the sentences of reasons (ml/theft/reasons.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

Language = Literal["en", "fr"]
Texts = Mapping[str, tuple[str, str]]
"""By key, English and French."""
LOCALES: dict[str, str] = {"en": "en_GB", "fr": "fr"}
NUMBER_IN_LANGUAGE: dict[str, int] = {"en": 0, "fr": 1}

STATES: Texts = {
    "open": ("open", "ouvert"),
    "assigned": ("assigned", "attribué"),
    "dismissed": ("dismissed", "écarté"),
    "snoozed": ("snoozed", "en sommeil"),
    "confirmed": ("confirmed", "confirmé"),
    "cleared": ("cleared", "blanchi"),
    "faulty_meter": ("faulty meter", "compteur défectueux"),
    "lapsed": ("lapsed", "éteint"),
}
OUTCOMES: Texts = {
    "theft": ("theft", "fraude"),
    "clean": ("clean", "rien à signaler"),
    "no_access": ("no access", "pas d'accès"),
    "faulty_meter": ("faulty meter", "compteur défectueux"),
}
"""What a visit found."""
CLASSES: Texts = {
    "household": ("household", "ménage"),
    "shop": ("shop", "boutique"),
    "workshop": ("workshop", "atelier"),
    "residential": ("residential", "résidentiel"),
    "commercial": ("commercial", "commercial"),
    "industrial": ("industrial", "industriel"),
    "public": ("public", "public"),
    "unknown": ("unknown", "inconnue"),
}
"""What utilities call their classes is theirs: others stay as the register has them."""


@dataclass(frozen=True)
class Wording:
    """What a reader of `language` reads: `texts` with their values put in."""

    language: Language
    texts: ClassVar[Texts] = {}

    def __call__(self, key: str, **values: object) -> str:
        return self._set(self.texts[key][self._side].format(**values))

    @property
    def locale(self) -> str:
        return LOCALES[self.language]

    def state(self, code: str) -> str:
        return self._named(STATES, code)

    def customer_class(self, code: str) -> str:
        return self._named(CLASSES, code)

    @property
    def _side(self) -> int:
        return NUMBER_IN_LANGUAGE[self.language]

    def _named(self, names: Texts, code: str) -> str:
        """What `names` has for a code; the code itself where that is not of ours."""
        return names[code][self._side] if code in names else code

    def _set(self, text: str) -> str:
        return text
