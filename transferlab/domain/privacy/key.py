"""The secret key behind ids, pseudonyms and shifted dates; it is read here and written nowhere."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from transferlab.core.paths import user_domains_folder
from transferlab.errors import EnvironmentProblem, InputError

KEY_VARIABLE = "TRANSFERLAB_PRIVACY_KEY"
FILE_VARIABLE = "TRANSFERLAB_PRIVACY_KEY_FILE"
FILE_NAME = "privacy.key"
MIN_CHARACTERS = 32
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_HOW = (
    'make one with: python -c "import secrets; print(secrets.token_hex(32))" '
    "(docs/privacy.md says where to keep it)"
)


class PrivacyKey:
    """A key that can be used and not seen."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return "PrivacyKey(...)"

    def digest(self, parts: Iterable[str]) -> bytes:
        """HMAC-SHA256 over ``parts``, in order: 32 bytes."""
        # JSON, because it keeps ["ab", "c"] and ["a", "bc"] apart.
        return hmac.digest(self._secret, json.dumps(list(parts)).encode(), hashlib.sha256)


def read_key(*, domain: str, folders: Sequence[Path]) -> PrivacyKey:
    """The key from $TRANSFERLAB_PRIVACY_KEY, or from a file.

    The file is $TRANSFERLAB_PRIVACY_KEY_FILE, or privacy.key in $TRANSFERLAB_HOME (~/.transferlab).

    Args:
        domain: the domain that needs it, for the message.
        folders: where the file may not lie: the domain's own folder and its data, which are copied
            and passed on together.

    Raises:
        EnvironmentProblem: there is no key, it is too short, or others can read its file.
        InputError: its file lies in one of ``folders``.
    """
    secret = os.environ.get(KEY_VARIABLE, "").strip()
    origin = f"${KEY_VARIABLE}"
    if not secret:
        path = Path(os.environ.get(FILE_VARIABLE) or user_domains_folder().parent / FILE_NAME)
        secret, origin = _from_file(path, domain=domain, folders=folders), str(path)
    if len(secret) < MIN_CHARACTERS:
        raise EnvironmentProblem(
            f"{origin}: the privacy key has {len(secret)} characters, fewer than "
            f"{MIN_CHARACTERS}; {_HOW}"
        )
    return PrivacyKey(secret.encode())


def _from_file(path: Path, *, domain: str, folders: Sequence[Path]) -> str:
    resolved = path.expanduser().resolve()
    if any(resolved.is_relative_to(folder.resolve()) for folder in folders):
        raise InputError(
            f"{path}: the privacy key lies in the folder of domain '{domain}' or of its data; "
            "keep it where neither is copied with it"
        )
    try:
        if resolved.stat().st_mode & _OTHERS:
            raise EnvironmentProblem(f"{path}: others can read the privacy key; chmod 600 {path}")
        return resolved.read_text("utf-8").strip()
    except FileNotFoundError:
        raise EnvironmentProblem(
            f"domain '{domain}' asks for privacy, which needs a secret key: set ${KEY_VARIABLE}, "
            f"or ${FILE_VARIABLE} to a file that holds one, or put it into {path}; {_HOW}"
        ) from None
    except UnicodeDecodeError:
        raise EnvironmentProblem(f"{path}: the privacy key is not UTF-8 text; {_HOW}") from None
    except OSError as error:
        raise EnvironmentProblem(
            f"{path}: the privacy key cannot be read ({error.strerror})"
        ) from None
