"""What a row's DICOM files state of people, so that its texts can be scrubbed of it.

A source of kind dicom reads it with the rest; a table, a chat or a folder only names the files.
"""

from __future__ import annotations

from collections.abc import Callable

from transferlab.core.paths import data_path
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.base.rows import BadRow, Row
from transferlab.domain.base.template import fill
from transferlab.domain.privacy.guard import KNOWN
from transferlab.domain.rows.source import SourceContext


def note_identifiers(context: SourceContext) -> Callable[[Row], Row]:
    """A function that sets apart, under ``KNOWN``, what a row's files and columns state of people;
    it does nothing where no text is scrubbed, or the source has done it."""
    media = [one for one in context.section.media.values() if one.kind == "dicom"]
    if context.guard.section.text is None:
        return lambda row: row
    # Imported here: they bring pydicom, which domains without such texts do not need.
    from transferlab.domain.media.dicom_files import read_elements
    from transferlab.domain.privacy.dicom_elements import reported_identifiers

    def noted(row: Row) -> Row:
        if row.get(KNOWN):
            return row
        known = reported_identifiers(row)
        for section in media:
            try:
                path = data_path(context.root, fill(section.path, row))
                known += read_elements(path, {}, everything=True)[1]
            except (BadRow, ValueError, UnreadableMedium):
                continue  # the sample is refused for it, with the reason
        return row | {KNOWN: known.to_json()}

    return noted
