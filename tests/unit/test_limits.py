"""Limits: each client by itself, on a clock that is passed in, in bounded memory."""

import pytest

from api.limits import LINE, Buckets, LinesOfRequest, client_of
from api.problems import Problem
from api.settings import Settings


@pytest.fixture
def clock():
    return [1_000.0]


def test_a_client_is_refused_beside_another_that_is_served(clock):
    buckets = Buckets(6, clock=lambda: clock[0])
    assert [buckets.take("bad") for _ in range(6)] == [0.0] * 6
    assert buckets.take("bad") == pytest.approx(10)
    assert [buckets.take("good") for _ in range(6)] == [0.0] * 6


def test_a_bucket_fills_with_the_clock_no_further_than_it_holds_and_a_refusal_takes_nothing(clock):
    buckets = Buckets(6, clock=lambda: clock[0])
    for _ in range(6):
        buckets.take("one")
    for _ in range(100):
        assert buckets.take("one") == pytest.approx(10)
    clock[0] += 10.001
    assert buckets.take("one") == 0.0
    assert buckets.take("one") > 9
    clock[0] += 1_000_000
    assert [buckets.take("one") for _ in range(6)] == [0.0] * 6
    assert buckets.take("one") > 0


def test_as_many_are_remembered_as_was_said_and_who_was_longest_away_goes(clock):
    buckets = Buckets(1, most=3, clock=lambda: clock[0])
    for name in "abc":
        assert buckets.take(name) == 0.0
    assert buckets.take("a") > 0  # now b was longest away
    assert buckets.take("d") == 0.0
    assert len(buckets) == 3
    assert buckets.take("a") > 0 and buckets.take("c") > 0
    assert buckets.take("b") == 0.0


def test_more_than_a_bucket_holds_is_taken_of_a_full_one_and_owed(clock):
    buckets = Buckets(6, clock=lambda: clock[0])
    assert buckets.take("one", 9) == 0.0
    assert buckets.take("one") == pytest.approx(40)
    clock[0] += 90
    assert buckets.take("one", 9) == 0.0


@pytest.fixture
def lines(clock):
    addresses, accounts = (Buckets(60, clock=lambda: clock[0]) for _ in range(2))
    scope = {"cargo_ledger.counted_as": "198.51.100.1"}
    return LinesOfRequest(scope, addresses, accounts, clock=lambda: clock[0])


def test_a_line_counts_as_a_quarter_of_a_request(lines):
    for _ in range(240):
        lines.count()
        lines.count_signer(bytes(20))
    with pytest.raises(Problem, match="This address"):
        lines.count()
    with pytest.raises(Problem, match="This account"):
        lines.count_signer(bytes(20))
    lines.count_signer(b"\1" * 20)


def test_who_was_refused_a_line_is_refused_the_next_until_it_waited(lines, clock):
    """Or an amendment would be judged, and what it amends not be there."""
    for _ in range(240):
        lines.count()
    for _ in range(30):  # it sends on and on: 3 seconds, in which a bucket gets 12 lines
        with pytest.raises(Problem) as refused:
            lines.count()
        assert refused.value.facts == {"retry_after_seconds": 1}
        clock[0] += 0.1
    clock[0] += 0.9
    for _ in range(15):
        lines.count()


def test_the_default_lets_an_exporter_lodge_a_hundred_thousand_at_once():
    default = Settings.model_fields["requests_per_minute"].default
    assert default == Settings.model_fields["account_requests_per_minute"].default
    frozen = Buckets(default, clock=lambda: 0.0)
    assert all(frozen.take("exporter", LINE) == 0 for _ in range(100_000))


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "client"),
    [
        ("203.0.113.9", "198.51.100.1", (), "203.0.113.9"),  # no proxy is named: nobody is believed
        ("203.0.113.9", "198.51.100.1", ("10.0.0.1",), "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", ("10.0.0.1",), "198.51.100.1"),
        ("10.0.0.1", "9.9.9.9, 198.51.100.1", ("10.0.0.1",), "198.51.100.1"),  # what the client made up stands before
        ("10.0.0.1", "9.9.9.9, 198.51.100.1, 10.0.0.2", ("10.0.0.1", "10.0.0.2"), "198.51.100.1"),
        ("10.0.0.1", "", ("10.0.0.1",), "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, unknown", ("10.0.0.1",), "10.0.0.1"),
        ("2001:db8:1:2:3::4", "", (), "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "", (), "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "", (), "203.0.113.9"),
        ("", "", (), ""),
    ],
)  # fmt: skip
def test_a_client_is_its_connection_unless_a_named_proxy_says_another(peer, forwarded, proxies, client):
    assert client_of(peer, forwarded, proxies) == client
