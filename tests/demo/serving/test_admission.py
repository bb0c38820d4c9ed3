"""Admission control on its own, without a server: limits, the queue, and shutdown."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from hubcharlstm import BusyError

pytest.importorskip("gradio")

from starlette.requests import HTTPConnection

from hubcharlstm.demo.serving.admission import MAX_PER_ADDRESS_ON_A_SPACE, AdmissionController, ClientIdentity, Limits
from hubcharlstm.demo.serving.proxies import TrustedProxies


def test_limits_come_from_the_environment() -> None:
    assert Limits.of({}) == Limits(max_concurrent=200, max_queued=300, max_per_session=4, max_per_address=0)
    assert Limits.of({"SPACE_ID": "u/s"}).max_per_address == MAX_PER_ADDRESS_ON_A_SPACE
    named = {
        "SPACE_ID": "u/s",
        "HUBCHARLSTM_MAX_PER_ADDRESS": "0",
        "HUBCHARLSTM_MAX_CONCURRENT": "7",
        "HUBCHARLSTM_MAX_QUEUED": "",
    }
    assert Limits.of(named) == Limits(max_concurrent=7, max_per_address=0)
    for name, value in (
        ("MAX_CONCURRENT", "0"),
        ("MAX_QUEUED", "-1"),
        ("MAX_PER_SESSION", "four"),
        ("MAX_PER_ADDRESS", "9" * 9),
    ):
        with pytest.raises(ValueError, match=f"HUBCHARLSTM_{name} is '{value}'; expected a whole number"):
            Limits.of({f"HUBCHARLSTM_{name}": value})


def request(*forwarded: str, address: str = "10.0.0.1", session: str = "abc", user: str = "") -> Any:
    lines = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    scope = {"type": "http", "client": (address, 5), "headers": [*lines, (b"x-gradio-user", user.encode())]}
    return SimpleNamespace(request=HTTPConnection(scope), session_hash=session)


def address(*forwarded: str, peer: str = "10.0.0.1") -> str:
    return ClientIdentity.of(request(*forwarded, address=peer)).address


def test_a_forwarded_address_counts_on_a_space_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    claimed = request("1.2.3.4, 8.8.8.8, 10.1.1.1")
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert ClientIdentity.of(claimed) == ClientIdentity("abc", "10.0.0.1")
    monkeypatch.setenv("SPACE_ID", "user/space")
    assert ClientIdentity.of(claimed).address == "8.8.8.8"  # by the nearest proxies; 1.2.3.4 may be made up
    for odd in ("", "unknown", "10.1.1.1", "<script>", "1.2.3.4.5, ,"):
        assert address(odd) == "10.0.0.1"
    assert address("1.2.3.4", peer="9.9.9.9") == "9.9.9.9"  # no proxy at all
    assert ClientIdentity.of(None) == ClientIdentity()
    assert ClientIdentity.of(request(user="mcp")).session == ""


def test_no_invented_address_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two lines the invented one counted; an address with a port was skipped; a /64 had 2**64 addresses."""
    monkeypatch.setenv("SPACE_ID", "user/space")
    assert address("1.2.3.4", "8.8.8.8") == address("1.2.3.4, 8.8.8.8") == "8.8.8.8"
    assert address("1.2.3.4, 8.8.8.8:443") == address("1.2.3.4, ::ffff:8.8.8.8") == "8.8.8.8"
    assert address("1.2.3.4, 8.8.8.8, what") == "10.0.0.1"
    one = address("1.2.3.4, 2606:4700:1:2::5")
    assert one == address("[2606:4700:1:2:3::7]:443") == address(peer="2606:4700:1:2::9") == "2606:4700:1:2::/64"
    assert one != address("2606:4700:1:3::5")


def test_proxies_at_home_are_believed_by_their_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    monkeypatch.setenv("HUBCHARLSTM_TRUSTED_PROXIES", "10.0.0.1, 192.168.0.0/16")
    assert address("1.2.3.4, 192.168.3.3") == "1.2.3.4" and address("1.2.3.4, 10.0.0.2") == "10.0.0.2"
    assert address("1.2.3.4", peer="10.0.0.2") == "10.0.0.2"
    for wrong in ("home", "10.0.0.1/99", "10.0.0.1;10.0.0.2"):
        with pytest.raises(ValueError, match=r"HUBCHARLSTM_TRUSTED_PROXIES is .* expected addresses or networks"):
            TrustedProxies.of({"HUBCHARLSTM_TRUSTED_PROXIES": wrong})


