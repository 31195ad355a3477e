"""Made-up chest radiographs with clinical notes, as DICOM files."""
