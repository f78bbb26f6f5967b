"""Sign-In with Ethereum: one text, signed by the account that it names, taken once; everything else is refused."""

import contextlib
import logging
import secrets
import time
from datetime import UTC, datetime

import pytest
import running_service
import sqlalchemy
from eth_account import Account
from eth_account.messages import encode_defunct
from ledger_at_work import until
from problem_answers import assert_problem

from ledger import sessions, tables
from ledger.client import LedgerClient
from ledger.core import signatures
from ledger.core.records import Role
from ledger.core.signatures import account_of
from ledger.errors import ChainMismatch, InvalidSignIn
from ledger.messages import to_hex
from ledger.sign_in import SignInMessage, Site, digest

READ = "/v1/administrations"


def challenge(http, address):
    return http.post("/v1/sessions/challenge", json={"address": address}).json()["message"]


def signed(text, key):
    return to_hex(signatures.sign(digest(text), key))


def send(http, text, signature):
    return http.post("/v1/sessions", json={"message": text, "signature": signature})


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def wait_until_known(http, address):
    until(lambda: http.get(f"/v1/accounts/{address}").status_code == 200)


@pytest.fixture(scope="module")
def key(network, http):
    wait_until_known(http, network.address("importer"))  # the last who was enrolled
    return network.keys["exporter"]


@pytest.fixture
def text(http, key):
    return challenge(http, account_of(key))


def test_an_account_signs_a_challenge_and_reads_with_the_token_until_it_signs_out(http, network, key, text):
    answer = send(http, text, signed(text, key))
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    session = answer.json()
    assert (session["account"], session["party"], session["roles"]) == (
        account_of(key),
        "SG:ACME01",
        ["TRADER"],
    )
    assert len(session["token"]) == 43  # 256 bits
    expires = datetime.fromisoformat(session["expires_at"]).astimezone(UTC).timestamp()
    assert abs(expires - time.time() - 900) < 10
    assert http.get(READ, headers=bearer(session["token"])).status_code == 200
    assert http.delete("/v1/sessions/current", headers=bearer(session["token"])).status_code == 204
    assert_problem(http.get(READ, headers=bearer(session["token"])), 401, "sign-in-needed")


def test_what_is_signed_is_what_wallets_sign(key, text):
    """eth-account signs as wallets do (`personal_sign`)."""
    wallet = Account.sign_message(encode_defunct(text=text), key)
    assert bytes(wallet.signature) == signatures.sign(digest(text), key)


@pytest.mark.row("E5")
def test_a_challenge_is_taken_once(http, key, text):
    assert send(http, text, signed(text, key)).status_code == 201
    problem = assert_problem(send(http, text, signed(text, key)), 400, "invalid-sign-in")
    assert "used already" in problem["detail"]


def test_strangers_write_nothing(http, service, network):
    def rows():
        with service.app.state.ledger._store.read() as session:
            return [
                len(session._all(sqlalchemy.select(table)))
                for table in (tables.spent_challenges, tables.sessions)
            ]

    before = rows()
    for _ in range(20):
        text = challenge(http, network.address("stranger"))
        answer = send(http, text, signed(text, network.keys["stranger"]))
        assert_problem(answer, 403, "not-permitted")
    assert rows() == before


