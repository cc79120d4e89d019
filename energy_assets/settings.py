"""One frozen, validated settings object. Every number that a utility may want to change, with its unit.

What belongs here: what comes from the environment (prefix `ENERGY_`), validated once.
What does not: the home's calendar (home.py), secrets of the embedded stores (embedded/), which thresholds a context
profile stands for (context_profiles.toml).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from energy_assets.context_profiles import GENERIC, thresholds

SIGNS_OF_AN_ADDRESS = "In a password, @ / : # ? % [ ] are written as %40 %2F %3A %23 %3F %25 %5B %5D"
OWN_HOSTS = ("127.0.0.1", "localhost", "::1")


class Settings(BaseSettings):
    """Read from the environment; unset means the documented default. Raises pydantic's ValidationError, naming the variable."""

    # What was given may hold a password: messages name the variable and never its value.
    # A variable that is set to nothing is unset: files of settings (.env) name each, also those that nobody filled in.
    model_config = SettingsConfigDict(
        env_prefix="ENERGY_", frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    timezone: str | None = Field(None, description="IANA zone of a new home; outranks the mapping's")
    postgres_url: str | None = Field(
        None,
        validation_alias=AliasChoices("POSTGRES_URL", "ENERGY_POSTGRES_URL"),
        description="a real Postgres (>= 15) instead of the embedded one: postgresql://user:password@host:port/database, whose user does"
        " everything; or postgresql://host:port without a user, where the platform has databases and roles of its own",
    )
    postgres_admin_url: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("POSTGRES_ADMIN_URL", "ENERGY_POSTGRES_ADMIN_URL"),
        description="that Postgres as its superuser, for `up`, which makes those databases and roles, and for backup, restore and erasure",
    )
    postgres_bi_password: SecretStr | None = Field(
        None, description="password of the role bi there, for Grafana and other readers; unset: one is generated"
    )
    postgres_monitor_password: SecretStr | None = Field(
        None, description="the same of the role monitor, for an exporter of the server's metrics"
    )
    postgres_superset_password: SecretStr | None = Field(
        None, description="the same of the role superset, for a Superset that is started elsewhere"
    )
    clickhouse_url: str | None = Field(
        None,
        validation_alias=AliasChoices("CLICKHOUSE_URL", "ENERGY_CLICKHOUSE_URL"),
        description="a real ClickHouse (>= 24), http://user:password@host:port/",
    )
    clickhouse_bi_url: str | None = Field(
        None,
        validation_alias=AliasChoices("CLICKHOUSE_BI_URL", "ENERGY_CLICKHOUSE_BI_URL"),
        description="that ClickHouse as a user who only reads: what dashboards connect as",
    )
    superset_database_url: str | None = Field(
        None,
        description="with a real Postgres, the database of Superset's own tables, postgresql://user:password@host:port/superset",
    )
    clickhouse_cluster: str | None = Field(
        None,
        min_length=1,
        description="cluster of that ClickHouse: its tables are made replicated and distributed, and days are swapped shard by shard",
    )

    runs_in: Literal["processes", "pods"] = Field(
        "processes",
        description="where runs are worked on: processes beside the code, or pods of a Kubernetes cluster, each of which Dagster's launcher starts;"
        " then no command of its own runs days",
    )
    run_resources: dict[Literal["landing", "daily"], dict[Literal["requests", "limits"], dict[str, str]]] = Field(
        default_factory=dict,
        description='what the pods of a job\'s runs ask for and may use, {"landing": {"limits": {"memory": "2Gi"}}}; what is not named, and runs'
        " of chosen assets, have what Dagster's launcher gives",
    )

    serving_retention_days: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description='days that ClickHouse keeps, by table, {"meter_readings": 1095}; what is not named keeps everything',
    )

    listen_address: str = Field(
        "127.0.0.1",
        description="address that the docs, the metrics and each `part` listen on; 0.0.0.0 in a container, whose ports are published elsewhere",
    )
    served_as: str = Field(
        "",
        description="host names, comma-separated, by which pages and metrics may be asked for besides this machine's own (127.0.0.1, localhost)",
    )
    superset_redis_url: SecretStr | None = Field(
        None,
        description="Redis of Superset's cache and of its workers, redis://:password@host:port; unset: files, and no workers",
    )

    pseudonymise: bool = Field(
        False,
        description="whether ClickHouse holds keyed hashes in the place of meters' and customers' identifiers; `up` serves all days anew where it changed",
    )
    retention_days: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description='days that Postgres and the home keep, by table, parts or landing, {"stg_meter_readings": 120}; `energy-assets retention`'
        " lists them. What is not named keeps everything",
    )

    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)] = Field(
        "INFO", description="lowest level that goes to a home's logs/events.jsonl; DEBUG holds each of Dagster's events"
    )
    settle_seconds: float = Field(
        5.0, ge=0, description="a landed file younger than this is taken for still being written"
    )
    backfill_chunk_days: int = Field(30, ge=1, le=90, description="days of one single-run range")
    restatement_days: int = Field(35, ge=0, description="automation re-requests scores no older than this")

    alert_webhook_url: SecretStr | None = Field(
        None,
        description="http(s) address to which the alert of a failed run is posted as JSON: home, run_id, days, text",
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="mail server of alerts, smtp://[user:password@]host[:port] (STARTTLS where it is offered) or smtps://…",
    )
    alert_email_to: str | None = Field(None, description="addresses that alerts are mailed to, comma-separated")
    alert_email_from: str | None = Field(None, description="sender of alerts; unset: the first of the recipients")

    language: Literal["en", "fr"] = Field(
        "en",
        description="language of the dashboards, of lists and sheets of cases, and of what is told of a meter: en or fr",
    )
    profile: str = Field(
        GENERIC,
        description="context whose thresholds hold where no single setting says otherwise; quality.md lists them",
    )
    default_tariff: str = Field(
        "flat", min_length=1, description="tariff (reference.tariffs) of a meter of which no register names another"
    )
    rejected_share_limit: float = Field(0.01, ge=0, le=1, description="share of a day's rows that may be rejected")
    expected_completeness: float = Field(
        0.9, ge=0, le=1, description="share of expected readings below which a day is warned of"
    )
    max_interval_kwh: float = Field(1000.0, gt=0, description="physical limit of one interval's energy")

    max_transformer_interval_kwh: float = Field(
        10_000.0, gt=0, description="physical limit of the energy that a transformer feeds in one interval"
    )

    holidays: str = Field(
        "",
        pattern="^([A-Z]{2})?$",
        description="country whose public holidays are days of rest, by its ISO 3166 code, CM; empty where there are none",
    )
    power_factor: float = Field(
        0.9, gt=0, le=1, description="power factor of the load behind a distribution transformer"
    )
    technical_loss_share: float = Field(
        0.03, ge=0, lt=1, description="share of its energy that a transformer loses, where the register has no ratings"
    )
    power_factor_error: float = Field(0.05, ge=0, description="limit within which that power factor is known")
    assumed_loss_error_share: float = Field(
        0.5, ge=0, description="share of itself by which an assumed technical loss may be wrong, one standard deviation"
    )
    fitted_loss_error_share: float = Field(
        0.25, ge=0, description="the same of one that was fitted to what was not metered over the weeks before"
    )
    transformer_meter_class_pct: float = Field(
        0.5, ge=0, description="accuracy class of the transformers' meters (IEC 62053): limit of error in per cent"
    )
    meter_class_pct: float = Field(1.0, ge=0, description="accuracy class of the customers' meters, in per cent")
    estimate_error_share: float = Field(
        0.3, ge=0, description="share of itself by which estimated energy may be wrong, one standard deviation"
    )
    implausible_loss_deviations: float = Field(
        4.0, gt=0, description="standard deviations below zero from which a transformer's loss cannot be"
    )
    implausible_loss_share: float = Field(
        0.5, ge=0, le=1, description="share of a day's energy behind such transformers from which the day is red"
    )

    validation_rules: dict[str, dict[str, bool | float]] = Field(
        default_factory=dict,
        description='rules of validation that are off or have other thresholds, by name, {"unit": {"least_kw": 60}}',
    )

    row_count_drift: float = Field(
        0.2, ge=0, description="share of the trailing month's median by which a day's row count may differ unwarned"
    )
    measure_drift: float = Field(0.5, ge=0, description="the same for a day's energy, temperature and scores")
    drift_spreads: float = Field(
        5.0, ge=0, description="standard deviations of the trailing month that are no drift either"
    )

    expected_theft_rate: float = Field(
        0.05, gt=0, lt=1, description="share of meters that are thought to steal, until inspections say how many do"
    )
    least_theft_labels: int = Field(
        200, ge=40, description="visits that found theft from which on a ranker is learnt from what crews found"
    )

    case_probability: float = Field(
        0.2, gt=0, lt=1, description="probability of theft from which a case opens; half of it keeps it open"
    )
    case_days: int = Field(3, ge=1, le=5, description="of five days, those on which it must be reached to open one")
    weekly_visits: int = Field(20, ge=1, description="visits that the crews can make in a week")
    random_visit_share: float = Field(
        0.075, ge=0, le=0.5, description="share of these visits that goes to meters drawn at random"
    )
    visit_costs: dict[Annotated[str, Field(pattern="^[A-Z]{3}$")], Annotated[float, Field(ge=0)]] = Field(
        default_factory=lambda: {"USD": 10.0, "XAF": 6000.0, "XOF": 6000.0},
        description='what a visit costs, by currency, {"XAF": 6000}; assumed: an hour of two people and a car',
    )
    back_billed_days: int = Field(90, ge=0, description="days of hidden energy that may be billed afterwards")
    mended_days: int = Field(180, ge=0, description="days for which a mended meter is taken to count what was hidden")

    anomaly_share: float = Field(0.01, ge=0.005, le=0.02, description="expected share of anomalous readings")
    anomaly_threshold: float | None = Field(
        None, ge=0, le=1, description="fixed score threshold; unset: from anomaly_share at fit"
    )
    anomaly_training_days: int = Field(28, ge=7, le=365)
    anomaly_min_training_days: int = Field(7, ge=1)
    anomaly_seed: int = 42

    @model_validator(mode="before")
    @classmethod
    def _with_thresholds_of_profile(cls, given: dict[str, Any]) -> dict[str, Any]:
        """A profile that there is not is left for the field's own validator, whose message names the variable."""
        try:
            return thresholds(given.get("profile", GENERIC)) | given
        except ValueError:
            return given

    @field_validator("profile")
    @classmethod
    def _is_profile(cls, name: str) -> str:
        thresholds(name)
        return name

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, name: str | None) -> str | None:
        if name is not None and name not in available_timezones():
            raise ValueError("is no IANA time zone: use a name such as Africa/Douala or Europe/London")
        return name

    @field_validator("postgres_url", "clickhouse_url")
    @classmethod
    def _is_server(cls, url: str | None, field: ValidationInfo) -> str | None:
        scheme, others = {
            "postgres_url": ("postgresql", ()),
            "clickhouse_url": ("http", ("https",)),
        }[field.field_name or ""]
        if url is not None and not _has_host(url, (scheme, *others)):
            raise ValueError(
                f"is no address such as {scheme}://user:password@host:port/: correct it, or unset it. {SIGNS_OF_AN_ADDRESS}"
            )
        return url

    @field_validator("postgres_admin_url")
    @classmethod
    def _is_of_a_server_with_roles(cls, url: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        if url is None:
            return url
        if not _has_host(url.get_secret_value(), ("postgresql",)):
            raise ValueError(
                f"is no address such as postgresql://postgres:password@host:port/: correct it, or unset it. {SIGNS_OF_AN_ADDRESS}"
            )
        server = others.data.get("postgres_url")
        if server is None or urlsplit(server).username is not None:
            raise ValueError(
                "is for a server on which the platform has roles of its own: set POSTGRES_URL to postgresql://host:port, without a user"
            )
        return url

    @property
    def postgres_user_url(self) -> str | None:
        """POSTGRES_URL where its one user does everything; None where the platform has roles of its own, embedded or on a server."""
        return self.postgres_url if self.postgres_url and urlsplit(self.postgres_url).username is not None else None

    @property
    def has_roles_on_server(self) -> bool:
        return self.postgres_url is not None and self.postgres_user_url is None

    @property
    def role_passwords(self) -> dict[str, str]:
        """Passwords of the platform's roles on a server that others than this home know, by role."""
        known = {
            "bi": self.postgres_bi_password,
            "monitor": self.postgres_monitor_password,
            "superset": self.postgres_superset_password,
        }
        return {role: password.get_secret_value() for role, password in known.items() if password}

    @field_validator("alert_webhook_url", "smtp_url", "superset_redis_url")
    @classmethod
    def _is_address(cls, url: SecretStr | None, field: ValidationInfo) -> SecretStr | None:
        schemes = {
            "alert_webhook_url": ("http", "https"),
            "smtp_url": ("smtp", "smtps"),
            "superset_redis_url": ("redis", "rediss"),
        }[field.field_name or ""]
        if url is not None and not _has_host(url.get_secret_value(), schemes):
            raise ValueError(f"is no address such as {schemes[1]}://host:port/ ({' or '.join(schemes)})")
        return url

    @field_validator("alert_email_to")
    @classmethod
    def _has_mail_server(cls, addresses: str | None, others: ValidationInfo) -> str | None:
        if addresses and "smtp_url" in others.data and others.data["smtp_url"] is None:
            raise ValueError("needs a mail server: set ENERGY_SMTP_URL to smtp://host:port, or unset this")
        return addresses

    @property
    def served_hosts(self) -> tuple[str, ...]:
        """Host names by which this machine's pages may be asked for: a browser also asks for what foreign pages name."""
        return (*OWN_HOSTS, *(host.strip() for host in self.served_as.split(",") if host.strip()))

    @property
    def alert_recipients(self) -> tuple[str, ...]:
        return tuple(address.strip() for address in (self.alert_email_to or "").split(",") if address.strip())

    @field_validator("validation_rules")
    @classmethod
    def _are_rules(cls, overrides: dict[str, dict[str, bool | float]]) -> dict[str, dict[str, bool | float]]:
        from ml.validation.rules import rules

        rules(overrides)
        return overrides

    @field_validator("serving_retention_days")
    @classmethod
    def _is_for_one_server(cls, days: dict[str, int], others: ValidationInfo) -> dict[str, int]:
        if days and others.data.get("clickhouse_cluster"):
            raise ValueError("is not applied to a cluster yet: set the tables' TTL there by hand, and unset this")
        return days

    @field_validator("clickhouse_cluster")
    @classmethod
    def _has_servers(cls, name: str | None, others: ValidationInfo) -> str | None:
        if name is not None and not others.data.get("clickhouse_url"):
            raise ValueError(
                "the embedded ClickHouse is no cluster: set CLICKHOUSE_URL to one of its servers, or unset this"
            )
        return name


def _has_host(url: str, schemes: tuple[str, ...]) -> bool:
    """Whether all that read addresses find the same host in it: a password with signs of an address in it may end anywhere, and be quoted."""
    try:
        parts = urlsplit(url)
        user, _, _ = parts.netloc.rpartition("@")
        is_plain = "@" not in user and not re.search("%(?![0-9A-Fa-f]{2})", user)
        return is_plain and parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


@lru_cache(maxsize=1)
def settings() -> Settings:
    return Settings()


def log_level() -> str:
    """The lowest level that is logged, also where other settings do not hold: who needs those says so."""
    try:
        return settings().log_level
    except (ValidationError, SettingsError):
        return Settings.model_fields["log_level"].default
