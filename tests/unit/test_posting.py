"""A webhook goes to public addresses that were judged, and nowhere else; a receiver can neither lead it on nor hold it up."""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import time

import pytest
from receivers_at_work import certified, listening, receiving

from ledger import posting, receivers
from ledger.errors import DeliveryFailed, InvalidIdentifier
from ledger.posting import Names, post
from ledger.receivers import is_public, read_receiver

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)

# ruff: noqa: RUF001  letters that look like others are the point
# Each leads to this machine or into its network, by its form or by what its name leads to; `{}` is the listener's port.
FORMS = [
    # loopback and unspecified, in every way of writing them
    *("https://127.0.0.1:{}/", "https://127.0.0.2:{}/", "https://127.255.255.254:{}/", "https://0.0.0.0:{}/"),
    *("https://127.1:{}/", "https://127.0.1:{}/", "https://0:{}/", "https://0.0:{}/", "https://1:{}/"),
    *("https://2130706433:{}/", "https://0x7f000001:{}/", "https://0x7f.0.0.1:{}/", "https://0x7f.1:{}/"),
    *("https://017700000001:{}/", "https://0177.0.0.1:{}/", "https://0177.1:{}/", "https://0177.0x0.0.1:{}/"),
    *("https://127.0.0.01:{}/", "https://127.000.000.001:{}/", "https://00000177.0.0.1:{}/", "https://0x:{}/"),
    *("https://127.0.0.1.:{}/", "https://127.0.0.0x1:{}/", "https://4294967295:{}/", "https://6425673729:{}/"),
    *("https://[::1]:{}/", "https://[::]:{}/", "https://[0:0:0:0:0:0:0:1]:{}/", "https://[0::1]:{}/"),
    *("https://[::0001]:{}/", "https://[::ffff:127.0.0.1]:{}/", "https://[::ffff:7f00:1]:{}/"),
    *("https://[0:0:0:0:0:ffff:127.0.0.1]:{}/", "https://[::127.0.0.1]:{}/", "https://[::7f00:1]:{}/"),
    *("https://[::ffff:0:127.0.0.1]:{}/", "https://[64:ff9b::127.0.0.1]:{}/", "https://[64:ff9b::7f00:1]:{}/"),
    *("https://[64:ff9b:1::7f00:1]:{}/", "https://[2002:7f00:1::]:{}/", "https://[2002:7f00:1::1]:{}/"),
    *("https://[2001:0:7f00:1::1]:{}/", "https://[::1%25lo]:{}/", "https://[::1%lo]:{}/", "https://[fe80::1]:{}/"),
    *("https://[fe80::1%25eth0]:{}/", "https://[fc00::1]:{}/", "https://[fd00:ec2::254]:{}/", "https://[ff02::1]:{}/"),
    *("https://[fec0::1]:{}/", "https://[100::1]:{}/", "https://[5f00::1]:{}/", "https://[2001:db8::1]:{}/"),
    *("https://[3fff::1]:{}/", "https://[2001:2::1]:{}/", "https://[2001:10::1]:{}/", "https://[2620:4f:8000::1]:{}/"),
    *("https://[v1.fe80]:{}/", "https://[127.0.0.1]:{}/", "https://[::1:{}/", "https://::1:{}/", "https://[]:{}/"),
    # private, shared, link-local, reserved; where clouds serve their machines' secrets
    *("https://10.0.0.1:{}/", "https://10.255.255.255:{}/", "https://172.16.0.1:{}/", "https://172.31.255.255:{}/"),
    *("https://192.168.0.1:{}/", "https://100.64.0.1:{}/", "https://100.127.255.254:{}/", "https://169.254.0.1:{}/"),
    *("https://169.254.169.254/latest/meta-data/", "https://169.254.170.2/v2/credentials", "https://168.63.129.16/"),
    *("https://100.100.100.200/latest/meta-data/", "https://192.0.0.192/latest/", "https://192.0.0.1:{}/"),
    *("https://192.0.2.1:{}/", "https://198.51.100.1:{}/", "https://203.0.113.1:{}/", "https://198.18.0.1:{}/"),
    *("https://192.88.99.1:{}/", "https://224.0.0.1:{}/", "https://240.0.0.1:{}/", "https://255.255.255.255:{}/"),
    *("https://192.31.196.1:{}/", "https://192.52.193.1:{}/", "https://192.175.48.1:{}/"),
    *("https://0xA9FEA9FE/latest/", "https://2852039166/latest/", "https://0251.0376.0251.0376/latest/"),
    *("http://169.254.169.254/latest/meta-data/", "http://metadata.google.internal/computeMetadata/v1/"),
    # who reads it how
    *("https://user@127.0.0.1:{}/", "https://user:word@127.0.0.1:{}/", "https://public.example@127.0.0.1:{}/"),
    *("https://127.0.0.1:{}@public.example/", "https://public.example:443@127.0.0.1:{}/", "https://@127.0.0.1:{}/"),
    *("https://public.example\\@127.0.0.1:{}/", "https://127.0.0.1:{}\\@public.example/", "https:\\\\127.0.0.1:{}\\"),
    *("https://127.0.0.1:{}#@public.example/", "https://public.example#@127.0.0.1:{}/", "https:///127.0.0.1:{}/"),
    *("https:127.0.0.1:{}/", "https:/127.0.0.1:{}/", "//127.0.0.1:{}/", "127.0.0.1:{}/", "https://"),
    *("https://127.0.0.1:{}\t.public.example/", "https://127.0.0.1\n:{}/", "https://127.0.0.1 :{}/", " https://127.0.0.1:{}/"),
    *("https://127.0.0.1%00.public.example:{}/", "https://127.0.0.1\0.public.example:{}/", "https://%31%32%37.0.0.1:{}/"),
    *("https://127%2E0.0.1:{}/", "https://127。0。0。1:{}/", "https://１２７.０.０.１:{}/", "https://①②⑦.⓪.⓪.①:{}/"),
    *("https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{}/", "https://ʟᴏᴄᴀʟʜᴏsᴛ:{}/", "https://localhoſt:{}/", "https://faß.example:{}/"),
    *("https://public.example:/", "https://public.example:0/", "https://public.example:65536/", "https://public.example:1e2/"),
    *("https://public..example:{}/", "https://.public.example:{}/", "https://-public.example:{}/", "https://pub_lic.example:{}/"),
    *("https://" + "a" * 64 + ".example:{}/", "https://public.example:{}/" + "a" * 2_000),
    # other schemes
    *("http://127.0.0.1:{}/", "http://[::1]:{}/", "http://public.example:{}/", "ftp://127.0.0.1:{}/", "file:///etc/passwd"),
    *("gopher://127.0.0.1:{}/_POST", "dict://127.0.0.1:{}/", "ldap://127.0.0.1:{}/", "javascript:alert(1)", "data:,x"),
    *("unix:///run/postgresql", "HTTPS+UNIX://x/", "ws://127.0.0.1:{}/", "jar:https://127.0.0.1:{}!/"),
]  # fmt: skip
# What a name leads to, in order; all is asked for at the time of sending.
NAMES = [
    *(["127.0.0.1"], ["::1"], ["0.0.0.0"], ["::"], ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"], ["2002:7f00:1::"]),
    *(["10.0.0.1"], ["169.254.169.254"], ["100.64.0.1"], ["fe80::1"], ["fe80::1%lo"], ["fd00:ec2::254"]),
    *(["93.184.216.34", "127.0.0.1"], ["127.0.0.1", "93.184.216.34"], ["2606:2800:220:1::1", "127.0.0.1"]),
    *(["93.184.216.34", "::1"], ["93.184.216.34", "::ffff:127.0.0.1"], [], ["nonsense"]),
]  # fmt: skip


def resolving(*answers):
    """A name server that gives each answer once, the last for ever; how often it was asked is its `asked`."""

    async def resolve(host, port):
        resolve.asked += 1
        return answers[min(resolve.asked, len(answers)) - 1]

    resolve.asked = 0
    return resolve


def sent(url, *, listed=(), resolve=None, tls=None, content=b"{}"):
    """Send one message as the service does: the URL judged, the name resolved, each of its addresses judged."""
    receiver = read_receiver(url, listed)
    return asyncio.run(
        post(
            receiver,
            content,
            {"content-type": "application/json"},
            listed=listed,
            resolve=resolve or Names(),
            tls=tls or ssl.create_default_context(),
        )
    )


@pytest.mark.row("G2")
def test_what_is_not_public_is_never_connected_to_however_it_is_written():
    assert len(set(FORMS)) + len(NAMES) >= 120
    with listening(host="::") as here:
        for form in FORMS:
            with pytest.raises(InvalidIdentifier):
                sent(form.replace("{}", str(here.port)))
        for addresses in NAMES:
            with pytest.raises(DeliveryFailed, match="nothing is sent there"):
                sent(f"https://public.example:{here.port}/", resolve=resolving(addresses))
        with pytest.raises(DeliveryFailed, match="nothing is sent there"):
            sent(f"https://localhost:{here.port}/")  # by the machine's own names
        time.sleep(0.1)
        assert here.connections == 0
        with contextlib.closing(socket.create_connection(("127.0.0.1", here.port))):
            pass
        with contextlib.closing(socket.create_connection(("::1", here.port))):
            time.sleep(0.2)
        assert here.connections == 2, "the listener sees who comes"


def test_what_is_public_and_well_written_is_taken():
    for url, host, port, target in [
        ("https://public.example", "public.example", 443, "/"),
        ("https://Public.Example:8443/a?b=c&d", "public.example", 8443, "/a?b=c&d"),
        ("https://xn--bcher-kva.example/%7Euser/", "xn--bcher-kva.example", 443, "/%7Euser/"),
        ("https://93.184.216.34/", "93.184.216.34", 443, "/"),
        ("https://[2606:2800:220:1::1]/", "2606:2800:220:1::1", 443, "/"),
    ]:
        receiver = read_receiver(url, ())
        assert (receiver.host, receiver.port, receiver.target) == (host, port, target)
    assert read_receiver("https://[2606:2800::1]:8443/", ()).authority == "[2606:2800::1]:8443"
    assert read_receiver("https://public.example:443/", ()).authority == "public.example"


def test_public_is_what_iana_gives_out_and_nothing_else():
    for text in ("1.1.1.1", "93.184.216.34", "198.17.255.255", "2606:4700::1111", "2a00:1450::1"):
        assert is_public(ipaddress.ip_address(text)), text
    for network in receivers._NOT_PUBLIC:
        assert not is_public(network[0]) and not is_public(network[-1]), network


def test_a_listed_network_is_reached_and_what_lies_beside_it_is_not():
    with receiving() as receiver:
        assert sent(receiver.url, listed=LOOPBACK, content=b'{"a":1}').status == 204
        assert receiver.received[0].body == b'{"a":1}'
        assert receiver.received[0].headers["host"] == f"127.0.0.1:{receiver.port}"
        with pytest.raises(InvalidIdentifier):
            sent(receiver.url, listed=(ipaddress.ip_network("127.0.0.2/32"),))
        with pytest.raises(DeliveryFailed):
            sent(
                f"http://inside.example:{receiver.port}/",
                listed=LOOPBACK,
                resolve=resolving(["127.0.0.1", "10.0.0.1"]),
            )
        assert len(receiver.received) == 1


@pytest.mark.row("G2")
def test_the_address_that_was_judged_is_the_one_connected_to_whatever_the_name_leads_to_next():
    """A name server that says something else the second time: the name is asked for once."""
    with listening(host="127.0.0.3") as other, receiving(host="127.0.0.2") as judged:
        names = resolving(["127.0.0.2"], ["127.0.0.3"])
        url = f"http://turning.example:{judged.port}/"
        assert sent(url, listed=(ipaddress.ip_network("127.0.0.2/32"),), resolve=names).status == 204
        assert names.asked == 1
        assert judged.received[0].headers["host"] == f"turning.example:{judged.port}"
        with pytest.raises(DeliveryFailed, match="nothing is sent there"):
            sent(url, listed=(ipaddress.ip_network("127.0.0.2/32"),), resolve=names)
        assert len(judged.received) == 1 and other.connections == 0


@pytest.mark.row("G2")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_nobody_follows_it(status):
    with listening() as other:
        where = {"location": f"http://127.0.0.1:{other.port}/"}
        with receiving(lambda _: (status, where)) as receiver:
            assert sent(receiver.url, listed=LOOPBACK).status == status
            time.sleep(0.05)
            assert len(receiver.received) == 1 and other.connections == 0


def test_no_proxy_of_the_environment_is_asked(monkeypatch):
    with listening() as proxy, receiving() as receiver:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert sent(receiver.url, listed=LOOPBACK).status == 204
        assert proxy.connections == 0


@pytest.mark.row("G3")
def test_a_certificate_must_be_the_names_though_the_connection_goes_to_an_address(tmp_path):
    serving, authority = certified(tmp_path, "inside.example")
    trusting = ssl.create_default_context(cafile=str(authority))
    with receiving(tls=serving) as receiver:
        names = resolving(["127.0.0.1"])
        url = f"https://inside.example:{receiver.port}/hook"
        assert sent(url, listed=LOOPBACK, resolve=names, tls=trusting).status == 204
        for wrong, tls in [
            (f"https://other.example:{receiver.port}/hook", trusting),
            (receiver.url, trusting),
            (url, ssl.create_default_context()),
        ]:
            with pytest.raises(DeliveryFailed, match="certificate"):
                sent(wrong, listed=LOOPBACK, resolve=names, tls=tls)
        assert len(receiver.received) == 1


def test_a_certificate_of_an_address_serves_that_address(tmp_path):
    serving, authority = certified(tmp_path, "127.0.0.1")
    with receiving(tls=serving) as receiver:
        trusting = ssl.create_default_context(cafile=str(authority))
        assert sent(receiver.url, listed=LOOPBACK, tls=trusting).status == 204


HELD_SECONDS = 3  # then the receiver ends the connection: whoever has waited so long sees another failure


def hold(connection):
    time.sleep(HELD_SECONDS)
    connection.shutdown(socket.SHUT_RDWR)


def drip(connection):
    for _ in range(HELD_SECONDS * 50):
        connection.sendall(b"H")
        time.sleep(0.02)
    connection.shutdown(socket.SHUT_RDWR)


def drip_body(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    drip(connection)


@pytest.mark.row("G3")
@pytest.mark.parametrize("behave", [hold, drip, drip_body])
def test_a_receiver_that_hangs_or_drips_is_given_up_in_time(behave, monkeypatch):
    assert posting.ANSWER_SECONDS <= 15
    monkeypatch.setattr(posting, "ANSWER_SECONDS", 0.3)
    with (
        listening(behave) as receiver,
        pytest.raises(DeliveryFailed, match=r"did not answer within 0\.3 seconds"),
    ):
        sent(f"http://127.0.0.1:{receiver.port}/", listed=LOOPBACK)


@pytest.mark.row("G3")
def test_a_name_server_that_hangs_is_given_up_in_time(monkeypatch):
    monkeypatch.setattr(posting, "ANSWER_SECONDS", 0.2)

    async def hang(host, port):
        await asyncio.sleep(60)

    with pytest.raises(DeliveryFailed, match="within"):
        sent("https://public.example/", resolve=hang)


@pytest.mark.row("G3")
def test_of_an_endless_answer_little_is_read():
    taken = []

    def flood(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                taken.append(connection.send(b"x" * 65536))

    with listening(flood) as receiver:
        assert sent(f"http://127.0.0.1:{receiver.port}/", listed=LOOPBACK).status == 200
        time.sleep(0.1)
    assert sum(taken) < 16 * 1024 * 1024  # what the sockets hold, and no more


@pytest.mark.row("G3")
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 999999 X\r\n\r\n",
    ],
)
def test_an_answer_that_is_none_is_a_failure_like_another(answer):
    def behave(connection):
        connection.recv(65536)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_RDWR)

    with listening(behave) as receiver, pytest.raises(DeliveryFailed):
        sent(f"http://127.0.0.1:{receiver.port}/", listed=LOOPBACK)


def test_where_nobody_listens_it_says_so_without_an_address():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with pytest.raises(DeliveryFailed, match="cannot be connected to") as failed:
        sent(f"http://127.0.0.1:{port}/", listed=LOOPBACK)
    assert "127.0.0.1" not in str(failed.value)


def test_of_several_addresses_the_next_is_taken_where_one_is_silent():
    with receiving(host="127.0.0.2") as receiver:
        names = resolving(["127.0.0.4", "127.0.0.2"])
        assert sent(f"http://two.example:{receiver.port}/", listed=LOOPBACK, resolve=names).status == 204


def test_names_are_resolved_by_the_machine_and_what_is_no_name_has_no_address():
    async def ask():
        names = Names()
        here = await asyncio.gather(*(names("localhost", 1) for _ in range(5)))
        with pytest.raises(OSError):
            await names("no-such-name.invalid", 1)
        return here

    here = asyncio.run(ask())
    assert all(set(found) <= {"127.0.0.1", "::1"} and found for found in here)
