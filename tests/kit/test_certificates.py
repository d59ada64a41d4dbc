"""Certificates of an authority of one's own, made by the command: each is what it is for."""

import ssl
from pathlib import Path

from typer.testing import CliRunner

from shared.kit.certificates import app
from shared.kit.tls import Trust, client_context, fingerprint


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.output


def shake(client: ssl.SSLContext, server: ssl.SSLContext, *, name: str) -> ssl.SSLObject:
    """Let both shake hands without a network; the server's end. Raises ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = client.wrap_bio(to_client, to_server, server_hostname=name)
    callee = server.wrap_bio(to_server, to_client, server_side=True)
    left = [caller, callee]
    for _ in range(10):
        for end in list(left):
            try:
                end.do_handshake()
                left.remove(end)
            except ssl.SSLWantReadError:
                pass
    assert not left
    return callee


def test_server_and_client_know_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    run("authority", str(folder))
    run("server", str(folder), "provider.example.com", "192.0.2.7")
    told = run("client", str(folder), "shop-1")
    mine = (folder / "shop-1.pem").read_text()
    assert f"fingerprint {fingerprint(mine)}" in told
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(
        folder / "provider.example.com.pem", folder / "provider.example.com-key.pem"
    )
    server.load_verify_locations(folder / "authority.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    trust = Trust(
        authority=(folder / "authority.pem").read_text(),
        certificate=mine,
        key=(folder / "shop-1-key.pem").read_text(),
    )
    for name in ("provider.example.com", "192.0.2.7"):
        seen = shake(client_context(trust), server, name=name).getpeercert(binary_form=True)
        assert seen is not None
        assert fingerprint(ssl.DER_cert_to_PEM_cert(seen)) == fingerprint(mine)
    for file in folder.glob("*-key.pem"):
        assert file.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_nothing_that_is_there_is_written_over(tmp_path: Path) -> None:
    run("authority", str(tmp_path))
    before = (tmp_path / "authority-key.pem").read_bytes()
    done = CliRunner().invoke(app, ["authority", str(tmp_path)])
    assert done.exit_code == 1
    assert (tmp_path / "authority-key.pem").read_bytes() == before


def test_a_name_leads_to_no_other_folder(tmp_path: Path) -> None:
    run("authority", str(tmp_path))
    done = CliRunner().invoke(app, ["client", str(tmp_path), "../elsewhere"])
    assert done.exit_code == 1
    assert not (tmp_path.parent / "elsewhere.pem").exists()
