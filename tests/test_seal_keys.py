"""The keys of seals: made once, kept from others, and read from files in PEM."""

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from fabric.seals.seal_keys import FILE, TrustedKeys, existing_key, public_keys, sealing_key, trusted_keys
from fabric.secrets import SecretError


def test_a_key_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    assert existing_key(tmp_path, None) is None
    assert not list(tmp_path.iterdir())
    made = sealing_key(tmp_path, None)
    assert sealing_key(tmp_path, None).key_id == made.key_id
    found = existing_key(tmp_path, None)
    assert found is not None
    assert found.key_id == made.key_id
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_what_openssl_makes_is_taken(tmp_path: Path) -> None:
    private, public = tmp_path / "key", tmp_path / "public"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    private.chmod(0o600)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    key = sealing_key(tmp_path / "nowhere", private)
    assert key.public_pem == public.read_text()
    assert not (tmp_path / "nowhere").exists()
    assert trusted_keys(sealing_key(tmp_path, None), public).accepts(key.key_id, b"x", key.sign(b"x"))


def test_only_a_known_key_and_the_same_message_count(tmp_path: Path) -> None:
    key, other = sealing_key(tmp_path / "one", None), sealing_key(tmp_path / "other", None)
    trusted = TrustedKeys([key.public])
    assert trusted.accepts(key.key_id, b"x", key.sign(b"x"))
    assert not trusted.accepts(key.key_id, b"y", key.sign(b"x"))
    assert not trusted.accepts(key.key_id, b"x", other.sign(b"x"))
    assert not trusted.accepts(other.key_id, b"x", other.sign(b"x"))
    assert not trusted.accepts(key.key_id, b"x", b"")


def test_several_public_keys_stand_in_one_file(tmp_path: Path) -> None:
    keys = [sealing_key(tmp_path / str(n), None) for n in range(3)]
    (tmp_path / "all.pem").write_text("".join(key.public_pem for key in keys))
    trusted = TrustedKeys(public_keys(tmp_path / "all.pem"))
    assert all(trusted.knows(key.key_id) for key in keys)


def test_what_is_no_such_key_is_refused_with_what_to_do(tmp_path: Path) -> None:
    elliptic = generate_private_key(SECP256R1())
    private, public = tmp_path / "private", tmp_path / "public"
    private.write_bytes(elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    private.chmod(0o600)
    public.write_bytes(elliptic.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(SecretError, match="openssl genpkey -algorithm ed25519"):
        sealing_key(tmp_path, private)
    with pytest.raises(SecretError, match="openssl pkey"):
        public_keys(public)
    public.write_text("x")
    with pytest.raises(SecretError, match="openssl pkey"):
        public_keys(public)
    with pytest.raises(SecretError, match="cannot be read"):
        public_keys(tmp_path / "none")
    private.chmod(0o644)
    with pytest.raises(SecretError, match="chmod 600"):
        sealing_key(tmp_path, private)
