"""Where webhooks may be sent, and where not, whatever the address looks like."""

import pytest

from fabric.errors import BadInput
from fabric.outbound.addresses import LONGEST, Networks, Target
from fabric.settings import Settings, SettingsError

NOBODYS = Networks()
INSIDE = Networks.parse(["10.1.0.0/16", "fd00:1::/32", "127.0.0.0/8"])

REFUSED = """
    0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.1.2.3 169.254.0.1 169.254.169.254
    172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255
    198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16
    :: ::1 ::7f00:1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1
    64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::808:808 64:ff9b:1::1 100::1 2001::1 2001:0:7f00:1:: 2001:2::1
    2001:db8::1 2001:10::1 2002:7f00:1:: 2002:a00:1::1 2002:808:808::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1
    fe80::1%eth0 fec0::1 ff02::1 ff0e::1 4000::1
""".split()
"""Each is private, of one machine, link or group, for special uses, or leads to an address of IPv4."""

PUBLIC = "1.1.1.1 8.8.8.8 93.184.215.14 ::ffff:8.8.8.8 2606:4700:4700::1111 2001:4860:4860::8888 2a00:1450::1".split()


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_public_is_not_connected_to(address: str) -> None:
    assert not NOBODYS.permit(address, plain=False)
    assert not NOBODYS.permit(address, plain=True)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_connected_to_by_tls_only(address: str) -> None:
    assert NOBODYS.permit(address, plain=False)
    assert not NOBODYS.permit(address, plain=True)
    assert not INSIDE.permit(address, plain=True)


@pytest.mark.parametrize("address", ["10.1.2.3", "fd00:1::5", "::ffff:10.1.2.3", "127.0.0.1"])
def test_what_is_allowed_is_connected_to(address: str) -> None:
    assert INSIDE.permit(address, plain=False)
    assert INSIDE.permit(address, plain=True)


@pytest.mark.parametrize("address", ["10.2.0.1", "fd00:2::1", "169.254.169.254", "::1", "", "localhost", "10.1", "1"])
def test_nothing_else_is_allowed_with_it(address: str) -> None:
    assert not INSIDE.permit(address, plain=False)


BAD_URLS = [
    "http://hooks.example/", "ftp://hooks.example/", "file:///etc/passwd", "//hooks.example/", "hooks.example",
    "https:", "https://", "https:///path", "https://:443/", "https://user@hooks.example/", "https://user:pw@hooks.example/",
    "https://hooks.example/#part", "https://hooks.example:99999/", "https://hooks.example:port/",
    "https://hooks.example/a b", "https://hooks.example/\n", "https://hooks.example\\@127.0.0.1/", "https://[::1/",
    "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[fe80::1%25eth0]/",
    "https://2130706433/", "https://0x7f000001/", "https://017700000001/", "https://127.1/", "https://0/",
    "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://127.0.0.1./", "https://2130706433./", "https://10.0.0.1:8443/",
    "https://hooks..example/", "https://-hooks.example/", "https://hooks.example-/", "https://höoks.example/",
    "https://" + "x" * 64 + ".example/", "https://hooks.example/" + "x" * LONGEST, "https://127。0。0。1/",
    "https://hooks%2eexample/", "https://hooks.example%00.evil.example/",
]  # fmt: skip


@pytest.mark.parametrize("url", BAD_URLS)
def test_what_cannot_be_meant_is_not_registered(url: str) -> None:
    with pytest.raises(BadInput):
        NOBODYS.target(url)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://hooks.example", Target("https", "hooks.example", 443, "/")),
        ("https://Hooks.Example:8443/in?token=a%20b", Target("https", "hooks.example", 8443, "/in?token=a%20b")),
        ("https://xn--hks-sna.example/", Target("https", "xn--hks-sna.example", 443, "/")),
        ("https://8.8.8.8/", Target("https", "8.8.8.8", 443, "/")),
        ("https://[2606:4700:4700::1111]/x", Target("https", "2606:4700:4700::1111", 443, "/x")),
        ("https://a_b.example./", Target("https", "a_b.example.", 443, "/")),
    ],
)
def test_other_urls_are_registered(url: str, target: Target) -> None:
    assert NOBODYS.target(url) == target


def test_http_is_for_networks_that_are_allowed() -> None:
    assert INSIDE.target("http://10.1.2.3:8080/in") == Target("http", "10.1.2.3", 8080, "/in")
    assert INSIDE.target("http://inside.example/").plain
    with pytest.raises(BadInput):
        INSIDE.target("http://8.8.8.8/")
    with pytest.raises(BadInput):
        INSIDE.target("http://10.2.0.1/")


def test_a_setting_that_names_no_network_is_refused() -> None:
    assert Settings.load({"FABRIC_WEBHOOK_ALLOWED_NETWORKS": "10.1.0.0/16, fd00::/8"}).webhook_allowed_networks
    for text in ("10.1.2.3/16", "inside.example", "10.1.0.0/33", "*"):
        with pytest.raises(SettingsError, match="FABRIC_WEBHOOK_ALLOWED_NETWORKS"):
            Settings.load({"FABRIC_WEBHOOK_ALLOWED_NETWORKS": text})
