import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fabric.secrets import SecretError, local_secret, private_folder, read_secret


def test_a_secret_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    secret = local_secret(tmp_path / "data", "jwt")
    assert len(secret) == 32
    assert local_secret(tmp_path / "data", "jwt") == secret
    assert local_secret(tmp_path / "data", "other") != secret
    assert (tmp_path / "data" / "jwt").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert sorted(os.listdir(tmp_path / "data")) == ["jwt", "other"]


def test_all_who_make_it_at_once_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: local_secret(tmp_path, "jwt"), range(32)))) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_secret_that_others_can_reach_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    local_secret(tmp_path, "jwt")
    (tmp_path / "jwt").chmod(mode)
    with pytest.raises(SecretError, match=f"chmod 600 {tmp_path / 'jwt'}"):
        local_secret(tmp_path, "jwt")


def test_a_short_or_absent_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short").touch(0o600)
    with pytest.raises(SecretError, match="shorter than 32 bytes"):
        read_secret(tmp_path / "short")
    with pytest.raises(SecretError, match="cannot be read"):
        read_secret(tmp_path / "absent")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(SecretError, match="must be a file"):
        read_secret(tmp_path / "pipe")


def test_a_folder_that_others_can_write_to_keeps_no_secret(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    with pytest.raises(SecretError, match="chmod go-w"):
        local_secret(tmp_path, "jwt")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, -1)
    with pytest.raises(SecretError, match="belongs to another user"):
        private_folder(tmp_path)
