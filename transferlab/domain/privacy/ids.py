"""Salted ids: stable over machines and runs, and free of what the data call a patient or a file.

The salt is the domain's name behind a fixed word. It keeps ids apart between domains and keeps
identifiers out of logs and checkpoints; it is no secret, so ids do not protect against somebody who
has the original identifiers and tries them one by one. Where a domain asks for privacy, ids are
made with a secret key, and nobody without it can try.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from transferlab.domain.privacy.key import PrivacyKey

_WORD = "transferlab"
ID_LENGTH = 20
"""Hexadecimal digits, 80 bits: a collision among a million samples has a chance of 1 in 10^12."""


def salted_id(domain: str, parts: Iterable[str], *, key: PrivacyKey | None = None) -> str:
    """The id of whatever ``parts`` identify within a domain, in order; ``key`` makes it secret."""
    if key is not None:
        return key.digest(["id", domain, *parts]).hex()[:ID_LENGTH]
    # JSON, because it keeps ["ab", "c"] and ["a", "bc"] apart.
    text = json.dumps([_WORD, domain, *parts])
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]