def test_a_session_and_an_address_have_their_own_limits() -> None:
    admission = AdmissionController(Limits(max_per_session=4, max_per_address=6))
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(admission.enter(ClientIdentity("one", "a")))
        with pytest.raises(BusyError, match="You have 4 requests under way"):
            admission.enter(ClientIdentity("one", "b"))
        for _ in range(2):
            stack.enter_context(admission.enter(ClientIdentity("two", "a")))
        with pytest.raises(BusyError, match="6 requests of your network address"):
            admission.enter(ClientIdentity("three", "a"))
        stack.enter_context(admission.enter(ClientIdentity("three", "b")))
    assert not admission.running and not admission.waiting and not admission._per_session and not admission._per_address
    with admission.enter(ClientIdentity("one", "a")):
        pass


def test_the_queue_is_served_in_order_and_is_bounded() -> None:
    async def run() -> None:
        admission = AdmissionController(Limits(max_concurrent=2, max_queued=2))
        first, second, third, fourth = (admission.enter(ClientIdentity(str(n))) for n in range(4))
        with first:
            with second, third, fourth:
                assert await first.wait_for_turn(0) and await second.wait_for_turn(0)
                assert not await third.wait_for_turn(0.01) and third.position == 0 and fourth.position == 1
                assert str(fourth.status_message) == "The app is busy: 1 before you, in about 3 seconds."
                with pytest.raises(
                    BusyError, match=r"busy \(4 requests are written or wait\): try again in about 5 seconds"
                ):
                    admission.enter(ClientIdentity("5"))
                first_come = asyncio.create_task(third.wait_for_turn(5))
                admission.remove(second)
                assert await first_come and not await fourth.wait_for_turn(0.01)
                admission.add(second)  # for its own `with` to leave
            assert len(admission.running) == 1
        assert not admission.running and not admission.waiting

    asyncio.run(run())


def test_a_client_that_leaves_the_queue_makes_room() -> None:
    async def run() -> None:
        admission = AdmissionController(Limits(max_concurrent=1, max_queued=1))
        with admission.enter(ClientIdentity("1")):
            with admission.enter(ClientIdentity("2")), pytest.raises(BusyError):
                admission.enter(ClientIdentity("3"))
            with admission.enter(ClientIdentity("3")) as ticket:
                assert not await ticket.wait_for_turn(0)

    asyncio.run(run())


def test_the_wait_is_estimated_from_past_durations(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("hubcharlstm.demo.serving.admission.time", SimpleNamespace(monotonic=lambda: now))
    admission = AdmissionController(Limits(max_concurrent=10))
    for _ in range(200):
        with admission.enter(ClientIdentity()):
            now += 30.0
    assert (
        str(admission.estimated_wait(0)) == "about 3 seconds"
        and str(admission.estimated_wait(99)) == "about 300 seconds"
    )


def test_shutdown_refuses_the_queued_and_lets_the_running_finish() -> None:
    async def run() -> list[str]:
        admission, outcomes = AdmissionController(Limits(max_concurrent=2)), []

        async def one(name: str, seconds: float) -> None:
            with admission.enter(ClientIdentity(name)) as ticket:
                try:
                    while not await ticket.wait_for_turn(1):
                        pass
                except BusyError as error:
                    outcomes.append(f"{name}: {error}")
                    return
                for _ in range(int(seconds / 0.01)):
                    if admission.must_stop:
                        outcomes.append(f"{name} stopped")
                        return
                    await asyncio.sleep(0.01)
                outcomes.append(f"{name} finished")

        tasks = [asyncio.create_task(one(name, seconds)) for name, seconds in (("a", 0.1), ("b", 9), ("c", 1))]
        await asyncio.sleep(0.05)
        await admission.shut_down(finish=0.5, stop=1)
        with pytest.raises(BusyError, match="Shutting down"):
            admission.enter(ClientIdentity("d"))
        await asyncio.gather(*tasks)
        return outcomes

    outcomes = asyncio.run(run())
    assert outcomes[0].startswith("c: Shutting down") and outcomes[1:] == ["a finished", "b stopped"]
