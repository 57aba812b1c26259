"""Signatures by OpenSSF model signing: which files a model folder holds and what is in them, vouched for by a key.

``sign`` lists every file with its SHA-256 in an in-toto statement, signs that with an elliptic-curve key, and writes
a Sigstore bundle (https://github.com/sigstore/model-transparency); ``model_signing verify key`` of that project
checks it too. No network, no certificate: whoever has the public key can check, only the private key can sign.

    openssl ecparam -name prime256v1 -genkey -noout -out signing.key
    openssl ec -in signing.key -pubout -out signing.pub
"""

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.contract import RELEASE_NAME
from trainer.errors import GateRefusedError, SettingsError, StorageError
from trainer.storage.folder import is_hidden

if TYPE_CHECKING:
    from model_signing import hashing, signing, verifying

_CURVES = "an elliptic-curve key (P-256, P-384 or P-521)"
# How the library begins to say that the key of which the bundle tells is not the one given.
_OTHER_KEY = "Key mismatch"


def sign(folder: Path, signature: Path, private_key: Path) -> None:
    """Write the signature of the local ``folder`` to the file ``signature``, which must lie outside of it.

    ``private_key`` is a PEM file without a passphrase, of the curve P-256, P-384 or P-521. Two signatures of the same
    folder differ: each holds a fresh random number.

    Raises SettingsError for a key that is none, StorageError for a file that can't be read or written.
    """
    signer = _signer(private_key).set_hashing_config(_hashing(folder))
    try:
        signature.parent.mkdir(parents=True, exist_ok=True)
        signer.sign(folder, signature)
    except (OSError, ValueError) as error:
        raise StorageError(
            "the model folder can't be signed",
            expected="plain files that can be read",
            received=f"{folder}: {error}",
            do="see the reason",
        ) from error


def check(folder: Path, signature: Path, public_key: Path) -> None:
    """Do nothing if ``signature`` is of this key and the local ``folder`` holds exactly the files that were signed.

    Raises:
        GateRefusedError: there is no signature, it isn't one, it is another key's, or the folder differs from what
            was signed, by as little as one byte or one more file.
        SettingsError: ``public_key`` is no PEM file of a public key of the curve P-256, P-384 or P-521.
        StorageError: a file can't be read.
    """
    verifier = _verifier(public_key).set_hashing_config(_hashing(folder))
    if not signature.is_file():
        raise _refused("there is no signature", expected="a model signed when it was registered")
    try:
        verifier.verify(folder, signature)
    except OSError as error:
        raise StorageError(
            "the signature can't be checked",
            expected="plain files that can be read",
            received=f"{folder}: {error}",
            do="see the reason",
        ) from error
    except Exception as error:  # a damaged bundle fails in one of four parsers, each with errors of its own
        expected = f"the files that were signed, and a signature of the key in {public_key}"
        if _OTHER_KEY in str(error):
            do = "don't use this model; if it is the key that was changed, register the same model again"
            raise _refused("a signature of another key", expected=expected, do=do) from error
        raise _refused(_words(error), expected=expected) from error


def _hashing(folder: Path) -> "hashing.Config":
    """Every file counts but what the registry and the storage layer put beside a model.

    The library's own default would also leave out ``.git`` and the like: a place to hide a file in.
    """
    from model_signing import hashing

    ours = [path for path in folder.rglob("*") if is_hidden(path.name) or path == folder / RELEASE_NAME]
    # Files only: of a folder, the library would leave out whatever is in it.
    paths = [path.relative_to(folder) for path in ours if path.is_file()]
    return hashing.Config().set_ignored_paths(paths=paths, ignore_git_paths=False)


def _signer(private_key: Path) -> "signing.Config":
    from cryptography.exceptions import UnsupportedAlgorithm
    from model_signing import signing

    try:
        return signing.Config().use_elliptic_key_signer(private_key=private_key)
    except (OSError, ValueError, TypeError, AttributeError, UnsupportedAlgorithm) as error:
        expected = f"a PEM file of {_CURVES}, without a passphrase"
        raise _bad_key("private", private_key, error, expected) from error


def _verifier(public_key: Path) -> "verifying.Config":
    from cryptography.exceptions import UnsupportedAlgorithm
    from model_signing import verifying

    try:
        return verifying.Config().use_elliptic_key_verifier(public_key=public_key)
    except (OSError, ValueError, TypeError, AttributeError, UnsupportedAlgorithm) as error:
        raise _bad_key("public", public_key, error, f"a PEM file of the public half of {_CURVES}") from error


def _words(error: Exception) -> str:
    """The library's own message without the digests, which tell a person nothing."""
    text = str(error).replace("\\'", "'")
    text = re.sub(r": Expected 'Digest\(.*?\)', Actual 'Digest\(.*?\)'", "", text)
    return textwrap.shorten(text, 300) or type(error).__name__


def _bad_key(which: str, path: Path, error: Exception, expected: str) -> SettingsError:
    return SettingsError(
        f"the {which} signing key can't be used",
        expected=expected,
        received=f"{path}: {error}",
        do="make a pair with the two openssl commands in docs/release.md",
    )


def _refused(
    received: str, *, expected: str, do: str = "don't use this model; register it again from a folder you trust"
) -> GateRefusedError:
    return GateRefusedError("the signature does not hold", expected=expected, received=received, do=do)
