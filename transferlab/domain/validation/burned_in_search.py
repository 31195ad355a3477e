"""Pictures of a domain that asks for privacy, searched for text that is burned into them."""

from __future__ import annotations

from transferlab.config.privacy import PrivacySection
from transferlab.core.records import MediaRef
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.media.decoder import decode
from transferlab.domain.validation.findings import Problem
from transferlab.errors import MissingExtra

KIND = "burned_in_text"


class BurnedInSearch:
    """Looks at pictures one by one; films are not searched."""

    def __init__(self, section: PrivacySection) -> None:
        """``section``: the domain's; nothing is searched unless it asks for ``dicom``."""
        self._enabled = section.dicom is not None
        self._left = section.searched_pictures
        self.problems: list[Problem] = []
        """A warning for every picture on which text seems to stand."""

    def wants(self, ref: MediaRef) -> bool:
        """Whether a picture that was not searched yet should be."""
        return self._enabled and ref.kind != "video" and self._left != 0

    def search(self, where: str, ref: MediaRef) -> None:
        """Search a picture that can be decoded.

        Args:
            where: file and row that show it.
            ref: the picture.
        """
        from transferlab.domain.privacy.burned_in_text import count_characters, require_reader

        try:
            require_reader()
            characters = max(map(count_characters, decode(ref)))
        except MissingExtra as error:
            self._enabled = False  # said once
            reason = f"pictures were not searched for burned-in text: {error}"
            self._warn("privacy", reason)
            return
        except UnreadableMedium as error:  # another frame than the one that was checked
            self.problems.append(Problem(kind="medium", where=where, reason=error.reason))
            return
        if self._left is not None:
            self._left -= 1
        if characters:
            reason = f"its picture seems to hold text: about {characters} letters and digits"
            self._warn(where, reason)

    def _warn(self, where: str, reason: str) -> None:
        self.problems.append(Problem(kind=KIND, where=where, reason=reason, severity="warning"))
