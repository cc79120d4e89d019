"""What the analyst's commands say, in English and French: lists, decisions, reasons of scores, how often visits were right, and what cannot be done.

What belongs here: every text of `cases`, `case …`, `explain`, `performance` and `sheet`, and how they write numbers and days. What does not: which of
them is said when (case_commands.py, operations/cases.py, operations/theft.py), what the sheet says (case_sheet/words.py), and the command line's own
help, which is in English.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from energy_assets.home import HomeError
from energy_assets.words import CLASSES, OUTCOMES, STATES, Language, Texts, Wording

_WHO_DELIVERED = (
    'energy-assets sql "select meter_id, max(reading_date) from intermediate.int_readings_daily group by 1 order by 1"'
)

TEXTS: Texts = {
    # cases: the table, and what stands around it
    "list_of": (
        "list of {day}: {listed} to visit of {cases} cases",
        "liste du {day} : {listed} à visiter sur {cases} dossiers",
    ),
    "shown": ("{shown} shown", "{shown} affichés"),
    "case": ("case", "dossier"),
    "transformer": ("transformer", "transformateur"),
    "likely": ("likely", "probable"),
    "since": ("since", "depuis"),
    "kwh_a_day": ("kWh/day", "kWh/jour"),
    "bill_a_month": ("bill/month", "facture/mois"),
    "worth": ("worth", "valeur"),
    "state": ("state", "état"),
    "why": ("why", "pourquoi"),
    "new_cases": ("new since the day before: {cases}", "nouveaux depuis la veille : {cases}"),
    "and_more": (" and {count} more", " et {count} autres"),
    "changed_cases": ("{state} since the day before: {count}: {cases}", "{state} depuis la veille : {count} : {cases}"),
    "written": ("wrote {path}", "écrit : {path}"),
    "list_written": ("{count} cases of {day} in {path}", "{count} dossiers du {day} dans {path}"),
    "sheet_of_list": ("cases {day}", "dossiers {day}"),
    # case assign, visit, …
    "decided": ("{cases}: {event} on {day}", "{cases} : {event} le {day}"),
    "visited": ("{case} was visited on {day}: {outcome}", "{case} visité le {day} : {outcome}"),
    "delivered": (
        "delivered as {file}; take it back: energy-assets retract {path}",
        "livré sous {file} ; pour revenir en arrière : energy-assets retract {path}",
    ),
    "follows": (
        "the list shows it now; its days' tables follow with the sensor, or at once: energy-assets resume",
        "la liste le montre dès maintenant ; les tables de ses jours suivent avec le capteur, ou tout de suite : energy-assets resume",
    ),
    # case show
    "about": ("{case}  {kind} {subject}  {behind}", "{case}  {kind} {subject}  {behind}"),
    "behind": ("behind {transformer}", "derrière {transformer}"),
    "behind_none": ("behind no known transformer", "derrière aucun transformateur connu"),
    "at_place": ("place {place}", "rang {place}"),
    "likely_with": ("{probability} likely", "probable à {probability}"),
    "worth_of": ("worth {value}", "vaut {value}"),
    "rests_until": ("rests until {day}", "en repos jusqu'au {day}"),
    "to_crew": ("to {crew}", "à {crew}"),
    "until": ("until {day}", "jusqu'au {day}"),
    "recovered": ("{kwh} kWh recovered", "{kwh} kWh récupérés"),
    "said": ("“{words}”", "« {words} »"),
    "by_whom": ("by {name}", "par {name}"),
    # performance
    "week_to": ("week to", "semaine au"),
    "chosen": ("chosen", "choisies"),
    "visits": ("visits", "visites"),
    "thefts": ("theft", "fraudes"),
    "in_weeks": ("in 26 weeks", "en 26 semaines"),
    "right": ("right", "justesse"),
    "interval": ("90 %", "90 %"),
    "first_ten": ("first 10", "10 premiers"),
    "lift": ("lift", "gain"),
    "kwh_a_visit": ("kWh/visit", "kWh/visite"),
    "net_a_visit": ("net/visit", "net/visite"),
    "expected": ("expected", "attendues"),
    "of": ("{thefts} of {decided}", "{thefts} sur {decided}"),
    "expected_for": ("{expected} for {found}", "{expected} pour {found}"),
    "performance_told": (
        "right: theft among visits that found somebody in; lift: over random visits; expected: what the probabilities add up to",
        "justesse : fraudes parmi les visites où quelqu'un a ouvert ; gain : sur les visites au hasard ; attendues : la somme des probabilités",
    ),
    "no_week": (
        "no week has visits yet: record them with `energy-assets case visit`, or deliver inspections/; a week counts from its Sunday",
        "aucune semaine n'a encore de visites : notez-les avec `energy-assets case visit`, ou livrez inspections/ ; une semaine compte à partir de son dimanche",
    ),
    # explain
    "not_scored": (
        "not scored: {days} of the last 28 days are known, 14 are needed. What is not read cannot be judged.",
        "sans score : {days} des 28 derniers jours sont connus, il en faut 14. Ce qui n'est pas relevé ne peut être jugé.",
    ),
    "score": (
        "score {score}, place {place} of {scored} · likely a thief with {probability}, {basis}",
        "score {score}, rang {place} sur {scored} · fraude probable à {probability}, {basis}",
    ),
    "basis_labels": ("as inspections teach", "selon ce qu'ont appris les inspections"),
    "basis_prior": (
        "were the expected rate right (ENERGY_EXPECTED_THEFT_RATE)",
        "si le taux attendu est juste (ENERGY_EXPECTED_THEFT_RATE)",
    ),
    "no_reason": ("nothing that would be worth telling", "rien de notable"),
    "hides": ("hides", "cache"),
    "hidden": (
        "{kwh} kWh a day ({low} to {high}), if it does",
        "{kwh} kWh par jour (de {low} à {high}), s'il y a fraude",
    ),
    "hidden_since": (
        "{kwh} kWh a day ({low} to {high}) since {day}, if it does",
        "{kwh} kWh par jour (de {low} à {high}) depuis le {day}, s'il y a fraude",
    ),
    "loss_of": ("{transformer}'s loss", "pertes {transformer}"),
    "explains": ("{meter} explains {kwh} kWh a day, {way}", "{meter} explique {kwh} kWh par jour, {way}"),
    "nobody_explains": (
        "no meter explains {kwh} kWh a day",
        "aucun compteur n'explique {kwh} kWh par jour",
    ),
    "as_of": (", as of {day}", ", au {day}"),
    "evidence": ("evidence", "indices"),
    "piece": (
        "{value}  farther out than {share}  {description} ({name})",
        "{value}  plus à l'écart que {share}  {description} ({name})",
    ),
    "no_evidence": (
        "nothing of it is farther out than nine tenths of the fleet: that is why it is on no list",
        "rien n'est plus à l'écart que neuf dixièmes du parc : c'est pourquoi il n'est sur aucune liste",
    ),
    # why a subject is on the list, or is not
    "unlikely": (
        "no case: one opens where theft is at least {least} likely (ENERGY_CASE_PROBABILITY)",
        "sans dossier : il s'en ouvre un où la fraude est probable à {least} au moins (ENERGY_CASE_PROBABILITY)",
    ),
    "not_yet": (
        "no case yet: {least} must be reached on {days} of five days (ENERGY_CASE_DAYS)",
        "pas encore de dossier : {least} doivent être atteints {days} jours sur cinq (ENERGY_CASE_DAYS)",
    ),
    "ended": (
        "{case} ended as {state} on {day}; no new one before {until}",
        "{case} est clos ({state}) depuis le {day} ; pas de nouveau avant le {until}",
    ),
    "ended_today": (
        "{case} ended as {state} on {day}; no new one before tomorrow",
        "{case} est clos ({state}) depuis le {day} ; pas de nouveau avant demain",
    ),
    "but_later": (", but for what begins after that visit", ", sauf pour ce qui commence après cette visite"),
    "rests": ("{case} rests until {until}: {state}", "{case} est en repos jusqu'au {until} : {state}"),
    "not_worth": (
        "{case} is open, but not worth a visit: {value}, the visit's {cost} taken off",
        "{case} est ouvert, mais ne vaut pas une visite : {value}, une fois déduits les {cost} de la visite",
    ),
    "not_known_how_much": (
        "{case} is open, but nothing tells how much energy it hides, and it is not likely enough to be visited all the same",
        "{case} est ouvert, mais rien ne dit combien d'énergie il cache, et il n'est pas assez probable pour être visité malgré cela",
    ),
    "beyond_capacity": (
        "{case} has place {place}; {visits} visits are made in a week (ENERGY_WEEKLY_VISITS)",
        "{case} a le rang {place} ; {visits} visites se font en une semaine (ENERGY_WEEKLY_VISITS)",
    ),
    "on_list": (
        "{case} is on the list, at place {place}: energy-assets cases",
        "{case} est sur la liste, au rang {place} : energy-assets cases",
    ),
    "drawn": (
        "{case} is on the list, drawn at random: energy-assets cases",
        "{case} est sur la liste, tiré au sort : energy-assets cases",
    ),
    # what cannot be done
    "error": ("error", "erreur"),
    "no_day_to_show": (
        "no day may be read yet: run days first, with `energy-assets ingest` or `energy-assets backfill`",
        "aucun jour ne peut encore être lu : faites d'abord calculer des jours, avec `energy-assets ingest` ou `energy-assets backfill`",
    ),
    "nothing_to_show": (
        "no meter and no transformer {name} has anything to show in the sixteen weeks to {day}: is the identifier right, and is the day in the"
        " home? " + _WHO_DELIVERED + " shows those that delivered",
        "aucun compteur et aucun transformateur {name} n'a rien à montrer dans les seize semaines jusqu'au {day} : l'identifiant est-il juste, et le jour"
        " est-il dans l'espace ? " + _WHO_DELIVERED + " montre ceux qui ont livré",
    ),
    "scores_held_back": (
        "theft_scores of {day} may not be read: it is {state}  → energy-assets why {iso} theft_scores",
        "theft_scores du {day} ne peut être lu : {state}  → energy-assets why {iso} theft_scores",
    ),
    "ends_otherwise": (
        "{path} does not end with .{ending}: name it so, or leave --format out",
        "{path} ne finit pas par .{ending} : nommez-le ainsi, ou omettez --format",
    ),
    "no_cases": (
        "no day has cases yet: run days first, with `energy-assets ingest` or `energy-assets backfill`",
        "aucun jour n'a encore de dossiers : faites d'abord calculer des jours, avec `energy-assets ingest` ou `energy-assets backfill`",
    ),
    "day_without_cases": (
        "{day} has no cases; the newest day that has is {newest}: energy-assets cases --date {iso}",
        "le {day} n'a pas de dossiers ; le dernier jour qui en a est le {newest} : energy-assets cases --date {iso}",
    ),
    "cases_held_back": (
        "the cases of {day} are {state}: energy-assets why {iso} mart_theft_cases",
        "les dossiers du {day} sont retenus ({state}) : energy-assets why {iso} mart_theft_cases",
    ),
    "no_such_case": (
        "{day} has no case {name}: energy-assets cases --all lists them, energy-assets explain {name} says why not",
        "le {day} n'a pas de dossier {name} : energy-assets cases --all les montre tous, energy-assets explain {name} dit pourquoi",
    ),
    "no_scores": (
        "no day was scored yet: run days first, with `energy-assets ingest` or `energy-assets backfill`",
        "aucun jour n'a encore de scores : faites d'abord calculer des jours, avec `energy-assets ingest` ou `energy-assets backfill`",
    ),
    "day_without_scores": (
        "{day} has no scores; the newest day that has is {newest}: energy-assets explain {meter} {iso}",
        "le {day} n'a pas de scores ; le dernier jour qui en a est le {newest} : energy-assets explain {meter} {iso}",
    ),
    "no_such_meter": (
        "no meter {meter} delivered anything until {day}: is the identifier right? "
        + _WHO_DELIVERED
        + " shows those that did",
        "aucun compteur {meter} n'a rien livré jusqu'au {day} : l'identifiant est-il juste ? "
        + _WHO_DELIVERED
        + " montre ceux qui ont livré",
    ),
    "too_little": (
        "{meter} delivered last on {last}, too little in the sixteen weeks to {day} to be looked at",
        "{meter} a livré pour la dernière fois le {last}, trop peu dans les seize semaines jusqu'au {day} pour être examiné",
    ),
    "until_before": (
        "--until {until} is before the decision, {day}: give a later day",
        "--until {until} précède la décision, {day} : donnez un jour plus tardif",
    ),
    "ended_already": (
        "{case} ended as {state} on {day}: energy-assets case reopen {case} first",
        "{case} est clos ({state}) depuis le {day} : d'abord energy-assets case reopen {case}",
    ),
    "table_is_for_the_screen": (
        "a table is for the screen: --format csv, xlsx or json writes a file",
        "un tableau est pour l'écran : --format csv, xlsx ou json écrit un fichier",
    ),
    "excel_needs_a_place": (
        "an Excel file needs a place: --out cases.xlsx",
        "un fichier Excel demande un emplacement : --out cases.xlsx",
    ),
}
EVENTS: Texts = {**STATES, **OUTCOMES, "open": ("open", "rouvert")}
"""What was decided or found."""
KINDS: Texts = {"meter": ("meter", "compteur"), "transformer": ("transformer", "transformateur")}
SELECTIONS: Texts = {
    "ranked": ("ranked", "par la liste"),
    "random": ("random", "au hasard"),
    "other": ("other", "autrement"),
    "all": ("all", "toutes"),
}
"""How visits were chosen."""
DAY_STATES: Texts = {
    "red": ("red", "rouge"),
    "green": ("green", "vert"),
    "accepted": ("accepted", "accepté"),
    "unjudged": ("unjudged", "non jugé"),
    "dropped": ("dropped", "supprimé"),
}
COLUMNS: Texts = {
    "stop": ("stop", "étape"),
    "case_date": ("case_date", "liste du"),
    "case_id": ("case_id", "dossier"),
    "subject_kind": ("subject_kind", "sujet"),
    "subject_id": ("subject_id", "identifiant"),
    "transformer_id": ("transformer_id", "transformateur"),
    "customer_class": ("customer_class", "classe"),
    "latitude": ("latitude", "latitude"),
    "longitude": ("longitude", "longitude"),
    "place": ("place", "rang"),
    "selection": ("selection", "choisi"),
    "state": ("state", "état"),
    "crew": ("crew", "équipe"),
    "opened_on": ("opened_on", "ouvert le"),
    "probability": ("probability", "probabilité"),
    "onset_date": ("onset_date", "depuis"),
    "stolen_kwh_per_day": ("stolen_kwh_per_day", "caché, kWh par jour"),
    "recoverable_kwh": ("recoverable_kwh", "récupérable, kWh"),
    "bill_effect_per_month": ("bill_effect_per_month", "facture par mois"),
    "value": ("value", "valeur d'une visite"),
    "currency": ("currency", "monnaie"),
    "reason": ("reason", "pourquoi"),
}
"""Of lists of cases as files, in their order: names of data in English, for whatever reads them; headings in French."""
ALL: dict[str, Texts] = {
    "texts": TEXTS,
    "events": EVENTS,
    "kinds": KINDS,
    "selections": SELECTIONS,
    "states of days": DAY_STATES,
    "columns": COLUMNS,
    "states": STATES,
    "outcomes": OUTCOMES,
    "classes": CLASSES,
}
DASH = "–"
ISO_DAY = re.compile(r"(?<![\w/-])(\d{4})-(\d{2})-(\d{2})(?![\w-])")


@dataclass(frozen=True)
class CaseWords(Wording):
    """What a reader of `language` reads on the screen: dashes where nothing is known, days that the command line takes back."""

    texts: ClassVar[Texts] = TEXTS

    def number(self, value: Decimal | float | None, digits: int = 0) -> str:
        from babel.numbers import format_decimal

        if value is None:
            return DASH
        pattern = f"#,##0.{'0' * digits}" if digits else "#,##0"
        rounded: Any = round(value, digits)
        # What is added leaves no minus before a zero.
        return format_decimal(rounded + 0, format=pattern, locale=self.locale)

    def percent(self, share: Decimal | float | None, digits: int = 0) -> str:
        from babel.numbers import format_percent

        pattern = ("#,##0.0" if digits else "#,##0") + ("%" if self.language == "en" else "\u202f%")
        return DASH if share is None else format_percent(share, format=pattern, locale=self.locale)

    def money(self, amount: Decimal | float | None, currency: str | None) -> str:
        return f"{self.number(amount)} {currency or ''}".rstrip()

    def day(self, day: date | None) -> str:
        """2024-02-29 in English, 29/02/2024 in French: as the commands take it."""
        return self.days(day.isoformat()) if day else DASH

    def days(self, text: str) -> str:
        """A sentence with its days as the language writes them."""
        return ISO_DAY.sub(r"\3/\2/\1", text) if self.language == "fr" else text

    def reason(self, in_english: str, in_french: str) -> str:
        """Of both ways to say a reason the reader's."""
        told = self.days(self.of((in_english, in_french)))
        return told.replace("; ", " ; ") if self.language == "fr" else told

    def of(self, both: tuple[str, str]) -> str:
        """Of a text in both languages the reader's."""
        return both[self._side]

    def event(self, code: str) -> str:
        return self._named(EVENTS, code)

    def kind(self, code: str) -> str:
        return self._named(KINDS, code)

    def selection(self, code: str) -> str:
        return self._named(SELECTIONS, code)

    def day_state(self, code: str) -> str:
        return self._named(DAY_STATES, code)

    def column(self, name: str) -> str:
        return self._named(COLUMNS, name)


class CaseError(HomeError):
    """What an analyst asked for and cannot have; it can be said in the reader's language. Days among `values` are written as that does."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(_told("en", key, values))
        self._key, self._values = key, values

    def told(self, language: Language) -> str:
        return _told(language, self._key, self._values)


def _told(language: Language, key: str, values: dict[str, object]) -> str:
    words = CaseWords(language)
    return words(key, **{name: _written(words, name, value) for name, value in values.items()})


def _written(words: CaseWords, name: str, value: object) -> object:
    if name == "state":
        return words.day_state(str(value)) if value in DAY_STATES else words.state(str(value))
    return words.day(value) if isinstance(value, date) else value
