"""Signatures by OpenSSF model signing: which files a model folder holds and what is in them, vouched for by a key.

``sign`` lists every file with its SHA-256 in an in-toto statement, signs that with an elliptic-curve key, and writes
a Sigstore bundle (https://github.com/sigstore/model-transparency); ``model_signing verify key`` of that project
checks it too. No network, no certificate: whoever has the public key can check, only the private key can sign.

    openssl ecparam -name prime256v1 -genkey -noout -out signing.key
    openssl ec -in signing.key -pubout -out signing.pub
"""

from pathlib import Path
from typing import Any

from trainer.errors import GateRefusedError, SettingsError


def sign(folder: Path, signature: Path, private_key: Path) -> None:
    """Write the signature of the local ``folder`` to the file ``signature``, which must lie outside of it.

    ``private_key`` is a PEM file without a passphrase, of the curve P-256, P-384 or P-521. Two signatures of the same
    folder differ: each holds a fresh random number.

    Raises SettingsError for a key that is none, StorageError for a file that can't be read or written.
    """
    raise NotImplementedError


def check(folder: Path, signature: Path, public_key: Path) -> None:
    """Do nothing if ``signature`` is of this key and the local ``folder`` holds exactly the files that were signed.

    Raises:
        GateRefusedError: there is no signature, it isn't one, it is another key's, or the folder differs from what
            was signed, by as little as one byte or one more file.
        SettingsError: ``public_key`` is no PEM file of a public key of the curve P-256, P-384 or P-521.
        StorageError: a file can't be read.
    """
    raise NotImplementedError
