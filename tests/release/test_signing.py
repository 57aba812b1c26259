import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.support.keys import key_pair
from trainer.errors import GateRefusedError, SettingsError, StorageError
from trainer.release.signing import check, sign

FILES = {"saved_model.pb": b"graph", "variables/variables.index": b"\x00\x01", "manifest.json": b"{}", "empty": b""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "model"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return key_pair(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def signature(folder: Path, keys: tuple[Path, Path], tmp_path: Path) -> Path:
    path = tmp_path / "signatures" / "1.0.0.sig"
    sign(folder, path, keys[0])
    return path


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_what_was_signed_is_accepted(folder: Path, tmp_path: Path, curve: ec.EllipticCurve) -> None:
    private, public = key_pair(tmp_path, curve=curve)
    sign(folder, tmp_path / "sig", private)
    check(folder, tmp_path / "sig", public)


def test_the_folder_may_be_moved(folder: Path, signature: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    check(folder.rename(tmp_path / "other name"), signature, keys[1])


def test_a_changed_bit_anywhere_in_the_model_is_found(folder: Path, signature: Path, keys: tuple[Path, Path]) -> None:
    for name, content in FILES.items():
        for position in range(len(content)):
            changed = bytearray(content)
            changed[position] ^= 1
            (folder / name).write_bytes(changed)
            with pytest.raises(GateRefusedError, match=rf"Hash mismatch for '{re.escape(name)}'['\"]\]"):
                check(folder, signature, keys[1])
        (folder / name).write_bytes(content)
    check(folder, signature, keys[1])


def test_a_changed_bit_anywhere_in_the_signature_is_found(
    folder: Path, signature: Path, keys: tuple[Path, Path]
) -> None:
    content = signature.read_bytes()
    for position in [*range(0, len(content), 29), len(content) - 1]:
        changed = bytearray(content)
        changed[position] ^= 1
        signature.write_bytes(changed)
        with pytest.raises(GateRefusedError, match="does not hold"):
            check(folder, signature, keys[1])


@pytest.mark.parametrize("name", ["more", ".gitattributes", ".git/hook", "variables/.github/x", "release.json/evil"])
def test_one_more_file_is_found(folder: Path, signature: Path, keys: tuple[Path, Path], name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"")
    with pytest.raises(GateRefusedError, match="Extra files found in model"):
        check(folder, signature, keys[1])


def test_a_missing_file_is_found(folder: Path, signature: Path, keys: tuple[Path, Path]) -> None:
    (folder / "saved_model.pb").unlink()
    with pytest.raises(GateRefusedError, match="Missing files in model"):
        check(folder, signature, keys[1])


def test_a_link_is_refused(folder: Path, signature: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    """Whoever owns its target could change the model later."""
    (tmp_path / "graph").write_bytes(b"graph")
    (folder / "saved_model.pb").unlink()
    (folder / "saved_model.pb").symlink_to(tmp_path / "graph")
    with pytest.raises(GateRefusedError, match="symlink"):
        check(folder, signature, keys[1])
    with pytest.raises(StorageError, match="symlink"):
        sign(folder, tmp_path / "sig", keys[0])


def test_marks_beside_the_model_do_not_count(folder: Path, signature: Path, keys: tuple[Path, Path]) -> None:
    (folder / "release.json").write_bytes(b"{}")
    (folder / ".trainer-publish.lock").write_bytes(b"")
    check(folder, signature, keys[1])


def test_another_key_is_refused(folder: Path, signature: Path, tmp_path: Path) -> None:
    with pytest.raises(GateRefusedError, match="a signature of another key – .* register the same model again"):
        check(folder, signature, key_pair(tmp_path, "other")[1])


def test_the_hint_that_names_the_key_proves_nothing(
    folder: Path, signature: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    """A forger signs with his own key and says it was ours."""
    ours = json.loads(signature.read_text())["verificationMaterial"]
    (folder / "saved_model.pb").write_bytes(b"evil")
    sign(folder, signature, key_pair(tmp_path, "forger")[0])
    signature.write_text(json.dumps({**json.loads(signature.read_text()), "verificationMaterial": ours}))
    with pytest.raises(GateRefusedError, match="InvalidSignature"):
        check(folder, signature, keys[1])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"verificationMaterial": {}}'])
def test_what_is_no_signature_is_refused(
    folder: Path, signature: Path, keys: tuple[Path, Path], content: bytes
) -> None:
    signature.write_bytes(content)
    with pytest.raises(GateRefusedError, match="does not hold"):
        check(folder, signature, keys[1])


def test_a_missing_signature_is_refused(folder: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(GateRefusedError, match="there is no signature"):
        check(folder, tmp_path / "none", keys[1])


def _unusable_private_keys() -> dict[str, bytes]:
    form = serialization.PrivateFormat.PKCS8
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    locked = serialization.BestAvailableEncryption(b"secret")
    return {
        "none at all": b"hello",
        "another curve": ec.generate_private_key(ec.SECP256K1()).private_bytes(pem, form, plain),
        "another kind": rsa.generate_private_key(65537, 2048).private_bytes(pem, form, plain),
        "a passphrase": ec.generate_private_key(ec.SECP256R1()).private_bytes(pem, form, locked),
    }


@pytest.mark.parametrize("kind", ["missing", "none at all", "another curve", "another kind", "a passphrase"])
def test_a_key_that_cannot_be_used_is_a_wrong_setting(folder: Path, tmp_path: Path, kind: str) -> None:
    key = tmp_path / "key"
    if kind != "missing":
        key.write_bytes(_unusable_private_keys()[kind])
    with pytest.raises(SettingsError, match="the private signing key can't be used – expected a PEM file"):
        sign(folder, tmp_path / "sig", key)
    with pytest.raises(SettingsError, match="the public signing key can't be used – expected a PEM file"):
        check(folder, tmp_path / "sig", key)
    assert not (tmp_path / "sig").exists()


@pytest.mark.parametrize("curve", ["secp192k1", "SM2"])
def test_a_curve_that_the_library_does_not_know_is_one_too(folder: Path, tmp_path: Path, curve: str) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    make = ["openssl", "ecparam", "-name", curve, "-genkey", "-noout", "-out", str(private)]
    subprocess.run(make, capture_output=True, check=True)
    subprocess.run(
        ["openssl", "ec", "-in", str(private), "-pubout", "-out", str(public)], capture_output=True, check=True
    )
    with pytest.raises(SettingsError, match="the private signing key can't be used – expected a PEM file"):
        sign(folder, tmp_path / "sig", private)
    with pytest.raises(SettingsError, match="the public signing key can't be used – expected a PEM file"):
        check(folder, tmp_path / "sig", public)


def test_the_command_of_the_standard_reads_our_signatures(
    folder: Path, signature: Path, keys: tuple[Path, Path]
) -> None:
    (folder / ".gitignore").write_bytes(b"")
    sign(folder, signature, keys[0])
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(folder)]
    command += ["--signature", str(signature), "--public_key", str(keys[1]), "--no-ignore-git-paths"]
    assert "succeeded" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_pair_that_openssl_makes_as_documented(folder: Path, tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("needs the openssl command")
    make = "openssl ecparam -name prime256v1 -genkey -noout -out a.key && openssl ec -in a.key -pubout -out a.pub"
    subprocess.run(make, shell=True, cwd=tmp_path, check=True, capture_output=True)  # noqa: S602 – a constant
    sign(folder, tmp_path / "sig", tmp_path / "a.key")
    check(folder, tmp_path / "sig", tmp_path / "a.pub")


def test_no_network_is_asked(
    folder: Path, signature: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    sign(folder, signature, keys[0])
    check(folder, signature, keys[1])


def test_a_folder_that_cannot_be_written_to_is_said(folder: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="can't be signed"):
        sign(folder, tmp_path / "file" / "sig", keys[0])


def test_the_library_is_loaded_only_when_asked() -> None:
    code = "import sys, trainer.release.signing; print('model_signing' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "False\n"
