"""DICOM: files, and folders of them as volumes."""
