"""Made-up radiographs as DICOM: Digital X-Ray Image Storage - For Presentation (DX)."""

from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

LARGEST = 4095
"""12 bits stored."""

VIEW_CODES = {
    "PA": ("272479007", "postero-anterior"),
    "AP": ("399348003", "antero-posterior"),
}
"""SNOMED CT, as DICOM's context group 4010 lists them."""


@dataclass(frozen=True, kw_only=True)
class Radiograph:
    """One image and what its DICOM header says."""

    pixels: np.ndarray
    """(H, W) uint16 in 0..4095, larger where more was absorbed."""
    window: tuple[int, int]
    """Lowest and highest value worth showing, in the unit of ``pixels``."""
    inverted: bool
    """Store as MONOCHROME1 (small values are shown bright) instead of MONOCHROME2."""
    patient_id: str
    sex: str
    """"M" or "F"."""
    age: int
    view: str
    """"PA" or "AP"."""
    number: int
    """Of the image within the patient, from 1."""
    seed: int


def uid(*parts: object) -> UID:
    """A unique identifier that depends on nothing but ``parts``."""
    return UID(f"2.25.{uuid5(NAMESPACE_OID, '/'.join(map(str, parts))).int}")


def write_dicom(path: Path, image: Radiograph) -> None:
    """Write one radiograph; the bytes depend on nothing but ``image``."""
    instance = uid("transferlab", image.seed, image.patient_id, image.number)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID = DigitalXRayImageStorageForPresentation
    file.SOPInstanceUID = instance
    _describe_patient(file, image)
    _describe_acquisition(file, image)
    _describe_pixels(file, image)
    file.save_as(path, enforce_file_format=True)


def _describe_patient(file: Dataset, image: Radiograph) -> None:
    study = ("transferlab", image.seed, image.patient_id)
    file.PatientName = f"Synthetic^{image.patient_id}"
    file.PatientID = image.patient_id
    file.PatientBirthDate = ""
    file.PatientSex = image.sex
    file.PatientAge = f"{image.age:03d}Y"
    file.StudyInstanceUID = uid(*study, "study", image.number)
    file.StudyDate = f"2001{image.number:02d}01"
    file.StudyTime = "120000"
    file.StudyID = str(image.number)
    file.AccessionNumber = ""
    file.ReferringPhysicianName = ""
    file.SeriesInstanceUID = uid(*study, "series", image.number)
    file.SeriesNumber = 1


def _describe_acquisition(file: Dataset, image: Radiograph) -> None:
    file.Modality = "DX"
    file.PresentationIntentType = "FOR PRESENTATION"
    file.Manufacturer = "transferlab"
    file.InstanceNumber = 1
    file.ContentDate, file.ContentTime = file.StudyDate, file.StudyTime
    file.ImageType = ["ORIGINAL", "PRIMARY", ""]
    file.BodyPartExamined = "CHEST"
    file.AnatomicRegionSequence = [_code("816094009", "Chest")]
    file.ImageLaterality = "U"
    file.PatientOrientation = ["L", "F"]
    file.ViewPosition = image.view
    view, meaning = VIEW_CODES[image.view]
    file.ViewCodeSequence = [_code(view, meaning)]
    file.AcquisitionContextSequence = []
    file.DetectorType = "DIRECT"
    file.ImagerPixelSpacing = [1.6, 1.6]
    file.BurnedInAnnotation = "NO"


def _describe_pixels(file: Dataset, image: Radiograph) -> None:
    low, high = image.window
    centre, width = (low + high) // 2, high - low
    pixels = image.pixels
    if image.inverted:
        # DICOM's window reaches from centre - 0.5 - (width - 1) / 2 upwards, so that its mirror
        # image lies around LARGEST + 1 - centre.
        pixels, centre = LARGEST - pixels, LARGEST + 1 - centre
    file.SamplesPerPixel = 1
    file.PhotometricInterpretation = "MONOCHROME1" if image.inverted else "MONOCHROME2"
    file.PresentationLUTShape = "INVERSE" if image.inverted else "IDENTITY"
    file.PixelIntensityRelationship = "LOG"
    file.PixelIntensityRelationshipSign = 1 if image.inverted else -1
    file.Rows, file.Columns = pixels.shape
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 12, 11
    file.PixelRepresentation = 0
    # The DX standard admits no other rescaling for presentation.
    file.RescaleIntercept, file.RescaleSlope, file.RescaleType = 0, 1, "US"
    file.WindowCenter, file.WindowWidth = centre, width
    file.LossyImageCompression = "00"
    file.PixelData = pixels.astype("<u2").tobytes()


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item
