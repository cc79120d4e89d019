"""Alerts reach people over real sockets, one channel's trouble is nobody else's, and no secret is told on the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from pydantic import ValidationError
from support.commands import run
from support.receivers import MailServer, WebServer, serving

from energy_assets.home import Calendar, Home
from energy_assets.resources import notify
from energy_assets.resources.notify import Alert, channels_of, deliver
from energy_assets.settings import Settings

ALERT = Alert(
    home="douala",
    text="2024-01-20 meter_readings is red:\n  → correct the file and deliver it again",
    run_id="0a1b",
    days=(date(2024, 1, 20),),
)
SECRET = "T0PSECRET"


@pytest.fixture
def web() -> Iterator[WebServer]:
    with serving(WebServer()) as server:
        yield server


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with serving(MailServer()) as server:
        yield server


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not through the tester's proxy, and without a tester's own channels."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name in ("ALERT_WEBHOOK_URL", "SMTP_URL", "ALERT_EMAIL_TO", "ALERT_EMAIL_FROM"):
        monkeypatch.delenv(f"ENERGY_{name}", raising=False)


def told(**known: str) -> list[str]:
    return [delivery.text() for delivery in deliver(ALERT, channels_of(Settings(**known)))]


def by_web(server: WebServer) -> dict[str, str]:
    return {"alert_webhook_url": f"{server.url}/{SECRET}"}


def by_mail(server: MailServer, to: str = "ada@example.org, bo@example.org") -> dict[str, str]:
    return {"smtp_url": f"smtp://loader:{SECRET}@127.0.0.1:{server.port}", "alert_email_to": to}


def test_an_alert_goes_over_every_channel_with_the_same_words(web: WebServer, mail: MailServer) -> None:
    assert told(**by_web(web), **by_mail(mail), alert_email_from="energy@example.org") == [
        "webhook at 127.0.0.1: sent",
        "e-mail to ada@example.org, bo@example.org: sent",
    ]
    assert web.taken == [{"home": "douala", "run_id": "0a1b", "days": ["2024-01-20"], "text": ALERT.text}]
    (message,) = mail.taken
    assert (message["From"], message["To"]) == ("energy@example.org", "ada@example.org, bo@example.org")
    assert message["Subject"] == "douala: 2024-01-20 meter_readings is red:"
    assert message.get_content().replace("\r\n", "\n") == f"{ALERT.text}\n\nrun 0a1b\n"
    assert mail.logins == 1


def test_a_channel_that_fails_hides_no_other_says_what_to_do_and_tells_no_secret(
    web: WebServer, mail: MailServer
) -> None:
    web.answers = [404]
    failed, sent = told(**by_web(web), **by_mail(mail))
    assert failed == (
        "webhook at 127.0.0.1: not sent, HTTPError: HTTP Error 404: Not Found"
        " → check ENERGY_ALERT_WEBHOOK_URL, then: energy-assets alert-test"
    )
    assert sent.endswith("sent") and len(mail.taken) == 1
    assert web.asked == 1, "who says no is not asked again"

    with serving(MailServer()) as away:
        settings = by_mail(away)
    sent, failed = told(**by_web(web), **settings)
    assert sent == "webhook at 127.0.0.1: sent"
    assert "ConnectionRefusedError" in failed and "→ check ENERGY_SMTP_URL" in failed
    assert SECRET not in failed


def test_one_unknown_recipient_is_told_and_the_others_have_their_mail(mail: MailServer) -> None:
    mail.refused = {"bo@example.org"}
    (failed,) = told(**by_mail(mail))
    assert "bo@example.org" in failed and "no such user" in failed
    assert len(mail.taken) == 1


def test_a_server_that_is_busy_for_a_moment_is_asked_once_more(web: WebServer) -> None:
    web.answers = [503]
    assert told(**by_web(web)) == ["webhook at 127.0.0.1: sent"]
    web.answers = [503] * 9
    (failed,) = told(**by_web(web))
    assert "HTTP Error 503" in failed
    assert web.asked == 2 + notify.ATTEMPTS


def test_a_redirect_is_no_delivery(web: WebServer) -> None:
    web.answers = [302]
    (failed,) = told(**by_web(web))
    assert "HTTP Error 302" in failed


def test_a_password_is_not_sent_in_clear_to_another_machine(mail: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "_is_loopback", lambda host: False)
    (failed,) = told(**by_mail(mail))
    assert "offers no STARTTLS" in failed and "use smtps://" in failed
    assert not mail.logins


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"alert_webhook_url": f"file:///{SECRET}"}, "http or https"),
        ({"alert_webhook_url": f"http://[{SECRET}"}, "http or https"),
        ({"smtp_url": f"loader:{SECRET}@mail"}, "smtp or smtps"),
        ({"alert_email_to": "ada@example.org"}, "set ENERGY_SMTP_URL"),
    ],
)
def test_a_wrong_address_is_refused_without_being_repeated(given: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as refused:
        Settings(**given)
    assert SECRET not in str(refused.value)


def test_settings_do_not_show_their_secrets(web: WebServer, mail: MailServer) -> None:
    known = Settings(**by_web(web), **by_mail(mail))
    assert SECRET not in f"{known!r} {known} {channels_of(known)}"


def test_alert_test_says_which_channel_works_and_exits_with_1_where_one_does_not(
    home: Home, web: WebServer, mail: MailServer
) -> None:
    home.write_calendar(Calendar("Africa/Douala", date(2024, 1, 1)))
    assert "set ENERGY_ALERT_WEBHOOK_URL" in run(home, "alert-test", code=1)

    given = {
        f"ENERGY_{name.upper()}": value for name, value in (by_web(web) | by_mail(mail, "ada@example.org")).items()
    }
    printed = run(home, "alert-test", **given)
    assert printed.splitlines() == ["webhook at 127.0.0.1: sent", "e-mail to ada@example.org: sent"]
    assert web.taken[0]["home"] == home.name and web.taken[0]["run_id"] is None

    web.answers = [403]
    printed = run(home, "alert-test", code=1, **given)
    assert "HTTP Error 403" in printed and SECRET not in printed
    assert len(mail.taken) == 2
