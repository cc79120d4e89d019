"""A sheet's words, numbers and dates in English and French.

What belongs here: every text that stands on a sheet, and how numbers are written. What does not: which of them stand there (sheet.py), what a sheet and
the analyst's commands call alike (energy_assets/words.py), and the sentences of reasons, which are ml/theft/reasons.py's; here they only get their numbers in
the reader's language.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from babel.dates import format_date
from babel.numbers import format_decimal, get_currency_symbol

from energy_assets.words import NUMBER_IN_LANGUAGE, OUTCOMES, Texts, Wording
from ml.theft.reasons import WORDS as REASONS

MINUS = "\u2212"
NO_BREAK = "\u00a0"
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
SPACED = re.compile(r" (?=[:;?!])")
NUMBER_AND_UNIT = re.compile(r"(?<=\d) (?=(?:kWh|kW|kVA|%))")

TEXTS: Texts = {
    "title": ("Inspection sheet", "Fiche d'inspection"),
    "as_of": ("as of {day}", "au {day}"),
    "meter": ("Meter", "Compteur"),
    "transformer": ("Transformer", "Transformateur"),
    "case": ("Case", "Dossier"),
    "opened": ("opened {day}", "ouvert le {day}"),
    "state": ("State", "État"),
    "place": ("Place in the list", "Rang dans la liste"),
    "place_of_scored": ("{place} of {scored}", "{place} sur {scored}"),
    "place_of_fleet": ("Place by score", "Rang par score"),
    "score": ("Score", "Score"),
    "probability": ("Likely theft", "Fraude probable"),
    "probability_basis": ("at the expected rate of theft", "au taux de fraude attendu"),
    "value": ("Worth of a visit", "Valeur d'une visite"),
    "visit_cost": ("after {cost} for the visit", "visite de {cost} déduite"),
    "recoverable": ("Recoverable", "Récupérable"),
    "bill_effect": ("On the bill", "Sur la facture"),
    "on_the_bill": ("{amount} on the bill", "{amount} de facture"),
    "a_month": ("{amount} a month", "{amount} par mois"),
    "kwh": ("{kwh} kWh", "{kwh} kWh"),
    "kwh_a_day": ("{kwh} kWh a day", "{kwh} kWh par jour"),
    "class": ("Class", "Classe"),
    "of_feeder": ("feeder {feeder}", "départ {feeder}"),
    "feeder": ("Feeder", "Départ"),
    "coordinates": ("Coordinates", "Coordonnées"),
    "prepaid": ("prepaid", "prépayé"),
    "multiplier": ("CT × {multiplier}", "TC × {multiplier}"),
    "rating": ("Rating", "Puissance"),
    "kva": ("{kva} kVA", "{kva} kVA"),
    "connected": ("Meters", "Compteurs"),
    "not_known": ("not in the register", "absent du registre"),
    "why": ("Why", "Pourquoi"),
    "since": ("Since", "Depuis"),
    "hidden": ("Hidden, if it steals", "Soustrait, si fraude"),
    "interval": ("{low} to {high}, 90 %", "de {low} à {high}, 90 %"),
    "no_onset": ("no clear day", "aucun jour net"),
    "throughout": ("the first reading", "le premier relevé"),
    "no_proof": (
        "A score is a reason to look, not a proof. Nobody may be accused, cut off or fined for it.",
        "Un score est une raison d'aller voir, pas une preuve. Il ne permet ni d'accuser, ni de couper, ni de sanctionner.",
    ),
    "no_reason": ("Nothing speaks for theft that would be worth telling.", "Rien de notable ne laisse penser à une fraude."),
    "not_scored": (
        "Not scored: {days} of the last 28 days are known, 14 are needed.",
        "Sans score : {days} des 28 derniers jours sont connus, il en faut 14.",
    ),
    "no_scores": (
        "Not scored: no scores were computed for this day. A fleet of fewer than ten meters has none.",
        "Sans score : aucun score n'a été calculé ce jour-là. Un parc de moins de dix compteurs n'en a pas.",
    ),
    "misplaced": (
        "Its readings do not fit the loss of {transformer}, behind which the register has it: check the place first.",
        "Ses relevés ne suivent pas les pertes de {transformer}, derrière lequel il est au registre : vérifier d'abord le rattachement.",
    ),
    "drifting_clock": ("Its clock seems to run fast.", "Son horloge semble avancer."),
    "nobodys_loss": (
        "{kwh} kWh a day of its loss follow no meter ({low} to {high} kWh, 90 %), as of {day}",
        "{kwh} kWh par jour de ses pertes ne suivent aucun compteur (de {low} à {high} kWh, 90 %), au {day}",
    ),
    "nothing_left": (
        "no meter explains {low} to {high} kWh a day of its loss (90 %), as of {day}: nothing to speak of",
        "aucun compteur n'explique de {low} à {high} kWh par jour de ses pertes (90 %), au {day} : rien de notable",
    ),
    "loss_share": (
        "over the last four weeks {kwh} kWh a day are lost, {share} % of what comes in",
        "sur les quatre dernières semaines, {kwh} kWh par jour sont perdus, {share} % de l'énergie reçue",
    ),
    "meters_explain": (
        "its meters explain {kwh} kWh a day: {count} of them, see the list",
        "ses compteurs expliquent {kwh} kWh par jour : {count} d'entre eux, voir la liste",
    ),
    "implausible": (
        "on {days} days its meters say more than came in: a fault of the register is likely",
        "pendant {days} jours, ses compteurs indiquent plus que l'énergie reçue : erreur de registre probable",
    ),
    "drawn_from_here": (
        "{kwh} kWh a day of it seem to be drawn by meters that the register has elsewhere",
        "dont {kwh} kWh par jour semblent dus à des compteurs que le registre place ailleurs",
    ),
    "drawn_elsewhere": (
        "{kwh} kWh a day that its meters say seem to be drawn elsewhere: misplaced in the register",
        "{kwh} kWh par jour de ses compteurs semblent consommés ailleurs : mal placés au registre",
    ),
    "implausible_once": (
        "on one day its meters say more than came in",
        "un jour, ses compteurs indiquent plus que l'énergie reçue",
    ),
    "fed_elsewhere": ("seems to be fed from elsewhere", "semble alimenté par un autre transformateur"),
    "daily_title": ("Energy a day", "Énergie par jour"),
    "daily_told_siblings": (
        "Expected: its own level before {onset}, moving as the median of {peers} meters behind the same transformer.",
        "Attendu : son propre niveau avant le {onset}, suivant la médiane de {peers} compteurs du même transformateur.",
    ),
    "daily_told_class": (
        "Expected: its own level before {onset}, moving as the median of {peers} meters of its class.",
        "Attendu : son propre niveau avant le {onset}, suivant la médiane de {peers} compteurs de sa classe.",
    ),
    "daily_told_alone": (
        "Expected: its own level before {onset}; there are no peers to follow.",
        "Attendu : son propre niveau avant le {onset} ; aucun voisin à suivre.",
    ),
    "daily_told_no_onset_siblings": (
        "No day of change is known. Course: the median of {peers} meters behind the same transformer, at this meter's level.",
        "Aucun jour de changement connu. Repère : la médiane de {peers} compteurs du même transformateur, au niveau de ce compteur.",
    ),
    "daily_told_no_onset_class": (
        "No day of change is known. Course: the median of {peers} meters of its class, at this meter's level.",
        "Aucun jour de changement connu. Repère : la médiane de {peers} compteurs de sa classe, au niveau de ce compteur.",
    ),
    "daily_told_none": (
        "Too few days before {onset} are known to expect anything from.",
        "Trop peu de jours avant le {onset} sont connus pour en attendre quoi que ce soit.",
    ),
    "daily_told_no_onset_none": (
        "Neither a day of change nor peers are known: nothing can be expected.",
        "Ni jour de changement ni voisins connus : rien à attendre.",
    ),
    "reported": ("reported", "relevé"),
    "partly_estimated": ("partly estimated", "en partie estimé"),
    "expected": ("expected", "attendu"),
    "peers_course": ("peers' course", "allure des voisins"),
    "missing_energy": ("missing", "manquant"),
    "outage": ("outage", "coupure"),
    "no_readings": ("no readings", "sans relevé"),
    "no_balance": ("no balance", "sans bilan"),
    "onset": ("since {day}", "depuis le {day}"),
    "kwh_per_day": ("kWh a day", "kWh par jour"),
    "mean_day_title": ("Mean day", "Journée moyenne"),
    "mean_week_title": ("Mean week", "Semaine moyenne"),
    "before": ("before ({days} days)", "avant ({days} jours)"),
    "recent": ("last four weeks", "4 dernières semaines"),
    "since_then": ("since then ({days} days)", "depuis ({days} jours)"),
    "class_course": ("{customer_class}, at its level", "{customer_class}, à son niveau"),
    "hour": ("hour of the day", "heure"),
    "kw": ("kW", "kW"),
    "loss_title": ("Non-technical loss of {transformer}", "Pertes non techniques de {transformer}"),
    "loss": ("loss", "pertes"),
    "loss_interval": ("90 % interval", "intervalle à 90 %"),
    "this_meter": ("this meter explains", "ce compteur explique"),
    "nobody": ("no meter explains", "aucun compteur n'explique"),
    "no_loss": (
        "There is no meter at its transformer, or no balance of these weeks: what is lost there is not known.",
        "Pas de compteur au transformateur, ou pas de bilan pour ces semaines : les pertes n'y sont pas connues.",
    ),
    "no_mean": ("Too few readings for a mean day.", "Trop peu de relevés pour une journée moyenne."),
    "no_daily": ("No readings of these weeks may be read.", "Aucun relevé de ces semaines n'est lisible."),
    "neighbours": ("Behind the same transformer", "Derrière le même transformateur"),
    "its_meters": ("Its meters", "Ses compteurs"),
    "others": ("and {count} others with nothing worth telling", "et {count} autres sans rien de notable"),
    "others_one": ("and one other with nothing worth telling", "et un autre sans rien de notable"),
    "no_neighbours": (
        "None of the {count} others has anything worth telling.",
        "Aucun des {count} autres n'a rien de notable.",
    ),
    "no_transformer": ("The register names no transformer.", "Le registre n'indique aucun transformateur."),
    "alone": ("No other meter is known there.", "Aucun autre compteur n'y est connu."),
    "and_also": ("also", "ainsi que"),
    "explains": ("explains", "explique"),
    "reports": ("reports", "relève"),
    "check": ("To check on site", "À vérifier sur place"),
    "outcome": ("Outcome", "Résultat"),
    **OUTCOMES,
    "inspected_on": ("Date and time", "Date et heure"),
    "recovered_kwh": ("Recovered kWh", "kWh récupérés"),
    "display_reading": ("Display reads", "Index affiché"),
    "seal_numbers": ("Seals, old and new", "Scellés, anciens et nouveaux"),
    "notes": ("Notes", "Observations"),
    "signature": ("Name and signature", "Nom et signature"),
    "privacy": (
        "Tells of a household's habits: keep it as you would its bills.",
        "Renseigne sur les habitudes d'un foyer : à conserver comme ses factures.",
    ),
}  # fmt: skip
"""Texts by key, English and French."""
PHASES: dict[int, tuple[str, str]] = {1: ("single-phase", "monophasé"), 3: ("three-phase", "triphasé")}
CHECKS: Texts = {
    "seal": ("Meter number and seals: whole, as the register says", "Numéro et scellés : intacts, conformes au registre"),
    "bypass": ("Cable or bridge before the meter, up to the pole", "Câble ou pont avant le compteur, jusqu'au poteau"),
    "clamp": ("Clamp on the line under load: does it count as much?", "Pince en charge : le compteur compte-t-il autant ?"),
    "neutral": ("Neutral, each phase: connected, not swapped or earthed", "Neutre et phases : raccordés, ni inversés ni à la terre"),
    "ct": ("CT: ratio as in the register, secondaries not bridged", "TC : rapport conforme, secondaires non pontés"),
    "clock": ("Clock of the meter against your own", "Horloge du compteur comparée à la vôtre"),
    "switch": ("Hidden switch, relay, magnet; come at its low hours", "Interrupteur caché, relais, aimant ; venir aux heures basses"),
    "occupied": ("Is the place in use, or since when no more?", "Lieu occupé, ou depuis quand ne l'est-il plus ?"),
    "supply": ("Supply: screen alive, breaker closed, line connected", "Tension : écran allumé, disjoncteur fermé, branché"),
    "appliances": ("Appliances in use against what the chart shows", "Appareils en service comparés au graphique"),
    "stuck": ("Does the display move under load, or is it stuck?", "L'index avance-t-il en charge, ou est-il figé ?"),
    "tokens": ("Token history; does supply go on without credit?", "Historique des jetons ; courant sans crédit ?"),
    "register": ("Register: class, multiplier, transformer are right", "Registre : classe, coefficient, transformateur justes"),
    "display": ("Note the display, beside the last reading delivered", "Noter l'index, à côté du dernier relevé transmis"),
    "hooks": ("Lines from the transformer, pole by pole: hooks, cables without a meter", "Lignes depuis le transformateur, poteau par poteau : branchements clandestins, câbles sans compteur"),
    "unregistered": ("Customers and street lighting that are connected and in no register", "Clients et éclairage public raccordés sans figurer au registre"),
    "mapping": ("Each service line's meter against the list: which belong elsewhere?", "Chaque branchement face à la liste : lesquels relèvent d'un autre transformateur ?"),
    "feeder_meter": ("The transformer's own meter: CT ratio, every phase, clock", "Compteur du transformateur : rapport des TC, toutes les phases, horloge"),
    "sums": ("Clamp on each outgoing line by night: which carries what no meter counts?", "Pince sur chaque départ la nuit : lequel porte ce qu'aucun compteur ne compte ?"),
}  # fmt: skip
"""What a crew looks at, English and French."""
ALWAYS_FIRST, ALWAYS_LAST = "seal", "display"
CHECKS_OF: dict[str, tuple[str, ...]] = {
    "explains_loss.share": ("clamp", "bypass", "neutral", "ct"),
    "explains_loss.night": ("switch", "bypass", "clamp"),
    "explains_loss.weekend": ("switch", "bypass", "clamp"),
    "explains_loss.missing": ("bypass", "clamp", "neutral", "appliances"),
    "explains_loss.invented": ("stuck", "clock", "clamp"),
    "level_fell": ("occupied", "clamp", "bypass", "neutral"),
    "below_last_year": ("occupied", "appliances", "clamp", "bypass"),
    "reports_nothing": ("supply", "occupied", "bypass", "neutral"),
    "at_zero": ("supply", "switch", "neutral"),
    "clipped": ("ct", "clamp", "appliances"),
    "flat": ("stuck", "clamp"),
    "weekend_low": ("switch", "occupied"),
    "other_course": ("clock", "appliances", "clamp"),
    "night_low": ("switch", "bypass"),
    "unlike_class": ("clock", "register"),
    "used_without_purchase": ("tokens", "bypass", "neutral"),
    "misplaced": ("register",),
    "drifting_clock": ("clock",),
}
"""By code of a reason, and of what explains a loss by its way too."""
OF_TRANSFORMER = ("feeder_meter", "hooks", "sums", "unregistered", "mapping")
IN_GENERAL = ("clamp", "bypass", "neutral", "register")
"""Where no reason says where to look."""
MOST_CHECKS = 7


@dataclass(frozen=True)
class Words(Wording):
    """What a reader of `language` reads on a sheet."""

    texts: ClassVar[Texts] = TEXTS

    def number(self, value: float, digits: int = 0) -> str:
        """`value` with at most `digits` decimals and a true minus sign."""
        pattern = "#,##0." + "0" * digits if digits else "#,##0"
        written = format_decimal(round(value, digits) + 0.0, format=pattern, locale=self.locale)
        return written.replace("-", MINUS)

    def kwh(self, value: float) -> str:
        """Energy to a tenth, from a hundred on whole."""
        return self.number(value, 0 if abs(value) >= 100 else 1)

    def percent(self, share: float) -> str:
        """A share of one, to a tenth of a per cent below ten."""
        return f"{self.number(100 * share, 1 if abs(share) < 0.1 else 0)}{NO_BREAK}%"

    def money(self, amount: float, currency: str | None) -> str:
        symbol = get_currency_symbol(currency, locale=self.locale) if currency else ""
        return f"{self.number(amount)}{NO_BREAK}{symbol}".rstrip()

    def day(self, day: date, *, with_year: bool = True) -> str:
        return format_date(day, "d MMM y" if with_year else "d MMM", locale=self.locale).replace(" ", NO_BREAK)

    def weekday(self, number: int) -> str:
        """Short name of a day of the week, Monday being 0."""
        return format_date(date(2024, 1, 1 + number), "EEE", locale=self.locale)

    def phases(self, phases: int) -> str:
        return PHASES[phases][NUMBER_IN_LANGUAGE[self.language]] if phases in PHASES else str(phases)

    def reason(self, reason: Mapping[str, float | int | str]) -> str | None:
        """The sentence of a reason; None where its code has none, as that of a newer version."""
        sentence = REASONS.get(str(reason.get("code")))
        if sentence is None:
            return None
        written = {name: self._written(name, value) for name, value in reason.items()}
        return self._set(sentence[NUMBER_IN_LANGUAGE[self.language]].format(**written))

    def reasons(self, reasons: Sequence[Mapping[str, float | int | str]], told_en: str, told_fr: str) -> list[str]:
        """Sentences of reasons; as they were told when they were found, where one has no sentence here."""
        sentences = [self.reason(reason) for reason in reasons]
        if sentences and all(sentences):
            return [sentence for sentence in sentences if sentence]
        told = told_fr if self.language == "fr" else told_en
        return [part.strip() for part in told.split(";") if part.strip()]

    def checks(self, codes: Sequence[str]) -> list[str]:
        """What to look at for these codes (as CHECKS_OF has them), most telling first."""
        wanted = [check for code in codes for check in CHECKS_OF.get(code, ())] or list(IN_GENERAL)
        chosen = [*list(dict.fromkeys([ALWAYS_FIRST, *wanted]))[: MOST_CHECKS - 1], ALWAYS_LAST]
        return [self._check(name) for name in chosen]

    def checks_of_transformer(self) -> list[str]:
        return [self._check(name) for name in OF_TRANSFORMER]

    def _check(self, name: str) -> str:
        return self._set(CHECKS[name][NUMBER_IN_LANGUAGE[self.language]])

    def _set(self, text: str) -> str:
        """`text` with the spaces that no line breaks at: before French punctuation, between numbers and their units."""
        text = NUMBER_AND_UNIT.sub(NO_BREAK, text)
        return SPACED.sub(NO_BREAK, text) if self.language == "fr" else text

    def _written(self, name: str, value: float | int | str) -> str:
        if isinstance(value, str):
            return self.day(date.fromisoformat(value)) if ISO_DATE.fullmatch(value) else value
        if name.endswith("kwh"):
            return self.kwh(value)
        return self.number(value, 0 if isinstance(value, int) else 2)


def check_codes(reasons: Sequence[Mapping[str, float | int | str]]) -> list[str]:
    """Codes that CHECKS_OF knows, of reasons in their order."""
    return [
        f"{reason['code']}.{reason['way']}" if reason.get("code") == "explains_loss" else str(reason.get("code"))
        for reason in reasons
    ]


def parsed_reasons(text: str | None) -> list[dict[str, float | int | str]]:
    """Reasons as `ml.theft_scores` holds them."""
    return json.loads(text) if text else []