def changed(text, key, network):
    """Texts and signatures that are not what was issued and signed: over a hundred of them."""
    lines = text.split("\n")

    def at(line, old, new):
        assert old in lines[line], (lines[line], old)
        return "\n".join([*lines[:line], lines[line].replace(old, new), *lines[line + 1 :]])

    domain = lines[0].partition(" ")[0]
    uri, nonce = lines[5].removeprefix("URI: "), lines[8].removeprefix("Nonce: ")
    other = secrets.token_bytes(32)
    texts = [at(0, domain, name) for name in (
        "evil.example", domain + ".evil.example", "evil-" + domain, domain + ":1", "", "localhost",
        "xn--80ak6aa92e.example", domain.upper() + "X", "127.0.0.1@evil.example", f"https://{domain}", f"{domain}/",
    )]  # fmt: skip
    texts += [at(5, uri, name) for name in (
        "https://evil.example", uri + "/", uri + "/path", uri + "?x=1", uri + "#x", "https://" + domain, "did:x:y",
        "javascript:alert(1)", "", uri.upper(),
    )]  # fmt: skip
    chain = lines[7].removeprefix("Chain ID: ")
    texts += [at(7, chain, name) for name in (
        "1", "31338", "0", "-1", "031337", "31337.0", "0x7a69", "", "9" * 40, " 31337", "٣١٣٣٧",
    )]  # fmt: skip
    texts += [at(8, nonce, name) for name in (
        secrets.token_hex(32), nonce[:-1], nonce + "0", nonce.upper() + "A", nonce[::-1], "", "0" * 64, "Z" * 64,
        nonce[:32] + secrets.token_hex(16), secrets.token_hex(16) + nonce[32:], nonce + "\x00",
    )]  # fmt: skip
    issued, expires = lines[9].partition(": ")[2], lines[10].partition(": ")[2]
    texts += [at(9, issued, name) for name in (
        "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z", issued[:-1] + "+00:00", issued[:-1] + ".000Z", "", "now",
        "2026-02-30T00:00:00Z", expires,
    )]  # fmt: skip
    texts += [at(10, expires, name) for name in (
        "2999-01-01T00:00:00Z", "2020-01-01T00:00:00Z", expires[:-1] + "+00:00", "", "never", issued,
        "9999-99-99T99:99:99Z",
    )]  # fmt: skip
    address = lines[1]
    texts += [at(1, address, name) for name in (
        address.lower(), address.upper(), "0x" + "00" * 20, network.address("officer"), address[2:], address + "0", "",
        account_of(other),
    )]  # fmt: skip
    texts += [
        at(3, lines[3], name) for name in ("", "I agree to everything.", lines[3] + " ", "x" * 300, "é")
    ]
    texts += [at(6, "1", name) for name in ("2", "0", "1.0", "", "01")]
    texts += [
        text + "\n", text + " ", "\n" + text, text + "\x00", text.replace("\n", "\r\n"), text.upper(), text[:-1], text[1:],
        text + "\nNot Before: 2020-01-01T00:00:00Z", text + "\nRequest ID: 1", text + "\nResources:\n- https://evil.example",
        text + text, "", " ", "x" * 2_000, "\n" * 1_000, text.replace("Nonce", "nonce"), "https://" + text,
        text.replace("wants you to sign in", "wants you to  sign in"), text.replace(lines[3] + "\n\n", "\n"),
        text.replace("Version: 1\n", ""), text.replace(lines[8] + "\n", ""), text.replace("\n" + lines[10], ""),
        "\n".join([*lines[:7], lines[8], lines[7], *lines[9:]]), "\u202e" + text, text.replace(".", "\u2024"),
    ]  # fmt: skip
    cases = [(each, signed(each, key)) for each in texts]
    good = signed(text, key)
    flipped = bytearray.fromhex(good[2:])
    flipped[10] ^= 1
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high_s = good[:66] + f"{order - int(good[66:130], 16):064x}" + ("1c" if good.endswith("1b") else "1b")
    unprefixed = to_hex(signatures.sign(signatures.keccak(text.encode()), key))
    cases += [(text, each) for each in (
        signed(text, other), signed(text, network.keys["officer"]), signed(text, network.keys["sequencer"]), unprefixed,
        to_hex(bytes(flipped)), high_s, good[:-2] + "00", good[:-2] + "1d", "0x" + "00" * 65, "0x" + "ff" * 65,
        good[:-2], good + "00", good[2:], "", "0x",
    )]  # fmt: skip
    return cases


