"""Sending an alert to people: a webhook, an e-mail, or both, as the settings say.

What belongs here: channels, delivery, and what to do where one fails. What does not: what an alert says
(automation/alerts.py, resources/why.py), and when it is sent.

A webhook's address and the mail server's are secrets: no message holds more of them than the host.
"""

from __future__ import annotations

import json
import smtplib
import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from http.client import HTTPException
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pydantic import SecretStr
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed

from energy_assets.settings import Settings

TIMEOUT_SECONDS = 4.0
ATTEMPTS = 2
"""A sensor's tick may tell of five failed runs and has a minute for them: a dead server must not cost the tick."""

SUBJECT_LENGTH = 120

UNSENT = (OSError, HTTPException, ValueError)
"""Network, TLS and every smtplib error are an OSError; a header or address that cannot be written is a ValueError."""


@dataclass(frozen=True)
class Alert:
    """What people are told: `text` in the words of `energy-assets why`, about `days` of `home`."""

    home: str
    text: str
    run_id: str | None = None
    days: tuple[date, ...] = ()

    @property
    def subject(self) -> str:
        """The first line, short enough for a list of mails."""
        first = " ".join(self.text.strip().splitlines()[:1]).strip()
        subject = f"{self.home}: {first}"
        return subject if len(subject) <= SUBJECT_LENGTH else f"{subject[: SUBJECT_LENGTH - 1]}…"

    @property
    def fields(self) -> dict[str, object]:
        return {
            "home": self.home,
            "run_id": self.run_id,
            "days": [day.isoformat() for day in self.days],
            "text": self.text,
        }


class Channel(Protocol):
    """A way to people. `name` and `remedy` may be logged."""

    @property
    def name(self) -> str: ...

    @property
    def remedy(self) -> str: ...

    def send(self, alert: Alert) -> None:
        """Hand the alert over. Raises one of UNSENT where the other side did not take it."""


@dataclass(frozen=True)
class Delivery:
    """What came of one channel; `problem` is None where the alert was taken."""

    channel: str
    problem: str | None = None

    @property
    def is_sent(self) -> bool:
        return self.problem is None

    def text(self) -> str:
        return f"{self.channel}: {self.problem or 'sent'}"


@dataclass(frozen=True)
class Webhook:
    """POSTs `{"home", "run_id", "days", "text"}` as JSON; any 2xx answer is a success."""

    url: SecretStr

    remedy = "check ENERGY_ALERT_WEBHOOK_URL, then: energy-assets alert-test"

    @property
    def name(self) -> str:
        return f"webhook at {urlsplit(self.url.get_secret_value()).hostname}"

    def send(self, alert: Alert) -> None:
        request = Request(  # noqa: S310 - settings.py admits http and https only
            self.url.get_secret_value(),
            data=json.dumps(alert.fields).encode(),
            headers={"Content-Type": "application/json", "User-Agent": "energy-assets"},
        )
        with build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS):
            pass


class _NoRedirect(HTTPRedirectHandler):
    """A redirected POST would go on as a GET without the alert, and look like a success."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


@dataclass(frozen=True)
class Mail:
    """Sends a plain-text mail through `server`, smtp://[user:password@]host[:port] or smtps://….

    smtp:// changes to TLS where the server offers it. A password never leaves this machine in clear.
    """

    server: SecretStr
    sender: str
    recipients: tuple[str, ...]

    remedy = "check ENERGY_SMTP_URL, ENERGY_ALERT_EMAIL_FROM and ENERGY_ALERT_EMAIL_TO, then: energy-assets alert-test"

    @property
    def name(self) -> str:
        return f"e-mail to {', '.join(self.recipients)}"

    def send(self, alert: Alert) -> None:
        message = EmailMessage()
        message["Subject"] = alert.subject
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients)
        message["Date"] = format_datetime(datetime.now(UTC))
        message.set_content(alert.text + (f"\n\nrun {alert.run_id}" if alert.run_id else ""))
        with self._session() as session:
            if refused := session.send_message(message, self.sender, self.recipients):
                raise smtplib.SMTPRecipientsRefused(refused)

    def _session(self) -> smtplib.SMTP:
        known = urlsplit(self.server.get_secret_value())
        host = known.hostname or ""
        # By default smtplib asks the resolver for a full name of this machine, which may take long.
        common: dict[str, Any] = {"local_hostname": socket.gethostname(), "timeout": TIMEOUT_SECONDS}
        if known.scheme == "smtps":
            context = ssl.create_default_context()
            session: smtplib.SMTP = smtplib.SMTP_SSL(host, known.port or 465, context=context, **common)
        else:
            session = smtplib.SMTP(host, known.port or 25, **common)
        try:
            _secure(session, host, known.scheme, has_password=known.username is not None)
            if known.username is not None:
                session.login(unquote(known.username), unquote(known.password or ""))
        except BaseException:
            session.close()
            raise
        return session


def _secure(session: smtplib.SMTP, host: str, scheme: str, *, has_password: bool) -> None:
    """Change to TLS where that is needed or offered; a server on this machine has no certificate for its name."""
    session.ehlo()
    if scheme == "smtps" or _is_loopback(host):
        return
    if session.has_extn("starttls"):
        session.starttls(context=ssl.create_default_context())
        session.ehlo()
    elif has_password:
        raise smtplib.SMTPNotSupportedError(
            f"{host} offers no STARTTLS and the password would travel in clear: use smtps://"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def channels_of(known: Settings) -> list[Channel]:
    """The channels that the settings name; none is a choice too: alerts are always logged."""
    channels: list[Channel] = []
    if known.alert_webhook_url:
        channels.append(Webhook(known.alert_webhook_url))
    if known.smtp_url and (recipients := known.alert_recipients):
        channels.append(Mail(known.smtp_url, known.alert_email_from or recipients[0], recipients))
    return channels


def deliver(alert: Alert, channels: Sequence[Channel]) -> list[Delivery]:
    """Send the alert over all channels at once, each for itself: one that fails takes none with it."""
    if not channels:
        return []
    with ThreadPoolExecutor(len(channels)) as pool:
        return list(pool.map(lambda channel: _delivery(alert, channel), channels))


def _delivery(alert: Alert, channel: Channel) -> Delivery:
    try:
        # Where the answer was lost, the alert may come twice: better than never.
        _patiently(lambda: channel.send(alert))
    except UNSENT as error:
        return Delivery(channel.name, f"not sent, {type(error).__name__}: {_said(error)} → {channel.remedy}")
    return Delivery(channel.name)


def _patiently(send: Callable[[], None]) -> None:
    once_more = retry_if_exception(_may_pass)
    Retrying(stop=stop_after_attempt(ATTEMPTS), wait=wait_fixed(1), retry=once_more, reraise=True)(send)


def _may_pass(error: BaseException) -> bool:
    """Whether the same may be taken a second later: a server that restarts or is busy, not one that says no."""
    if isinstance(error, HTTPError):
        return error.code == 429 or error.code >= 500
    if isinstance(error, smtplib.SMTPResponseException):
        return 400 <= error.smtp_code < 500
    if isinstance(error, smtplib.SMTPRecipientsRefused | smtplib.SMTPNotSupportedError | ssl.SSLCertVerificationError):
        return False
    return isinstance(error, OSError | HTTPException)


def _said(error: BaseException) -> str:
    """What went wrong, in one line that holds no address: a ValueError of the standard library may quote the URL."""
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return "the address or a header cannot be written"
    if isinstance(error, HTTPException):
        return "the answer was no HTTP, or the address cannot be asked for"
    return " ".join(str(error).split())
