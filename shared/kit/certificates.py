"""Makes an authority of one's own and certificates that it signs, for two halves without any.

`python -m shared.kit.certificates authority FOLDER`, then `server FOLDER NAME...` at the provider
and `client FOLDER NAME` for each reseller. Keys are written for their owner's eyes only, and never
over what is there.
"""

import ipaddress
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shared.kit.clock import SystemClock
from shared.kit.terminal import plain_errors
from shared.kit.tls import fingerprint

AUTHORITY_DAYS = 3650
DAYS = 397
# A clock that is a little behind must not find it not yet valid.
_SLACK = timedelta(hours=1)
_KEY_USAGE = {
    "digital_signature": True,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "encipher_only": False,
    "decipher_only": False,
}

app = typer.Typer(no_args_is_help=True, pretty_exceptions_show_locals=False, help=__doc__)
Folder = Annotated[Path, typer.Argument(help="Where the authority lies, and all it signs.")]
Days = Annotated[int, typer.Option(min=1, max=AUTHORITY_DAYS, help="How long it is good.")]


@app.command("authority")
def make_authority(folder: Folder, *, days: Days = AUTHORITY_DAYS) -> None:
    """Make the authority: authority.pem for everybody, authority-key.pem for nobody else."""
    with plain_errors():
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Tandem authority")
        draft = _draft(name, name, key, days=days).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        usage = x509.KeyUsage(key_cert_sign=True, crl_sign=True, **_KEY_USAGE)
        made = draft.add_extension(usage, critical=True).sign(key, hashes.SHA256())
        _write(folder, "authority", made, key, issuer=None)


@app.command("server")
def make_server(
    folder: Folder,
    names: Annotated[list[str], typer.Argument(help="Host names and addresses it is called by.")],
    *,
    days: Days = DAYS,
) -> None:
    """Sign a certificate of a server: for SELLING_TLS_CERTIFICATE and SELLING_TLS_KEY."""
    with plain_errors():
        _sign(folder, names[0], names, ExtendedKeyUsageOID.SERVER_AUTH, days=days)


@app.command("client")
def make_client(
    folder: Folder,
    name: Annotated[str, typer.Argument(help="Whose it is: an installation of a reseller.")],
    *,
    days: Days = DAYS,
) -> None:
    """Sign a certificate of a client; a key can be bound to its fingerprint, which is shown."""
    with plain_errors():
        _sign(folder, name, [], ExtendedKeyUsageOID.CLIENT_AUTH, days=days)


def _sign(
    folder: Path, name: str, hosts: list[str], use: x509.ObjectIdentifier, *, days: int
) -> None:
    issuer = x509.load_pem_x509_certificate((folder / "authority.pem").read_bytes())
    issuer_key = load_pem_private_key((folder / "authority-key.pem").read_bytes(), password=None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise ValueError("authority-key.pem isn't a key that this made")  # noqa: TRY004 - told to people
    key = ec.generate_private_key(ec.SECP256R1())
    draft = (
        _draft(_name(name), issuer.subject, key, days=days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(
            x509.KeyUsage(key_cert_sign=False, crl_sign=False, **_KEY_USAGE), critical=True
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if hosts:
        known = x509.SubjectAlternativeName([_host(host) for host in hosts])
        draft = draft.add_extension(known, critical=False)
    made = draft.sign(issuer_key, hashes.SHA256())
    _write(folder, name, made, key, issuer=issuer)


def _draft(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int
) -> x509.CertificateBuilder:
    now = SystemClock().now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _write(
    folder: Path,
    name: str,
    made: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer: x509.Certificate | None,
) -> None:
    if "/" in name or name.startswith("."):
        raise ValueError("the name becomes a file's: leave out slashes and a dot in front")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    chain = [made] if issuer is None else [made, issuer]
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in chain)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for file, content, mode in (
        (folder / f"{name}-key.pem", secret, 0o600),
        (folder / f"{name}.pem", pem, 0o644),
    ):
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
            out.write(content)
        typer.echo(file)
    typer.echo(f"fingerprint {fingerprint(pem.decode())}")


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


if __name__ == "__main__":
    app()
