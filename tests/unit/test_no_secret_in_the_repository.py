"""No secret is in the repository: nothing that looks like one stands in a file that git keeps."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SHAPES = {
    "private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "cloud key": rb"\b(AKIA|ASIA)[0-9A-Z]{16}\b",
    "token of a code host": rb"\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bglpat-[A-Za-z0-9_-]{20,}\b",
    "token of a chat": rb"\bxox[abprs]-[A-Za-z0-9-]{10,}\b|hooks\.slack\.com/services/T[A-Z0-9]+/B[A-Z0-9]+/\w+",
    "token of a package registry": rb"\bpypi-[A-Za-z0-9_-]{50,}\b|\bnpm_[A-Za-z0-9]{36}\b",
    "token of Kaggle": rb"\bKGAT_[0-9a-f]{32}\b|\"key\"\s*:\s*\"[0-9a-f]{32}\"",
    "JSON web token": rb"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\b",
    "generated password": rb"(password|passwd|secret_key|token)\w*\s*[:=]\s*[\"'][A-Za-z0-9_-]{32}[\"']",
}
SAMPLES = {
    "private key": b"-----BEGIN " + b"RSA PRIVATE KEY-----",
    "cloud key": b"id = AKIA" + b"ABCDEFGHIJKLMNOP",
    "token of a code host": b"ghp_" + b"a" * 36,
    "token of a chat": b"xoxb-" + b"1234567890-abc",
    "token of a package registry": b"pypi-" + b"a" * 60,
    "token of Kaggle": b'{"username": "ada", "key"' + b': "0123456789abcdef0123456789abcdef"}',
    "JSON web token": b"eyJhbGciOiJIUzI1NiJ9." + b"eyJzdWIiOiIxMjM0NTY3ODkwIn0." + b"c2lnbmF0dXJlMTIz",
    "generated password": b'password = "' + b"Ab0_" * 8 + b'"',
}


def test_no_file_that_git_keeps_holds_what_looks_like_a_secret() -> None:
    git = shutil.which("git")
    listed = git and subprocess.run([git, "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=False)
    if not listed or listed.returncode:
        pytest.skip("this is no checkout: there is no list of the files that git keeps")
    names = [name for name in listed.stdout.decode().split("\0") if name]
    found = [
        f"{name}: {shape}"
        for name in names
        if (REPOSITORY / name).is_file()
        for shape, pattern in SHAPES.items()
        if re.search(pattern, (REPOSITORY / name).read_bytes())
    ]
    assert len(names) > 300
    assert found == []
    assert not [name for name in names if Path(name).name in (".env", "credentials.toml", "kaggle.json", "id_rsa")]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_secret_of_each_kind_would_be_found(shape: str) -> None:
    assert re.search(SHAPES[shape], SAMPLES[shape])
