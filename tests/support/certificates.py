"""What a server on this machine needs so that Google's clients trust it and have somebody to be."""

import atexit
import datetime
import functools
import ipaddress
import json
import shutil
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM


@functools.cache
def local_identity() -> dict[str, Path]:
    """Files ``certificate`` and ``key`` of a server called localhost, and ``account``, a service account's key.

    One set for the whole process: gRPC reads its trusted certificates once.
    """
    folder = Path(tempfile.mkdtemp(prefix="trainer-test-identity-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files = {name: folder / name for name in ("certificate", "key", "account")}
    files["certificate"].write_bytes(_certificate(key).public_bytes(_PEM))
    files["key"].write_bytes(private)
    files["account"].write_text(json.dumps(_account(private.decode())))
    return files


def expired_login(folder: Path) -> Path:
    """A file of credentials, written into ``folder``, with which no request gets a token; no server is asked."""
    file = folder / "expired.json"
    file.write_text(
        json.dumps(
            {
                "type": "external_account",
                "audience": "//iam.googleapis.com/locations/global/workforcePools/p/providers/p",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": "https://sts.googleapis.com/v1/token",
                "credential_source": {"file": str(folder / "no-token")},
            }
        )
    )
    return file


def _certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(
        now + datetime.timedelta(days=1)
    )
    basic = x509.BasicConstraints(ca=True, path_length=None)
    return builder.add_extension(names, critical=False).add_extension(basic, critical=True).sign(key, hashes.SHA256())


def _account(private_key: str) -> dict[str, str]:
    """Google's client signs its tokens with this key itself; no other server is asked."""
    return {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "1",
        "private_key": private_key,
        "client_email": "registrar@my-project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "http://127.0.0.1:1/token",
    }