@pytest.mark.row("E5")
def test_of_a_hundred_wrong_texts_and_signatures_none_is_taken(http, key, text, network):
    cases = changed(text, key, network)
    assert len(set(cases)) > 100
    for wrong, signature in cases:
        assert (wrong, signature) != (text, signed(text, key))
        answer = send(http, wrong, signature)
        assert answer.status_code in (400, 403, 422), (wrong, signature, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    answer = http.post("/v1/sessions", content=b"x" * (3 << 20), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    # and none of them has used up the challenge, nor is it worn out by them
    assert send(http, text, signed(text, key)).status_code == 201


@pytest.mark.row("E5")
def test_who_is_revoked_expired_foreign_or_a_machine_gets_no_token(http, network):
    for role in ("stranger", "sequencer", "foreign_officer", "importer", "governor", "relayer"):
        text = challenge(http, network.address(role))
        answer = send(http, text, signed(text, network.keys[role]))
        assert_problem(answer, 403, "not-permitted")


@pytest.fixture
def clock(service, monkeypatch):
    """The sessions of the running service by a clock of the test's own."""
    at = [int(time.time())]
    monkeypatch.setattr(service.app.state.ledger.sessions, "_now", lambda: at[0])
    return at


@pytest.mark.row("E5")
def test_a_challenge_is_taken_for_five_minutes_and_not_a_second_more(http, key, clock):
    for seconds, status in ((sessions.CHALLENGE_SECONDS - 1, 201), (sessions.CHALLENGE_SECONDS, 400)):
        text = challenge(http, account_of(key))
        clock[0] += seconds
        assert send(http, text, signed(text, key)).status_code == status


@pytest.mark.row("E4")
def test_a_token_is_taken_for_fifteen_minutes_and_not_a_second_more(http, key, text, clock):
    token = send(http, text, signed(text, key)).json()["token"]
    clock[0] += sessions.SESSION_SECONDS - 1
    assert http.get(READ, headers=bearer(token)).status_code == 200
    clock[0] += 1
    assert_problem(http.get(READ, headers=bearer(token)), 401, "sign-in-needed")


@pytest.mark.row("E4")
def test_a_token_ends_with_its_accounts_enrolment(service, http, key, text, clock):
    token = send(http, text, signed(text, key)).json()["token"]
    ledger = service.app.state.ledger
    with ledger._store.read() as session:
        account = ledger._members(session).account(bytes.fromhex(account_of(key)[2:]))
        row = session.session_of(sessions._hashed(token))
    with ledger._store.write() as session:
        session.add_session(row.token[::-1], row.account, account.valid_until + 900, clock[0], 100)
        session._connection.execute(
            sqlalchemy.update(tables.sessions)
            .where(tables.sessions.c.token == row.token)
            .values(expires_at=account.valid_until + 900)
        )
    clock[0] = account.valid_until - 1
    assert http.get(READ, headers=bearer(token)).status_code == 200
    clock[0] += 1
    assert_problem(http.get(READ, headers=bearer(token)), 401, "sign-in-needed")


def test_an_account_has_a_hundred_sessions_and_the_oldest_goes_for_one_more(http, network, key, clock):
    key = secrets.token_bytes(32)
    wait_until_known(http, network.enrol(key, "SG:MANY01", Role.TRADER))
    tokens = []
    for _ in range(sessions.MAX_SESSIONS + 2):
        clock[0] += 1
        text = challenge(http, account_of(key))
        tokens.append(send(http, text, signed(text, key)).json()["token"])
    found = [http.get(READ, headers=bearer(token)).status_code for token in tokens]
    assert found == [401, 401] + [200] * sessions.MAX_SESSIONS


@pytest.mark.row("E4")
def test_tokens_stand_nowhere_but_in_their_answer(service, http, key, text, caplog):
    caplog.set_level(logging.DEBUG)
    session = send(http, text, signed(text, key)).json()
    token = session["token"]
    http.get(READ, headers=bearer(token))
    http.get("/v1/manifests/0x00", headers=bearer(token))
    http.get("/v1/nothing", headers=bearer(token))
    http.delete("/v1/sessions/current", headers=bearer(token))
    service_lines = [r for r in caplog.records if not r.name.startswith(("httpx", "httpcore"))]
    assert not any(token in record.getMessage() for record in service_lines)
    store = service.app.state.ledger._store
    for file in store.path.parent.glob(store.path.name + "*"):
        assert token.encode() not in file.read_bytes()
    assert token not in http.get("/metrics").text


@contextlib.contextmanager
def closed(network, service, **changes):
    settings = service.settings.model_copy(update={"open_reading": False} | changes)
    with running_service.serving(network, settings) as beside:
        yield beside


def test_the_client_signs_in_by_itself_renews_and_signs_out(network, service, key):
    with closed(network, service) as beside:
        client = LedgerClient(beside.url, key=key)
        assert client.administrations()
        first = client._session
        assert client.administrations() and client._session is first
        client._session = type(first)(first.headers, time.monotonic())  # about to end
        assert client.administrations() and client._session is not first
        second = client._session
        assert client._http.delete("/v1/sessions/current", headers=second.headers).status_code == 204
        assert client.administrations() and client._session is not second  # it was ended by others
        last = dict(client._session.headers)
        client.disconnect()
        with LedgerClient(beside.url) as nobody:
            assert nobody._http.get(READ, headers=last).status_code == 401
        assert "Bearer" not in repr(first)


def test_the_client_shows_its_token_to_reads_alone(network, service, key, now):
    import cargo

    with closed(network, service) as beside, LedgerClient(beside.url, key=key) as client:
        shown = {}
        client._http.event_hooks["request"] = [
            lambda request: shown.update({request.url.path: "authorization" in request.headers})
        ]
        client.administrations()
        client.submit_manifest(cargo.submission(client, now))
        client.chain()
        assert shown[READ] and not shown["/v1/manifests"] and not shown["/v1/chain"]


def test_the_client_signs_nothing_for_another_site_or_chain(network, service, key):
    with closed(network, service, public_url="https://ledger.customs.example") as beside:
        with LedgerClient(beside.url, key=key) as client, pytest.raises(InvalidSignIn, match="domain"):
            client.administrations()
        named = LedgerClient(beside.url, key=key, public_url="https://ledger.customs.example")
        with named as client:
            assert client.administrations()
        import dataclasses

        profile = dataclasses.replace(network.profile, chain_id=5)
        with LedgerClient(beside.url, key=key, profile=profile) as client, pytest.raises(ChainMismatch):
            client.administrations()


def test_a_client_without_a_key_is_told_to_sign_in(network, service):
    with closed(network, service) as beside, LedgerClient(beside.url) as client:
        with pytest.raises(Exception, match="/v1/sessions/challenge"):
            client.administrations()


@pytest.mark.parametrize(
    ("url", "domain", "uri"),
    [
        ("https://Ledger.Example", "ledger.example", "https://ledger.example"),
        ("https://ledger.example:443/", "ledger.example", "https://ledger.example"),
        ("http://127.0.0.1:8400", "127.0.0.1:8400", "http://127.0.0.1:8400"),
        ("http://[::1]:8400/a/", "[::1]:8400", "http://[::1]:8400/a"),
    ],
)
def test_a_site_is_named_in_one_way(url, domain, uri):
    assert Site.of(url) == Site(domain, uri)


@pytest.mark.parametrize("url", ["ftp://x", "https://", "x", "http://x:y", "https://bücher.example"])
def test_what_is_no_address_is_no_site(url):
    with pytest.raises(InvalidSignIn):
        Site.of(url)


def test_a_text_reads_back_to_itself(text):
    assert SignInMessage.parse(text).to_text() == text
