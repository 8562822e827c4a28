"""What every connector must do, as pytest tests to inherit."""
# ruff: noqa: S101 — asserting is what these are for

from __future__ import annotations

import copy
import difflib
import itertools
import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from msgspec import Struct
from msgspec.structs import astuple

from gateway.domain.interactions import PartialInteraction, State, interaction_of, merge, state_of
from gateway.errors import ConfigError, RejectedError, UnauthorizedError
from gateway.sdk.capabilities import can
from gateway.sdk.cases import INVENTED, PROVENANCES, VENDOR_SAMPLE, Case, as_json, cases_in, deliveries_of
from gateway.sdk.connector import Connector, Covered, Delivery, Request, Secret
from gateway.sdk.discovery import configured
from gateway.sdk.pulling import Fetch
from gateway.sdk.quality import DONE, RULES, UNCHECKED, misdeclared
from gateway.sdk.testing.faults import damaged

T = TypeVar("T")

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
"""When the kit's requests are received."""
JUST_OUTSIDE = timedelta(seconds=301)
LONGEST_REASON = 500


class ConnectorSuite:
    """Declare `connector`, `fixtures`, `settings` and `secret_setting`, or let `suite_of` do it.

    Requests are signed by the connector's own `signed`, unless the suite says anew how the platform does it: `sign`
    returns the headers with the proof added that `settings` verify; where it is in the body, `seal` adds it there
    instead, and `addressed` where it is in the URL. `signs_body`, `signs_url` and `signs_time` tell what it covers with
    these settings, where that is more than the connector's `covers`; `another_secret` is a valid secret that is not the
    one in `settings`.
    """

    connector: ClassVar[type[Connector]]
    fixtures: ClassVar[Path]
    settings: ClassVar[Mapping[str, Any]]
    secret_setting: ClassVar[str]
    another_secret: ClassVar[str] = "another-secret"  # noqa: S105 — no secret of anybody
    signs_body: ClassVar[bool] = False
    signs_url: ClassVar[bool] = False
    signs_time: ClassVar[bool] = False
    url: ClassVar[str] = "https://gateway.example.com/webhooks/front-desk"

    def sign(self, body: bytes, headers: Mapping[str, str], *, url: str, at: datetime) -> Mapping[str, str]:  # noqa: ARG002
        """The headers of a request that the platform sends, with its proof."""
        return headers

    def seal(self, body: bytes) -> bytes:
        """The body as the platform sends it, whatever its bytes, with the proof that the fixtures do without."""
        return body

    def addressed(self, url: str) -> str:
        """The URL as the platform calls it, with the proof, or what else the platform adds, at its end."""
        return url

    # ---- pieces that the rules are made of ----

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give each rule that asks for a `case` every case, and to the one about marks each mark."""
        if "rule" in metafunc.fixturenames:
            metafunc.parametrize("rule", sorted(RULES.keys() - UNCHECKED))
        if "case" in metafunc.fixturenames:
            cases = cases_in(self.fixtures)
            metafunc.parametrize("case", cases, ids=[case.name for case in cases])

    def configured(self, **changed: Any) -> Connector:
        """The connector with the suite's settings, some changed."""
        return configured(self.connector, {**self.settings, **changed})

    def told(self, case: Case, connector: Connector) -> list[PartialInteraction]:
        """What the connector makes of a case's bodies, one after the other."""
        return [partial for delivery in self._deliveries(case, connector) for partial in connector.parse(delivery)]

    def named(self, case: Case, connector: Connector) -> list[Fetch]:
        """What the platform is to be asked for after a case's bodies."""
        return [fetch for delivery in self._deliveries(case, connector) for fetch in connector.fetches(delivery)]

    def _deliveries(self, case: Case, connector: Connector) -> list[Delivery]:
        requests = [self.sent(body, case.headers) for body in case.bodies]
        return [delivery for request in requests for delivery in deliveries_of(request, connector)]

    def sent(self, body: bytes, headers: Mapping[str, str]) -> Request:
        """A request as it is stored: the proof in its body, where it is there, but none in its headers."""
        if self._has_own_words:
            return Request(url=self.addressed(self.url), headers=headers, body=self.seal(body), received_at=NOW)
        unsigned = self._posted(body, headers)
        return replace(self._signer.signed(unsigned) or unsigned, headers=headers)

    def _posted(self, body: bytes, headers: Mapping[str, str], at: datetime = NOW) -> Request:
        return Request(url=self.url, headers=headers, body=body, received_at=at)

    def signed(self, body: bytes, headers: Mapping[str, str], *, at: datetime = NOW) -> Request:
        """A request as the platform sends it, received now."""
        proven = self._proven(body, headers, at)
        if proven is None:
            pytest.skip("only the platform can sign this: a suite of the connector's own has to say how")
        return replace(proven, received_at=NOW)

    def _proven(self, body: bytes, headers: Mapping[str, str], at: datetime = NOW) -> Request | None:
        if not self._has_own_words:
            return self._signer.signed(self._posted(body, headers, at))
        sealed, url = self.seal(body), self.addressed(self.url)
        return Request(url=url, headers=dict(self.sign(sealed, headers, url=url, at=at)), body=sealed, received_at=at)

    @cached_property
    def _signer(self) -> Connector:
        return self.configured()

    @property
    def _has_own_words(self) -> bool:
        """Whether the suite says how the platform signs."""
        return any(
            getattr(type(self), name) is not getattr(ConnectorSuite, name) for name in ("sign", "seal", "addressed")
        )

    def _covers(self, what: Covered) -> bool:
        return what in self.connector.covers or bool(getattr(self, f"signs_{what}"))

    def refused(self, connector: Connector, request: Request, why: str) -> UnauthorizedError:
        """The error with which the request is refused; a request that is let in fails the test."""
        try:
            connector.verify(request)
        except UnauthorizedError as error:
            return error
        pytest.fail(f"verify let in a request with {why}")

    def refused_or_answered(self, connector: Connector, request: Request, why: str) -> None:
        """What only tests the connection may be let in unproven: it is answered, and nothing is stored of it."""
        with suppress(UnauthorizedError):
            connector.verify(request)
            if connector.handshake(request) is None:
                pytest.fail(f"verify let in a request with {why}")

    def a_case(self) -> Case:
        """One that needs the suite's settings only."""
        return next(case for case in cases_in(self.fixtures) if case.bodies and not case.settings)

    def a_request(self) -> tuple[Request, frozenset[str]]:
        """A signed request, and which of its headers are the proof."""
        case = self.a_case()
        request = self.signed(case.bodies[0], case.headers)
        proof = frozenset(name for name in request.headers if request.headers[name] != case.headers.get(name))
        return request, proof

    # ---- what the fixtures show ----

    def test_a_fixture_means_what_it_says(self, case: Case) -> None:
        """Parse gives exactly interactions.json."""
        connector = self.configured(**case.settings)
        if case.rejected:
            with pytest.raises(RejectedError):
                self.told(case, connector)
        else:
            assert case.expected is not None, "interactions.json is missing: write_expected makes one to be checked"
            told = as_json(self.told(case, connector))
            assert told == case.expected, _changes(case.expected, told)

    def test_a_fixture_names_its_events_and_provenance(self, case: Case) -> None:
        """Nobody may take an invention for the vendor's word."""
        assert case.bodies, "there is no body"
        assert case.title, "case.json has no title"
        assert case.provenance in PROVENANCES
        assert case.source or case.provenance == "invented", "case.json names no source"
        assert case.events, "case.json names no event"
        assert set(case.events) <= set(self.connector.events)

    def test_every_event_has_a_fixture(self) -> None:
        """What parse knows is shown."""
        shown = {event for case in cases_in(self.fixtures) if not case.rejected for event in case.events}
        assert self.connector.events, "the connector names no event"
        assert shown == set(self.connector.events)

    def test_what_it_declares_can_be_kept(self) -> None:
        """The platform hears that it was taken; headers are found by their names."""
        assert 200 <= self.connector.accepted_status < 300, "accepted_status is no 2xx: the platform sends all again"
        spelt = [name for name in self.connector.kept_headers if name != name.lower()]
        assert not spelt, f"kept_headers are named in lower case: {', '.join(spelt)}"

    def test_a_fixture_is_of_a_type_that_is_taken(self, case: Case) -> None:
        """Whatever `content_types` does not name is refused with 415."""
        media_type = self._posted(b"", case.headers).content_type
        assert self.connector.takes(media_type), f"content_types does not name {media_type!r}"

    def test_a_fixture_that_means_something_is_no_handshake(self, case: Case) -> None:
        """What a handshake is answered to is not stored."""
        connector = self.configured(**case.settings)
        for body in case.bodies:
            request = self._proven(body, case.headers) or self._posted(body, case.headers)
            if self._tells(connector, request):
                assert connector.handshake(request) is None, "handshake answers what should be stored"

    def _tells(self, connector: Connector, request: Request) -> bool:
        with suppress(RejectedError):
            return any(connector.parse(part) or connector.fetches(part) for part in deliveries_of(request, connector))
        return False

    def test_the_readme_names_every_event_and_setting(self) -> None:
        """The list an admin reads cannot go stale."""
        readme = (self.fixtures.parent / "README.md").read_text("utf-8")
        named = {*self.connector.events, *self.connector.settings_schema().fields}
        missing = [name for name in sorted(named) if f"`{name}`" not in readme]
        assert not missing, f"README.md does not name {', '.join(missing)}"

    def test_a_fixture_folds(self, case: Case) -> None:
        """Whatever the order and however often, the partials fold to the same interactions."""
        if case.rejected:
            return
        partials = self.told(case, self.configured(**case.settings))
        for id in {partial.id for partial in partials}:
            mine = [state_of(partial) for partial in partials if partial.id == id]
            assert len({_folded(order) for order in itertools.islice(itertools.permutations(mine), 24)}) == 1
            assert _folded([*mine, *mine]) == _folded(mine)
            assert interaction_of(id, json.loads(_folded(mine))).id == id

    def test_the_marks_mean_something(self) -> None:
        """Each is of a rule, and gives its reason where it has to."""
        assert not list(misdeclared(self.connector))

    def test_what_is_marked_as_done_is_done(self, rule: str) -> None:
        """As far as it can be seen from here."""
        if self.connector.quality.get(rule, "").partition(":")[0] == DONE:
            assert self._done[rule](), f"{rule} is marked as done, but not every time: {RULES[rule]}"

    @property
    def _done(self) -> Mapping[str, Callable[[], bool]]:
        """What shows that a rule is kept; the rules of proofs above are what `covers` is held to."""
        cases = cases_in(self.fixtures)
        samples = {event for case in cases if case.provenance == VENDOR_SAMPLE for event in case.events}
        bodies = [(body, case.headers) for case in cases for body in case.bodies]
        return {
            "vendor_samples": lambda: samples >= set(self.connector.events),
            "nothing_invented": lambda: all(case.provenance != INVENTED for case in cases),
            "covers_body": lambda: self._covers("body"),
            "covers_time": lambda: self._covers("time"),
            "replay": lambda: all(self._signer.signed(self._posted(body, headers)) for body, headers in bodies),
            "reconciled": lambda: can(self.connector, "pollers"),
        }

    # ---- who gets in ----

    def test_a_signed_fixture_is_let_in(self, case: Case) -> None:
        """Every body, as the platform sends it."""
        connector = self.configured(**case.settings)
        for body in case.bodies:
            connector.verify(self.signed(body, case.headers))

    def test_what_the_connector_signs_is_let_in(self, case: Case) -> None:
        """Every body, as `gateway replay` posts it; what only the platform can sign is left to its own suite."""
        connector = self.configured(**case.settings)
        for body in case.bodies:
            signed = connector.signed(self._posted(body, case.headers))
            if signed is not None:
                connector.verify(signed)

    def test_an_unproven_request_is_refused(self, case: Case) -> None:
        """Each body as it is, and none, also with fewer secrets than there may be."""
        for connector in self._with_fewer_secrets(case):
            for body in (*case.bodies, b""):
                self.refused_or_answered(connector, self._posted(body, case.headers), "no proof at all")

    def _with_fewer_secrets(self, case: Case) -> Iterator[Connector]:
        """The connector without each of the secrets that it does not insist on, without all of them, and as it is."""
        settings, known = {**self.settings, **case.settings}, self.connector.settings_schema().fields
        spare = [name for name in settings if isinstance(known[name], Secret) and not known[name].required]
        for missing in {(), *((name,) for name in spare), tuple(spare)}:
            with suppress(ConfigError):
                yield configured(self.connector, {name: settings[name] for name in settings if name not in missing})

    def test_an_absent_proof_is_refused(self) -> None:
        """Without any one of the headers that prove the sender, or with a blank one."""
        request, proof = self.a_request()
        body = self.a_case().bodies[0]
        assert proof or request.body != body or request.url != self.url, "sign adds no header, seal nothing to the body"
        if request.url != self.url:
            self.refused(self.configured(), replace(request, url=self.url), "no proof in the URL")
        if request.body != body:
            self.refused(self.configured(), replace(request, body=body), "no proof in the body")
        for name in proof:
            self.refused(self.configured(), _without(request, name), f"no {name}")
            self.refused(self.configured(), _changed(request, name, ""), f"a blank {name}")

    def test_a_bad_proof_is_refused(self) -> None:
        """Truncated, prolonged, altered, doubled, very long, in other letters: all the same."""
        request, proof = self.a_request()
        for name in proof:
            for value in _spoilt(request.headers[name]):
                self.refused(self.configured(), _changed(request, name, value), f"{name}: {value:.60}")
        if added := request.url.removeprefix(self.url):
            for value in _spoilt(added):
                self.refused(self.configured(), replace(request, url=self.url + value), f"{value:.60} in the URL")
        if request.body != self.a_case().bodies[0]:
            for cut in (
                request.body[:-1],
                request.body[1:],
                request.body + b"x",
                request.body[: len(request.body) // 2],
            ):
                self.refused(self.configured(), replace(request, body=cut), "a broken body")

    def test_a_wrong_secret_is_refused(self) -> None:
        """A proof by another secret than ours."""
        request, _ = self.a_request()
        self.refused(self.configured(**{self.secret_setting: self.another_secret}), request, "a wrong secret")

    def test_a_rotated_secret_is_let_in_until_it_is_withdrawn(self) -> None:
        """Both secrets count while both are listed; the old one no longer when it is gone."""
        request, _ = self.a_request()
        mine = self.settings[self.secret_setting]
        self.configured(**{self.secret_setting: [self.another_secret, mine]}).verify(request)
        self.configured(**{self.secret_setting: [mine, self.another_secret]}).verify(request)
        self.refused(self.configured(**{self.secret_setting: [self.another_secret]}), request, "a withdrawn secret")

    def test_a_changed_body_is_refused(self) -> None:
        """Where the proof covers the body."""
        request, _ = self.a_request()
        changed = replace(request, body=request.body.replace(b"1", b"2"))
        assert changed.body != request.body
        if self._covers("body"):
            self.refused(self.configured(), changed, "a changed body")
            self.refused(self.configured(), replace(request, body=b""), "no body")

    def test_another_url_is_refused(self) -> None:
        """Where the proof covers the URL."""
        request, _ = self.a_request()
        if self._covers("url"):
            self.refused(self.configured(), replace(request, url=request.url + "-two"), "another URL")

    def test_a_stale_or_future_time_is_refused(self) -> None:
        """Where the proof covers a time; a bad signature says nothing of the time."""
        if not self._covers("time"):
            return
        request, _ = self.a_request()
        for at in (NOW - JUST_OUTSIDE, NOW + JUST_OUTSIDE):
            late = self.signed(request.body, {}, at=at)
            assert self.refused(self.configured(), late, "a signed time far off").problem == "stale-timestamp"
            other = self.configured(**{self.secret_setting: self.another_secret})
            assert self.refused(other, late, "a wrong secret").problem == "bad-signature"

    # ---- what is the same, and what is not ----

    def test_the_same_delivery_has_the_same_key(self, case: Case) -> None:
        """A retry is the same delivery, also when it is signed anew."""
        connector = self.configured(**case.settings)
        for body in case.bodies:
            retried = self.signed(body, case.headers, at=NOW - timedelta(seconds=60))
            assert connector.delivery_key(self.signed(body, case.headers)) == connector.delivery_key(retried)

    def test_different_deliveries_have_different_keys(self) -> None:
        """Two bodies are two deliveries."""
        cases = cases_in(self.fixtures)
        bodies = {body: case.headers for case in cases for body in case.bodies}
        keys = {self.configured().delivery_key(self.signed(body, headers)) for body, headers in bodies.items()}
        assert len(keys) == len(bodies)

    def test_parse_is_pure(self, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
        """The same result twice, no network, and nothing that was handed in is changed; so is `fetches`."""
        connector = self.configured(**case.settings)
        before = copy.deepcopy(connector.settings)
        monkeypatch.setattr(socket, "socket", _no_network)
        with suppress(RejectedError):
            assert self.told(case, connector) == self.told(case, connector)
        with suppress(RejectedError):
            assert self.named(case, connector) == self.named(case, connector)
        assert connector.settings == before

    def test_times_are_aware_and_texts_can_be_stored(self, case: Case) -> None:
        """Times are UTC; no text holds NUL or half a character; each value is of the type of its field."""
        if case.rejected:
            return
        told = self.told(case, self.configured(**case.settings))
        for partial in told:
            _check_storable(partial)
        for value in _values(told):
            if isinstance(value, datetime):
                assert value.utcoffset() == timedelta(0)
            elif isinstance(value, str):
                assert "\x00" not in value
                value.encode()

    # ---- what strangers send ----

    def test_a_damaged_body_is_read_or_rejected(self, case: Case) -> None:
        """Each key dropped, nulled and retyped; bytes cut and replaced: it is read, or RejectedError is raised."""
        connector = self.configured(**case.settings)
        media_type = case.headers.get("content-type", "").partition(";")[0]
        for body in case.bodies:
            for damage, changed in damaged(body, media_type):
                self._read_or_rejected(connector, self.sent(changed, case.headers), damage)

    def _read_or_rejected(self, connector: Connector, request: Request, damage: str) -> None:
        try:
            for part in deliveries_of(request, connector):
                _check_read(connector.parse, part, _check_storable)
                _check_read(connector.fetches, part, _check_name)
        except Exception as error:  # noqa: BLE001 — whatever it is, it is the finding
            pytest.fail(f"{damage}: {type(error).__name__}: {error}")


def _check_read(read: Callable[[Delivery], Sequence[T]], delivery: Delivery, check: Callable[[T], None]) -> None:
    """Each thing that is read in the delivery, or the reason why nothing is."""
    try:
        for told in read(delivery):
            check(told)
    except RejectedError as error:
        if len(error.reason) > LONGEST_REASON:
            raise ValueError("the reason is too long to be read") from error


def _check_name(fetch: Fetch) -> None:
    assert isinstance(fetch.name, str), "what is to be fetched is named by a text"


def _check_storable(partial: PartialInteraction) -> None:
    """Each value is of the type of its field, and JSON where the field holds anything."""
    stored = json.dumps(state_of(partial), allow_nan=False, ensure_ascii=False).encode()
    interaction_of(partial.id, json.loads(stored))


def _changes(expected: Any, told: Any) -> str:
    """The lines of interactions.json that are wrong, and what parse tells instead."""
    wrong, right = (json.dumps(each, indent=2, ensure_ascii=False).splitlines() for each in (expected, told))
    return "\n".join(difflib.unified_diff(wrong, right, "interactions.json", "parse", lineterm="", n=0))


def _folded(states: Sequence[State]) -> str:
    folded = states[0]
    for state in states[1:]:
        folded = merge(folded, state)
    return json.dumps(folded, sort_keys=True)


def _spoilt(value: str) -> Iterator[str]:
    half = len(value) // 2
    yield from (value[:half], value[:-1], value[1:], value + "x", value * 1000, "x", "é" * len(value), "\ud800")
    yield value[:half] + ("B" if value[half] == "A" else "A") + value[half + 1 :]


def _changed(request: Request, name: str, value: str) -> Request:
    return replace(request, headers={**request.headers, name: value})


def _without(request: Request, name: str) -> Request:
    return replace(request, headers={other: request.headers[other] for other in request.headers if other != name})


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, Struct):
        yield from _values(astuple(value))
    elif isinstance(value, Mapping):
        yield from _values(list(value.items()))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _values(inner)
    else:
        yield value


def _no_network(*_: Any, **__: Any) -> Any:
    raise AssertionError("parse must not need the network")
