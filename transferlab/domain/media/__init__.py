"""Decoders of image, DICOM, video and audio files, and the resolver of media references."""
