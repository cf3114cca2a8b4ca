"""What a file or a folder is, from its first bytes and headers only; no pixels are read."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

from medfusion import _rust
from medfusion.data.dicom.scan import Scan, files_of, scan_files
from medfusion.data.dicom.series import series_of
from medfusion.data.reading import kind_of
from medfusion.errors import ImageReadError, InputError, VolumeReadError

TABLES = frozenset({".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".parquet"})
LISTED = 20
NIFTI_LOOKED_INTO = 500
"""NIfTI files of a folder whose headers are read; more would keep a person waiting."""


def inspect(path: str | Path) -> dict[str, Any]:
    """Say what a table, an image, a volume or a folder is. Nothing names a patient.

    Args:
        path: A file or a folder.

    Returns:
        Plain values: `kind` ("table", "image", "folder", "dicom", "nifti" or "unknown"), `path`,
        `bytes` and what the kind adds. A DICOM file and a folder have `series`, one entry for each
        volume (see `SeriesInfo`).

    Raises:
        InputError: There is no such file, or it cannot be read.

    Example:
        >>> inspect("cohort.csv")["rows"]  # doctest: +SKIP
        600
    """
    path = Path(path)
    try:
        there = path.exists()
    except (OSError, ValueError) as error:
        msg = f"{path}: cannot be opened ({getattr(error, 'strerror', None) or error})"
        raise InputError(msg) from error
    if not there:
        msg = f"{path}: there is no such file or folder"
        raise InputError(msg)
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        msg = f"{path}: is neither a file nor a folder"
        raise InputError(msg)
    return _file(path)


def _file(path: Path) -> dict[str, Any]:
    kind = kind_of(path) or ("table" if path.suffix.lower() in TABLES else "")
    facts: dict[str, Any] = {"kind": kind, "path": str(path), "bytes": path.stat().st_size}
    if kind == "image":
        return facts | _image(path)
    if kind == "table":
        from medfusion.data.columns import table_facts

        return facts | table_facts(path)
    if kind == "nifti":
        from medfusion.data.nifti import nifti_facts

        found = nifti_facts(path)
        found["affine"] = found["affine"].tolist()
        return facts | found
    seen = scan_files([str(path)], Scan(str(path)))
    if kind == "dicom" or seen.frames or seen.imageless:
        return facts | {"kind": "dicom"} | _dicom(seen)
    return facts | {"kind": "unknown"}


def _image(path: Path) -> dict[str, Any]:
    try:
        height, width, channels, bits = _rust.probe_image(path)
    except _rust.ImageDecodeError as error:
        msg = f"cannot read the image {str(path)!r}: {error}"
        raise ImageReadError(msg) from error
    return {"height": height, "width": width, "channels": channels, "bits": bits}


def _dicom(found: Scan) -> dict[str, Any]:
    series = series_of(found)
    return {
        "series": [info.to_json() for info in series],
        "without_pixels": dict(found.imageless.most_common()),
        "damaged": [{"path": path, "reason": reason} for path, reason in found.damaged[:LISTED]],
        "damaged_files": len(found.damaged),
    }


def _folder(path: Path) -> dict[str, Any]:
    found = Scan(str(path))
    kinds: dict[str, list[str]] = collections.defaultdict(list)
    total = 0
    files = files_of(str(path), found)
    for file in files:
        try:
            kind = kind_of(file)
            total += Path(file).stat().st_size
        except (VolumeReadError, OSError):
            kind = "unreadable"
        if not kind:
            kind = "table" if Path(file).suffix.lower() in TABLES else "unknown"
        kinds[kind].append(file)
    # DICOM without the magic word looks like nothing at first; the parser knows it.
    scan_files(kinds["dicom"] + kinds["unknown"], found)
    strange = set(kinds["unknown"]) & set(found.other)
    damaged = [file for file, _ in found.damaged]
    dicom = len(kinds["dicom"]) + len(kinds["unknown"]) - len(strange)
    counts = {kind: len(members) for kind, members in kinds.items()}
    counts |= {"dicom": dicom - len(damaged), "damaged dicom": len(damaged)}
    counts |= {"unknown": len(strange)}
    counts["unreadable"] = counts.get("unreadable", 0) + sum(
        Path(place).is_dir() for place, _ in found.unseen
    )
    return {
        "kind": "folder",
        "path": str(path),
        "files": len(files),
        "bytes": total,
        "kinds": {
            kind: count
            for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            if count
        },
        "images": _sizes(kinds["image"]),
        "volumes": _volumes(kinds["nifti"]),
    } | _dicom(found)


def _sizes(files: list[str]) -> dict[str, int]:
    """Count plain images by size."""
    sizes: collections.Counter[str] = collections.Counter()
    for file in files:
        try:
            height, width, channels, bits = _rust.probe_image(file)
        except _rust.ImageDecodeError:
            sizes["that cannot be read"] += 1
        else:
            sizes[f"{height}x{width}, {channels} channel(s), {bits} bit"] += 1
    return dict(sizes.most_common(LISTED))


def _volumes(files: list[str]) -> dict[str, int]:
    """Count NIfTI files by what they hold; sizes that differ are shown from least to largest."""
    if not files:
        return {}
    from medfusion.data.display import times
    from medfusion.data.nifti import nifti_facts

    shapes: dict[str, list[tuple[int, ...]]] = collections.defaultdict(list)
    kinds: dict[str, int] = {}
    for file in files[:NIFTI_LOOKED_INTO]:
        try:
            facts = nifti_facts(file)
        except InputError:
            kinds["that cannot be read"] = kinds.get("that cannot be read", 0) + 1
            continue
        spacing = times(facts["spacing"])
        kind = f"{facts['dtype']}, {spacing} mm, {facts['orientation']}"
        shapes[f"{len(facts['shape'])}{kind}"].append(tuple(facts["shape"]))
    for kind, found in sorted(shapes.items(), key=lambda item: -len(item[1]))[:LISTED]:
        ends = [(min(lengths), max(lengths)) for lengths in zip(*found, strict=True)]
        size = " x ".join(str(low) if low == high else f"{low}-{high}" for low, high in ends)
        kinds[f"{size}, {kind[1:]}"] = len(found)
    if len(files) > NIFTI_LOOKED_INTO:
        kinds["not looked into"] = len(files) - NIFTI_LOOKED_INTO
    return kinds
