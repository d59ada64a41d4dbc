"""Which addresses may be called on another's wish."""

import pytest

from shared.kit.addresses import is_public, literal_host


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.7",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2001:db8::1",
        "localhost",
        "",
        "2130706433",
    ],
)
def test_all_others_are_not(address: str) -> None:
    assert not is_public(address)


def test_host_of_a_url_is_an_address_or_a_name() -> None:
    assert literal_host("https://127.0.0.1:8443/x") == "127.0.0.1"
    assert literal_host("https://[::1]/x") == "::1"
    assert literal_host("https://localhost/x") is None
